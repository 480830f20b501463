"""What may happen to a job next: every row of `docs/jobs.md`, and the edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from transcode.contract import OutcomeKind, ProfileRef, SourceRecord
from transcode.contract.job import Claim, Ending, Submission
from transcode.contract.state import ClaimHistory
from transcode.jobs import (
    Busy,
    Done,
    Exhausted,
    Free,
    History,
    JobState,
    Over,
    TryLimits,
    Waiting,
    job_state,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)
LEASE = 60.0
OVER = timedelta(seconds=LEASE + 1)
"""The lease, and the second that S3 does not tell."""
LIMITS = TryLimits(tries=3, hand_backs=2)
SUBMISSION = Submission(
    job_id="0" * 32,
    folder="a.hls.000000000000",
    source=SourceRecord(uri="a.mp4", bytes=1, etag="1", version=None),
    profile=ProfileRef(name="hls", digest="sha256:0"),
    to="out",
    submitted_at=NOON,
)


def claim(number: int, kind: str | None = None, **ending: object) -> ClaimHistory:
    """Claim *number*, made at noon, and how it ended if it did."""
    ended = None
    if kind is not None:
        said = {"final": False, "outcome": OutcomeKind.LOST, **ending}
        ended = Ending.model_validate(
            {"job_id": "0" * 32, "claim": number, "kind": kind, **said}
        )
    held = Claim(
        job_id="0" * 32, number=number, owner=f"worker {number}", lease_seconds=LEASE
    )
    return ClaimHistory(held, NOON, ended)


def stands(*tried: ClaimHistory, at: datetime = NOON, **further: object) -> JobState:
    """Where a job with these claims stands *at* a time."""
    history = History(SUBMISSION, tried, **{"done": False, **further})  # type: ignore[arg-type]
    return job_state(history, at, LIMITS)


def test_nobody_has_claimed_it() -> None:
    """Whoever looks may."""
    assert stands() == Free(1)


@pytest.mark.parametrize(
    "tried",
    [(), (claim(1),), (claim(1, "failed", final=True),), (claim(1, "handed_back"),)],
)
def test_a_manifest_is_success_whatever_else_is_written(
    tried: tuple[ClaimHistory, ...],
) -> None:
    """Cancelled, failed or held: there is a result."""
    assert stands(*tried, done=True, cancelled=True) == Done()


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (timedelta(0), Busy("worker 1", NOON + OVER)),
        (timedelta(seconds=LEASE) - MOMENT, Busy("worker 1", NOON + OVER)),
        (timedelta(seconds=LEASE), Busy("worker 1", NOON + OVER)),
        (OVER - MOMENT, Busy("worker 1", NOON + OVER)),
        (OVER, Free(2)),
        (timedelta(days=365), Free(2)),
        (timedelta(hours=-1), Busy("worker 1", NOON + OVER)),
    ],
)
def test_a_claim_holds_for_its_lease_and_the_grain_of_the_clock(
    since: timedelta, expected: JobState
) -> None:
    """Not a moment less; a clock that was set back only makes it longer."""
    assert stands(claim(1), at=NOON + since) == expected


def test_only_the_newest_claim_holds() -> None:
    """Of a stale one neither lease nor late failure counts as the job's end."""
    stale = claim(1, "failed", final=True)

    assert stands(claim(1), claim(2, "handed_back")) == Free(3)
    assert stands(stale, claim(2)) == Busy("worker 2", NOON + OVER)


def test_handed_back_is_free_at_once() -> None:
    """Nobody waits for a lease that its holder has given up."""
    assert stands(claim(1, "handed_back")) == Free(2)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOON, Waiting(NOON + timedelta(seconds=10))),
        (NOON + timedelta(seconds=10) - MOMENT, Waiting(NOON + timedelta(seconds=10))),
        (NOON + timedelta(seconds=10), Free(2)),
    ],
)
def test_a_failure_waits_before_it_is_tried_again(
    at: datetime, expected: JobState
) -> None:
    """As long as it says."""
    failed = claim(1, "failed", not_before=NOON + timedelta(seconds=10))

    assert stands(failed, at=at) == expected


@pytest.mark.parametrize("kind", ["failed", "cancelled"])
def test_an_end_for_good_is_one(kind: str) -> None:
    """For ever, cancelled or not."""
    last = claim(1, kind, final=True)

    assert last.ending is not None
    assert stands(last) == Over(last.ending)
    assert stands(last, at=NOON + OVER, cancelled=True) == Over(last.ending)


@pytest.mark.parametrize(
    "ends",
    [
        (None, None, None),
        ("failed", "failed", "failed"),
        ("failed", None, "failed"),
        ("lost", "failed", None),
        ("handed_back", "lost", "lost", None),
    ],
)
def test_what_was_tried_often_enough_is_given_up(ends: tuple[str | None, ...]) -> None:
    """Failures and lost claims count alike; hand-backs do not count as tries."""
    tried = [claim(n, kind) for n, kind in enumerate(ends, 1)]

    found = stands(*tried, at=NOON + OVER)

    assert isinstance(found, Exhausted)
    assert found.number == len(ends) + 1
    assert isinstance(stands(*tried[:-1], at=NOON + OVER), Free)


def test_a_job_that_is_always_handed_back_is_given_up() -> None:
    """It would never fit into the time that its workers have."""
    twice = stands(claim(1, "handed_back"), claim(2, "handed_back"))

    assert isinstance(twice, Exhausted)
    assert "handed back 2 times" in twice.why


def test_giving_up_can_be_lost_too() -> None:
    """Then the next does it, once the lease is over."""
    tried = [claim(n) for n in range(1, 5)]

    assert stands(*tried) == Busy("worker 4", NOON + OVER)
    found = stands(*tried, at=NOON + OVER)
    assert isinstance(found, Exhausted)
    assert found.number == 5


def test_cancelled_before_a_claim_needs_one_to_say_so() -> None:
    """There is no end without somebody who writes it."""
    assert stands(cancelled=True) == Free(1)


def test_cancelled_while_claimed_is_for_the_holder_to_end() -> None:
    """Or for anybody once the lease is over; tries and pauses do not matter then."""
    tired = [claim(n) for n in range(1, 5)]
    later = claim(1, "failed", not_before=NOON + timedelta(days=1))

    assert stands(claim(1), cancelled=True) == Busy("worker 1", NOON + OVER)
    assert stands(claim(1), at=NOON + OVER, cancelled=True) == Free(2)
    assert stands(*tired, at=NOON + OVER, cancelled=True) == Free(5)
    assert stands(later, cancelled=True) == Free(2)


def test_a_new_round_forgets_what_was_before() -> None:
    """Tries begin anew, numbers go on."""
    tired = [claim(n) for n in range(1, 4)]
    given_up = claim(4, "failed", final=True)

    assert stands(*tired, given_up, round_after=4, round_number=1) == Free(5)
    assert stands(*tired, given_up, claim(5), round_after=4) == Busy(
        "worker 5", NOON + OVER
    )
    again = stands(
        *tired, given_up, claim(5), claim(6), claim(7), round_after=4, at=NOON + OVER
    )
    assert isinstance(again, Exhausted)
    assert again.number == 8
    assert again.tries == 3


def test_room_is_waited_for_a_few_times_and_other_trouble_longer() -> None:
    """
    The fifth time it is said; a store that is down is waited for thirty times, and a
    turn on the platform for as long as it takes.
    """

    def put_off(number: int, kind: str) -> ClaimHistory:
        failure = {"type": kind, "message": "It is in the way.", "retryable": False}
        return claim(number, "handed_back", failure=failure)

    room = [put_off(n, "ScratchFull") for n in range(1, 6)]
    down = [put_off(n, "StoreDown") for n in range(1, 31)]
    turn = [put_off(n, "PlatformBusy") for n in range(1, 1000)]

    assert isinstance(stands(*room[:-1]), Free)
    assert isinstance(stands(*room), Exhausted)
    assert isinstance(stands(*down[:-1]), Free)
    assert isinstance(stands(*down), Exhausted)
    assert isinstance(stands(*turn), Free)
