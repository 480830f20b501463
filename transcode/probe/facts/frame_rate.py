"""Frame rate, exact where the times allow it, and whether it is constant."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

_NTSC = Fraction(1000, 1001)
_KNOWN = (
    *(Fraction(n) for n in range(1, 121)),
    *(Fraction(n) for n in (144, 180, 200, 240, 300, 480, 960)),
    *(n * _NTSC for n in (12, 15, 24, 30, 48, 60, 72, 90, 120, 240)),
    Fraction(15, 2),
    Fraction(25, 2),
)
_NEAR = Fraction(1, 2000)
"""Half of what lies between 30 and 30000/1001: nearer than that, it is that one."""
_FINE = 4
_ODD_SHARE = Fraction(1, 100)
"""A constant rate may have this share of dropped or repeated frames."""


class Rate(NamedTuple):
    """`rate` in frames per second; `variable` None where too little was seen."""

    rate: Fraction | None
    variable: bool | None


def measure(
    steps: Sequence[tuple[int, int]], tick: Fraction, header: Fraction | None
) -> Rate:
    """
    The rate of frames whose neighbours are `steps` apart: (ticks, how often).

    Constant where 99 % of the steps are one length, give or take the clock's rounding
    and a tenth, and what the others are longer or shorter comes to 1 % of the time at
    most: one frame that stands for 20 s is one step, and most of a recording. Then the
    rate is that of those steps, taken for a customary one (25, 30000/1001, …) when
    nearer than half the distance between two of these; a rate that varies is the plain
    average. `header` decides what the clock is too coarse for.
    """
    real = [(ticks, count) for ticks, count in steps if ticks > 0]
    total = sum(count for _, count in real)
    if not total:
        return Rate(snap(header), None)
    usual = _median(real, total)
    # Of a clock as coarse as the frames themselves one tick is a whole frame.
    slack = max(Fraction(int(usual >= _FINE)), Fraction(usual, 10))
    even = [(t, c) for t, c in real if abs(t - usual) <= slack]
    inside = sum(count for _, count in even)
    span = sum(ticks * count for ticks, count in real)
    off = sum(abs(t - usual) * c for t, c in real if abs(t - usual) > slack)
    still = off > usual and off > span * _ODD_SHARE
    if still or total - inside > total * _ODD_SHARE:
        rate = snap(Fraction(total) / (span * tick), within=Fraction(1, 100_000))
        return Rate(rate, variable=True)
    span = sum(ticks * count for ticks, count in even)
    rate = Fraction(inside) / (span * tick)
    coarse = Fraction(1, span)
    if header is not None and abs(header / rate - 1) <= max(coarse, _NEAR):
        return Rate(snap(header), variable=False)
    return Rate(snap(rate, within=max(_NEAR, min(coarse, _NEAR * 4))), variable=False)


def snap(rate: Fraction | None, within: Fraction = _NEAR) -> Fraction | None:
    """The customary rate nearest to `rate`, or itself where none is near."""
    if rate is None:
        return None
    known = min(_KNOWN, key=lambda k: abs(k - rate))
    if abs(known / rate - 1) <= within:
        return known
    return rate.limit_denominator(100_100)


def _median(steps: Sequence[tuple[int, int]], total: int) -> int:
    below = 0
    for ticks, count in sorted(steps):
        below += count
        if 2 * below >= total:
            return ticks
    return steps[0][0]
