"""What may happen to a job next, told from its records. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..contract import Manifest
from ..contract.job import Ending, JobReport, Submission
from ..contract.state import ClaimHistory, status_of
from ..contract.status import JobStatus
from ..errors import BudgetReached, PlatformBusy, ScratchFull


@dataclass(frozen=True, slots=True)
class TryLimits:
    """How often a job is taken up before it counts as failed."""

    tries: int = 3
    """Claims that were lost or ended in a failure worth repeating."""
    hand_backs: int = 10
    """Claims given back for want of time; a job that always is would go on for ever."""
    put_offs: int = 30
    """Claims given back before anything was spent, since a store, a right or the
    machine stood in the way: some fifteen hours."""
    waits_for_room: int = 5
    """Of those, for scratch that others have: half an hour. Then it is said, and the
    job is opened again by whoever finds room for it."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is kept of a job, as it was when it was read."""

    submission: Submission
    tried: tuple[ClaimHistory, ...]
    """By number, all of them."""
    done: bool
    """Its manifest exists."""
    round_after: int = 0
    """Claims up to this number belong to rounds that `retry` has closed."""
    round_number: int = 0
    cancelled: bool = False
    told: frozenset[str] = frozenset()
    """Digests of destinations that know how this round ended."""

    @property
    def round_tried(self) -> tuple[ClaimHistory, ...]:
        """The claims of this round."""
        return tuple(t for t in self.tried if t.claim.number > self.round_after)

    def status(self, now: datetime) -> JobStatus:
        """The job's state in one word."""
        last = self.round_tried[-1] if self.round_tried else None
        return status_of(done=self.done, last=last, now=now)


@dataclass(frozen=True, slots=True)
class Done:
    """It succeeded."""


@dataclass(frozen=True, slots=True)
class Over:
    """It ended without a result, for good."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody holds it."""

    owner: str
    until: datetime
    """Unless renewed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """It is to be tried again, later."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Free:
    """Whoever creates claim *number* may work on it."""

    number: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Whoever creates claim *number* is to end it: it was tried often enough."""

    number: int
    tries: int
    why: str


JobState = Done | Over | Busy | Waiting | Free | Exhausted


def job_state(  # noqa: PLR0911 - one for each answer
    history: History, now: datetime, limits: TryLimits, *, has_room: bool = False
) -> JobState:
    """
    What may happen next. *now* is by the same clock as the times of the claims;
    *has_room*: the platform has room again, for which a job need not wait its time.

    Two readers may be told `Free` with the same number; the store decides. A reader
    with an old picture is told a number that exists already, and loses.
    """
    if history.done:
        return Done()
    tried = history.round_tried
    number = max((one.claim.number for one in history.tried), default=0) + 1
    if not tried:
        return Free(number)
    last = tried[-1]
    if last.ending is None:
        if now < last.held_until:
            return Busy(last.claim.owner, last.held_until)
    elif last.ending.final:
        return Over(last.ending)
    if history.cancelled:
        return Free(number)
    if why := _enough(tried, limits):
        return Exhausted(number, len(tried), why)
    wait = last.ending.not_before if last.ending else None
    if has_room and waits_for_room(history):
        wait = None
    if wait is not None and now < wait:
        return Waiting(wait)
    return Free(number)


def waits_for_room(history: History) -> bool:
    """Whether it was put off because as much ran on the platform as may."""
    last = history.round_tried[-1].ending if history.round_tried else None
    if last is None or last.failure is None:
        return False
    return last.kind == "handed_back" and last.failure.type == PlatformBusy.__name__


def _enough(tried: Sequence[ClaimHistory], limits: TryLimits) -> str | None:
    lost = sum(one.ending is None or one.ending.kind == "lost" for one in tried)
    failed = sum(
        one.ending is not None and one.ending.kind == "failed" for one in tried
    )
    if lost + failed >= limits.tries:
        return (
            f"it was tried {lost + failed} times: {failed} failed and {lost} ended "
            "without a word"
        )
    # Waiting for money, or for its turn, says nothing about the job.
    why = [
        None if one.ending.failure is None else one.ending.failure.type
        for one in tried
        if one.ending is not None and one.ending.kind == "handed_back"
    ]
    back = why.count(None)
    if back >= limits.hand_backs:
        return f"it was handed back {back} times for want of time"
    if why.count(ScratchFull.__name__) >= limits.waits_for_room:
        return "room was waited for, and none came; it is taken up again where there is"
    waited = sum(why.count(it.__name__) for it in (BudgetReached, PlatformBusy))
    put_off = len(why) - back - waited
    if put_off >= limits.put_offs:
        return f"{put_off} times something stood in the way"
    return None


def report(
    history: History, now: datetime, limits: TryLimits, manifest: Manifest | None
) -> JobReport:
    """Where the job stands at *now*; *manifest* is that of a success, if it is one."""
    state = job_state(history, now, limits)
    if isinstance(state, Over):
        manifest = state.ending.manifest
    return JobReport(
        job_id=history.submission.job_id,
        folder=history.submission.folder,
        status=history.status(now),
        detail=_detail(history, state),
        submission=history.submission,
        tries=len(history.tried),
        manifest=manifest,
    )


def _detail(history: History, state: JobState) -> str | None:
    """One clause for a person; None where there is nothing to add."""
    said: str | None = "nobody works on it"
    if isinstance(state, Done):
        said = None
    elif isinstance(state, Over):
        said = state.ending.failure.message if state.ending.failure else None
    elif isinstance(state, Busy):
        asked = ", and was asked to stop" if history.cancelled else ""
        said = f"{state.owner} works on it{asked}"
    elif isinstance(state, Waiting):
        said = f"to be tried again after {state.until.isoformat('T', 'seconds')}"
        if why := _why_not_now(history):
            said = f"{why} It is {said}."
    elif history.cancelled:
        said = "it is to be cancelled by the next to look at it"
    elif isinstance(state, Free):
        said = _why_not_now(history) or said
    return said


def _why_not_now(history: History) -> str | None:
    last = history.round_tried[-1].ending if history.round_tried else None
    return last.failure.message if last is not None and last.failure else None
