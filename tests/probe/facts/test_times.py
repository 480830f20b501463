"""How long a stream lasts that has no times."""

from __future__ import annotations

import pytest

from transcode.probe.facts.times import raw_frames, whole_pictures


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
