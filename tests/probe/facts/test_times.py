"""How long a stream lasts that has no times."""

from __future__ import annotations

import pytest

from transcode.probe.facts.times import raw_frames, whole_pictures


@pytest.mark.parametrize(
    ("seconds", "pictures"),
    [
        (2.00003, 50),  # 29 second fields, a tick each
        (3.16, 79),
        (0.0, 79),  # nothing says how long a packet lasts
        (0.5, 79),  # nor can three packets be one picture
    ],
)
def test_the_second_field_of_a_picture_is_no_picture(
    seconds: float, pictures: int
) -> None:
    """
    A bare stream of 79 packets has as many pictures as last as long as all of them.
    """
    packets = {"count": 79, "untimed": 79, "whole": True, "sum": seconds}

    assert pictures == whole_pictures({"average_rate": "25/1", "packets": packets})


def test_of_a_long_one_a_part_speaks_for_all() -> None:
    """
    Of ten times the bytes that were read.
    """
    packets = {"count": 80, "untimed": 80, "whole": False, "sum": 1.6, "bytes": 1000}
    stream = {"average_rate": "25/1", "size": 10_000, "packets": packets}

    assert 400 == raw_frames(stream)
