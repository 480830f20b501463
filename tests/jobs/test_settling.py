"""When a file counts as whole, and when what was in trouble is looked at again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.jobs.settling import (
    SettlingFile,
    Sighting,
    follow,
    is_due,
    put_off,
    rests,
    settle,
)

SETTLE = 2.0


def seen(size: int, *, age: float | None = 0.0, changed: int = 0) -> Sighting:
    """A file of this size whose content changed so many seconds ago."""
    return Sighting(f"{size:x}", size, changed, age)


def takes(looks: list[tuple[float, Sighting]], *, settle_seconds: float) -> list[int]:
    """Sizes at which the file would become an upload."""
    track: SettlingFile | None = None
    taken = []
    for now, sighting in looks:
        track = follow(track, sighting, now, settle_seconds=settle_seconds)
        whole = rests(track, now, settle_seconds=settle_seconds)
        if is_due(track, now) and whole:
            taken.append(sighting.bytes)
            track = settle(track)
    return taken


def test_a_file_that_lies_still_is_taken_at_once() -> None:
    """Nobody waits for what was there before us."""
    assert [5] == takes([(0.0, seen(5, age=100.0))], settle_seconds=SETTLE)


def test_a_time_in_the_future_is_judged_by_what_is_seen() -> None:
    """A wrong clock, or a year 10209: two looks that agree are enough."""
    looks = [(0.0, seen(5, age=None)), (1.0, seen(5, age=None))]
    assert [] == takes(looks, settle_seconds=SETTLE)
    later = [*looks, (3.0, seen(5, age=None)), (8.0, seen(5, age=None))]
    assert [5] == takes(later, settle_seconds=SETTLE)


def appended(rest: float, times: int, *, every: float) -> list[tuple[float, Sighting]]:
    """Looks at a file that grows *times* times, *rest* seconds apart, then no more."""
    looks = []
    end = rest * times + 200
    for number in range(int(end / every)):
        now = number * every + 0.5
        steps = min(int(now / rest), times - 1)
        looks.append((now, seen(10 * (steps + 1), age=now - steps * rest)))
    return looks


def test_a_file_that_rests_while_it_grows_is_not_an_upload_each_time() -> None:
    """Nine seconds between appends: once it was seen to grow, it is waited for; with
    a settle time beyond its rests it is one upload."""
    looks = appended(9.0, 4, every=5.0)

    assert [10, 40] == takes(looks, settle_seconds=SETTLE)
    assert [40] == takes(looks, settle_seconds=10.0)


@given(rest=st.floats(0.5, 60.0), times=st.integers(1, 12), every=st.floats(0.5, 30.0))
def test_what_is_whole_in_the_end_is_taken(
    rest: float, times: int, every: float
) -> None:
    """However it grew: nothing is forgotten, and nothing is taken twice."""
    taken = takes(appended(rest, times, every=every), settle_seconds=10.0)

    assert 10 * times == taken[-1]
    assert len(taken) == len(set(taken))


def test_a_replaced_file_waits_no_longer_than_any_other() -> None:
    """A day later it is a new upload, not one that rested for a day."""
    track = settle(follow(None, seen(5, age=100.0), 0.0, settle_seconds=SETTLE))
    track = follow(track, seen(9, age=0.0), 86_400.0, settle_seconds=SETTLE)

    assert not rests(track, 86_401.0, settle_seconds=SETTLE)
    assert rests(track, 86_402.0, settle_seconds=SETTLE)


def test_trouble_is_tried_again_ever_more_rarely_and_for_ever() -> None:
    """At most five minutes apart."""
    track = follow(None, seen(5, age=100.0), 0.0, settle_seconds=SETTLE)
    now, pauses = 0.0, []
    for _ in range(6):
        track, pause = put_off(track, now)
        assert not is_due(track, now + pause - 0.1)
        now += pause
        assert is_due(track, now)
        pauses.append(pause)

    assert [5.0, 20.0, 80.0, 300.0, 300.0, 300.0] == pauses


@pytest.mark.parametrize("settled", [False, True])
def test_a_mended_right_is_seen_at_once(settled: bool) -> None:  # noqa: FBT001
    """It changes a file's ctime; what is a job already stays one."""
    track = follow(None, seen(5, age=100.0), 0.0, settle_seconds=SETTLE)
    track, _ = put_off(track, 0.0)
    track = replace(track, settled=settled)

    again = follow(track, seen(5, age=101.0, changed=1), 1.0, settle_seconds=SETTLE)

    assert not is_due(track, 1.0)
    assert (not settled) == is_due(again, 1.0)
