"""Frame rates from the distances between frames."""

from __future__ import annotations

from fractions import Fraction

import pytest

from transcode.probe.facts.frame_rate import Rate, measure, snap

MILLISECOND = Fraction(1, 1000)
NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("steps", "tick", "header", "rate"),
    [
        # One length, exact.
        ([(1001, 99)], Fraction(1, 30000), None, Rate(NTSC, False)),
        ([(512, 99)], Fraction(1, 12800), None, Rate(Fraction(25), False)),
        # A clock of milliseconds rounds: 33, 33, 34.
        ([(33, 66), (34, 33)], MILLISECOND, None, Rate(Fraction(30), False)),
        ([(33, 633), (34, 367)], MILLISECOND, NTSC, Rate(NTSC, False)),
        ([(16, 333), (17, 667)], MILLISECOND, None, Rate(Fraction(60), False)),
        # One frame in two hundred was dropped.
        ([(40, 199), (80, 1)], MILLISECOND, None, Rate(Fraction(25), False)),
        # A rate nobody uses stays what it is.
        ([(2000, 43)], Fraction(1, 17594), None, Rate(Fraction(8797, 1000), False)),
        # Two rates in one file.
        ([(40, 100), (20, 100)], MILLISECOND, None, Rate(Fraction(100, 3), True)),
        # A clock that counts frames: a tick is a whole frame, not rounding.
        ([(1, 90), (2, 10)], Fraction(1, 25), None, Rate(Fraction(250, 11), True)),
        # Nothing to measure: the header's word, and no judgement.
        ([], MILLISECOND, Fraction(25), Rate(Fraction(25), None)),
        ([(0, 5)], MILLISECOND, None, Rate(None, None)),
    ],
)
def test_a_rate_is_as_exact_as_its_clock(
    steps: list[tuple[int, int]], tick: Fraction, header: Fraction | None, rate: Rate
) -> None:
    """
    Customary rates are recognised through rounding; variable ones are averaged.
    """
    assert rate == measure(steps, tick, header)


def test_thirty_is_never_taken_for_ntsc() -> None:
    """
    What lies between 30 and 30000/1001 goes to the nearer one.
    """
    assert Fraction(30) == snap(Fraction(29_999, 1000))
    assert NTSC == snap(Fraction(2997, 100))
    assert Fraction(9, 2) == snap(Fraction(9, 2))
