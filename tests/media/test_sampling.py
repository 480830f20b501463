"""How much of what was made is looked at, and which pictures of a part count."""

from __future__ import annotations

from fractions import Fraction

import pytest

from transcode.contract import Clip
from transcode.media.metrics import METRICS, Metric
from transcode.media.sampling import (
    LEAD_PICTURES,
    SETTLED_SECONDS,
    TAIL_SECONDS,
    lead_seconds,
    of_whole,
    scored_window,
    telling_parts,
    weighed_window,
)
from transcode.plan.sample_parts import SEARCHED_PART_SECONDS


def test_a_part_has_pictures_before_and_behind_what_is_weighed() -> None:
    """Some to lead, and what an encoder looks ahead to."""
    clip = Clip(start_seconds=8.0, end_seconds=9.24)

    assert (0.4, pytest.approx(1.0)) == weighed_window(clip, Fraction(25))
    begin, end = weighed_window(clip, None) or (0.0, 0.0)
    assert end - begin == pytest.approx(1.24 - LEAD_PICTURES / 25 - TAIL_SECONDS)


@pytest.mark.parametrize("lasts", [1.05, 1.24, 1.5, 3.0])
def test_a_keyframe_and_what_follows_at_once_are_not_scored(lasts: float) -> None:
    """They are better than the rest of their group; some are left to be scored."""
    clip = Clip(start_seconds=8.0, end_seconds=8.0 + lasts)

    weighed, scored = (it(clip, Fraction(25)) for it in (weighed_window, scored_window))

    assert weighed is not None
    assert scored is not None
    assert scored[1] == weighed[1]
    settled = min(SETTLED_SECONDS, (weighed[1] - weighed[0]) / 2)
    assert scored[0] - weighed[0] == pytest.approx(settled)


@pytest.mark.parametrize(("parts", "telling"), [(1, 1), (3, 1), (6, 3), (24, 6)])
def test_some_parts_tell_of_further_factors(parts: int, telling: int) -> None:
    """What a factor changes is alike in all of them; of many, six are enough."""
    assert telling == telling_parts(parts)


def test_of_what_is_all_there_is_everything_counts() -> None:
    """Nothing leads up to it: a keyframe more would make it another film."""
    clip = Clip(start_seconds=0, end_seconds=6.0, entire=True)

    assert weighed_window(clip, Fraction(25)) is None
    assert scored_window(clip, Fraction(25)) is None


def test_of_what_is_too_short_all_counts() -> None:
    """Half a second has no pictures to spare."""
    assert scored_window(Clip(start_seconds=0, end_seconds=0.5), Fraction(25)) is None


@pytest.mark.parametrize("rate", [8, 12.5, 25, 60])
def test_parts_have_a_lead_at_any_rate(rate: float) -> None:
    """Ten pictures are 1.25 s of eight a second, and no part is so short for that."""
    lead = lead_seconds(Fraction(rate))
    lasts = lead + SEARCHED_PART_SECONDS + TAIL_SECONDS
    clip = Clip(start_seconds=8.0, end_seconds=8.0 + lasts)

    assert (pytest.approx(lead), pytest.approx(lasts - TAIL_SECONDS)) == weighed_window(
        clip, Fraction(rate)
    )


@pytest.mark.parametrize("metric", METRICS.values())
def test_a_whole_is_a_little_better_than_its_parts_but_never_perfect_beyond(
    metric: Metric,
) -> None:
    assert 40 < of_whole(40, metric) < 41
    assert 100 == of_whole(100, METRICS["vmaf"])
