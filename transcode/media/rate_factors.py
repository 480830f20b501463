"""
Rate factor and quality: which factor to try next, and which one meets a target.

Quality falls as the factor rises, nearly on a line over a few steps and flatter near
either end; so two factors that enclose a target and stand close tell it by
interpolation.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = [
    "SANE",
    "adds_bits",
    "affordable",
    "interpolated",
    "next_factor",
    "slope_of",
    "stepped",
    "steps_away",
]


@dataclass(frozen=True, slots=True)
class FactorRange:
    """Of one codec: what is worth trying, and how quality falls in it."""

    best: float
    """Below it bits grow and nobody sees a difference."""
    frugal: float
    """Above it pictures fall to pieces."""
    step: float
    """The finest that its encoder knows."""
    fall: float
    """VMAF per unit, typically; measured near 93."""
    octave: float
    """So much more halves the bits, typically."""
    near: float
    """Between two factors so far apart the curve is as good as a line."""


SANE: Final[Mapping[str, FactorRange]] = {
    "h264": FactorRange(best=13, frugal=38, step=0.25, fall=1.5, octave=6, near=5),
    "hevc": FactorRange(best=13, frugal=40, step=0.25, fall=1.5, octave=6, near=5),
    "av1": FactorRange(best=12, frugal=58, step=1, fall=0.6, octave=11, near=11),
    "vp9": FactorRange(best=12, frugal=58, step=1, fall=0.6, octave=11, near=11),
}
"""By codec, in the words of its software encoder. libsvtav1 and libvpx take whole
numbers (FFmpeg 9.0.2, `-h encoder=`)."""

MOST_TRIALS: Final = 4
GOOD_ENOUGH: Final = 0.4
"""Of VMAF, as all below: a trial that is so near a target needs no second one."""
_NEAR_ENOUGH = 1.5
"""And two no third that enclose it near each other: the line through them errs by a
tenth of that. Between and beyond others the curve bends."""
_MORE_BITS = 1.05
_HALVINGS = 30
_LEAST_FALL, _MOST_FALL = 0.3, 3.0
"""Of the typical fall: two trials may lie in noise."""
_LEAST_LOST = 0.5
"""Of what is perfect: nearer to it a score says little of the way back."""

Points = Sequence[tuple[float, float]]
"""(rate factor, score), any order."""


def next_factor(
    points: Points, target: float, codec: str, *, per_vmaf: float = 1.0
) -> float | None:
    """
    What to try after *points*, at least one; None where they tell enough.

    None, too, where the last sane factor was tried and does not reach *target*.
    *per_vmaf* as in `media.metrics`: scores and target are in a metric's own unit.
    """
    points = [(factor, score / per_vmaf) for factor, score in points]
    target /= per_vmaf
    sane = SANE[codec]
    tried = sorted(points)
    if len(tried) >= MOST_TRIALS:
        return None
    nearest = min(tried, key=lambda point: abs(point[1] - target))
    if abs(nearest[1] - target) <= _enough(tried, nearest, target, sane):
        return None
    above = [point for point in tried if point[1] >= target]
    below = [point for point in tried if point[1] < target]
    if above and below:
        low, high = above[-1], below[0]
        if high[0] - low[0] <= sane.near:
            return None
        wanted = stepped(_between(low, high, target), codec)
        return None if wanted in (low[0], high[0]) else wanted
    edge = tried[0] if below else tried[-1]
    limit = sane.best if below else sane.frugal
    if edge[0] <= sane.best if below else edge[0] >= sane.frugal:
        return None
    # A little further than it seems, so that the target is enclosed.
    away = 1.15 * (edge[1] - target) / slope_of(tried, codec)
    least = 4 * sane.step if sane.step < 1 else 2.0
    away = max(away, least) if above else min(away, -least)
    wanted = edge[0] + away
    wanted = max(wanted, limit) if below else min(wanted, limit)
    return stepped(wanted, codec)


def _enough(
    tried: Points, nearest: tuple[float, float], target: float, sane: FactorRange
) -> float:
    """Of VMAF: so far from the target the nearest of *tried* may be."""
    if len(tried) == 1:
        return GOOD_ENOUGH
    apart = min(abs(it[0] - nearest[0]) for it in tried if it != nearest)
    enclosed = min(it[1] for it in tried) < target <= max(it[1] for it in tried)
    # A line that goes on is no curve that bends.
    return _NEAR_ENOUGH if enclosed and apart <= sane.near else 2 * GOOD_ENOUGH


def interpolated(
    points: Points, target: float, codec: str, *, per_vmaf: float = 1.0
) -> tuple[float, float]:
    """
    The factor for *target* and the quality expected of it, within what is sane.

    Beyond the outermost point the line goes on with its slope. *per_vmaf* as above.
    """
    scaled = [(factor, score / per_vmaf) for factor, score in points]
    factor, score = _interpolated(scaled, target / per_vmaf, codec)
    return factor, score * per_vmaf


def _interpolated(points: Points, target: float, codec: str) -> tuple[float, float]:
    sane = SANE[codec]
    tried = _falling(points)
    factors = [factor for factor, _ in tried]
    above = [point for point in tried if point[1] >= target]
    below = [point for point in tried if point[1] < target]
    if above and below:
        wanted = _crossing(tried, target)
    else:
        edge = tried[0] if below else tried[-1]
        wanted = edge[0] + (edge[1] - target) / slope_of(tried, codec)
    factor = stepped(min(max(wanted, sane.best), sane.frugal), codec)
    if len(tried) > 1 and factors[0] <= factor <= factors[-1]:
        return factor, _at(tried, factor)
    edge = tried[0] if factor < factors[0] else tried[-1]
    return factor, edge[1] - (factor - edge[0]) * slope_of(tried, codec)


def adds_bits(at_higher: float, at_lower: float) -> bool:
    """Whether a lower factor takes more bits than a higher one; else a cap holds."""
    return at_lower > at_higher * _MORE_BITS


def affordable(rates: Points, most: float, codec: str) -> float | None:
    """
    What to try where the target takes more than *most*: a factor that should not.

    *rates* are (rate factor, bit rate). None where one of them is near enough.
    """
    sane = SANE[codec]
    crf, rate = max(rates)
    if rate <= most * _MORE_BITS * _MORE_BITS or len(rates) >= MOST_TRIALS:
        return None
    wanted = stepped(
        min(crf + math.log2(rate / most) * sane.octave, sane.frugal), codec
    )
    return wanted if wanted > crf else None


def slope_of(points: Points, codec: str, *, per_vmaf: float = 1.0) -> float:
    """By how much the score falls with each unit of the factor; positive."""
    typical = SANE[codec].fall * per_vmaf
    tried = sorted(points)
    first, last = tried[0], tried[-1]
    if last[0] - first[0] < SANE[codec].step:
        return typical
    seen = (first[1] - last[1]) / (last[0] - first[0])
    return min(max(seen, _LEAST_FALL * typical), _MOST_FALL * typical)


def steps_away(
    score: float, target: float, *, fall: float, perfect: float | None
) -> float:
    """
    How much higher a factor may be that brings *score* to *target*; negative: lower.

    *fall* is what a unit takes at the target. Towards a *perfect* score it takes less
    and below the target more, by what is missing to perfection: two of 22 clips at 93
    were encoded again, one lost 1.0 for each unit between 94 and 90, one 0.55 between
    94 and 95, where straight lines by their parts said 0.7 and 1.0 (2026-12-01).
    """
    if perfect is None:
        return (score - target) / fall
    lost, allowed = max(perfect - score, _LEAST_LOST), perfect - target
    return allowed / fall * math.log(allowed / lost)


def stepped(factor: float, codec: str) -> float:
    """The nearest that the encoder knows."""
    step = SANE[codec].step
    return round(factor / step) * step


def _falling(points: Points) -> list[tuple[float, float]]:
    """In order, and never rising: noise must not turn the curve around."""
    kept: list[tuple[float, float]] = []
    for factor, vmaf in sorted(points):
        kept.append((factor, min(vmaf, kept[-1][1]) if kept else vmaf))
    return kept


def _between(low: tuple[float, float], high: tuple[float, float], vmaf: float) -> float:
    return low[0] + (low[1] - vmaf) / (low[1] - high[1]) * (high[0] - low[0])


def _crossing(tried: Points, target: float) -> float:
    """Where the curve through *tried*, which encloses it, comes to *target*."""
    low = max(factor for factor, score in tried if score >= target)
    high = min(factor for factor, score in tried if score < target)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at(tried, middle) >= target:
            low = middle
        else:
            high = middle
    return low


def _at(tried: Points, factor: float) -> float:
    """
    Of the curve through *tried*, in order and never rising; it never rises either.

    F. N. Fritsch and J. Butland, "A Method for Constructing Local Monotone Piecewise
    Cubic Interpolants", SIAM J. Sci. Stat. Comput. 5 (1984): quality falls faster and
    faster, and a line between two factors that are ten apart says 1.3 too little.
    """
    factors = [it for it, _ in tried]
    place = min(max(bisect_left(factors, factor), 1), len(tried) - 1)
    (left, above), (right, below) = tried[place - 1], tried[place]
    wide = right - left
    part = (factor - left) / wide
    slopes = _slopes(tried)
    begins, ends = wide * slopes[place - 1], wide * slopes[place]
    rest = 1 - part
    return (
        above * (1 + 2 * part) * rest**2
        + begins * part * rest**2
        + below * part**2 * (3 - 2 * part)
        - ends * part**2 * rest
    )


def _slopes(tried: Points) -> list[float]:
    """At each of them, per unit of the factor; none is above 0."""
    wide = [b[0] - a[0] for a, b in pairwise(tried)]
    lines = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(tried)]
    if len(lines) == 1:
        return [lines[0], lines[0]]
    inner = []
    for (w, v), (d, e) in zip(pairwise(wide), pairwise(lines), strict=True):
        one, other = 2 * v + w, v + 2 * w
        inner.append((one + other) / (one / d + other / e) if d < 0 > e else 0.0)
    first = _end_slope(wide[0], wide[1], lines[0], lines[1])
    last = _end_slope(wide[-1], wide[-2], lines[-1], lines[-2])
    return [first, *inner, last]


def _end_slope(near: float, far: float, line: float, next_line: float) -> float:
    """Of a parabola through the outermost three, as far as it falls with them."""
    slope = ((2 * near + far) * line - near * next_line) / (near + far)
    return min(max(slope, 3 * line), 0.0)
