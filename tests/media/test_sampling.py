"""How much of what was made is looked at, and which pictures of a part count."""

from __future__ import annotations

from fractions import Fraction

import pytest

from transcode.contract import Clip
from transcode.media.sampling import LEAD_PICTURES, TAIL_SECONDS, scored_window


def test_a_part_has_pictures_before_and_behind_what_is_scored() -> None:
    """Some to lead, and what an encoder looks ahead to."""
    clip = Clip(start_seconds=8.0, end_seconds=9.22)

    assert (0.4, pytest.approx(1.1)) == scored_window(clip, Fraction(25))
    begin, end = scored_window(clip, None) or (0.0, 0.0)
    assert end - begin == pytest.approx(1.22 - LEAD_PICTURES / 25 - TAIL_SECONDS)


def test_of_what_is_all_there_is_everything_counts() -> None:
    """Nothing leads up to it: a keyframe more would make it another film."""
    clip = Clip(start_seconds=0, end_seconds=6.0, entire=True)

    assert scored_window(clip, Fraction(25)) is None


def test_of_what_is_too_short_all_counts() -> None:
    """Half a second has no pictures to spare."""
    assert scored_window(Clip(start_seconds=0, end_seconds=0.5), Fraction(25)) is None
