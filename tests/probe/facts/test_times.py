"""How long a stream lasts that has no times."""

from __future__ import annotations

import pytest

from transcode.probe.facts.times import jumps, raw_frames, times, whole_pictures


@pytest.mark.parametrize(
    ("halves", "unheaded", "untimed", "pictures"),
    [(29, 0, 79, 50), (0, 27, 79, 52), (29, 27, 0, 50)],
)
def test_what_is_no_picture_of_its_own_is_not_counted(
    halves: int, unheaded: int, untimed: int, pictures: int
) -> None:
    """
    Second fields nowhere, and in a bare stream nothing before its first keyframe.
    """
    packets = {"count": 79, "halves": halves, "unheaded": unheaded, "untimed": untimed}

    assert pictures == whole_pictures({"packets": packets})


def test_of_a_long_one_a_part_speaks_for_all() -> None:
    """
    Of ten times the bytes that were read.
    """
    packets = {"count": 80, "halves": 40, "untimed": 80, "whole": False, "bytes": 1000}
    stream = {"size": 10_000, "packets": {**packets, "unheaded": 10}}

    assert 390 == raw_frames(stream)


@pytest.mark.parametrize(
    ("steps", "jumped", "lasts"),
    [
        ([(3000, 20), (2000, 20), (90_000, 22)], False, 7.1),
        ([(3000, 61), (40_000_000, 1)], True, 63 / 30),
    ],
)
def test_pictures_of_a_tick_each_are_no_leap_of_the_clock(
    steps: list[tuple[int, int]], *, jumped: bool, lasts: float
) -> None:
    """H.264 at a variable rate in a transport stream: 7 s of it had lasted 0.0007 s."""
    packets = {
        "count": 63, "whole": True, "clocked": True, "leaps": 0, "first": 1.4,
        "end": 8.5 if not jumped else 448.0, "sum": 0.0007, "steps": steps,
    }  # fmt: skip
    stream = {
        "type": "video", "start": 1.4, "time_base": "1/90000", "packets": packets,
    }  # fmt: skip

    assert jumped == jumps(stream)
    assert lasts == pytest.approx(times(stream)[1], abs=0.01)
