"""What curves of rate and quality say beside each other."""

from __future__ import annotations

import pytest

from transcode.bench.quality import EncodingWay, bd_rate, way_of
from transcode.errors import UsageError

BASE = [(500.0, 80.0), (1000.0, 88.0), (2000.0, 94.0), (4000.0, 97.0)]


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
def test_the_same_curve_at_another_rate_differs_by_that(factor: float) -> None:
    """At every quality so many per cent more, so as a mean."""
    other = [(rate * factor, quality) for rate, quality in BASE]

    assert (factor - 1) * 100 == pytest.approx(bd_rate(BASE, other), abs=1e-6)


def test_only_qualities_that_both_reach_are_compared() -> None:
    """A curve that goes on further is the same curve."""
    assert 0 == pytest.approx(bd_rate(BASE, BASE[1:]), abs=6)
    assert bd_rate(BASE, [(9.0, 20.0), (10.0, 30.0)]) is None


@pytest.mark.parametrize("other", [BASE[:1], [(1.0, 90.0), (2.0, 90.0)]])
def test_what_is_no_rising_curve_is_not_compared(
    other: list[tuple[float, float]],
) -> None:
    """Of one point, or without a rise, nothing is known."""
    assert bd_rate(BASE, other) is None


def test_a_way_is_a_codec_and_its_preset() -> None:
    """Slips are told before anything is encoded."""
    assert EncodingWay("av1", "10") == way_of("av1:10")
    with pytest.raises(UsageError, match="no codec 'x264'"):
        way_of("x264:slow")
    with pytest.raises(UsageError, match="h264 has no preset 'fastest'"):
        way_of("h264:fastest")
