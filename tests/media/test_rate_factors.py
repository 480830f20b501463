"""Rate factors: what is tried next, and what meets a target."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.media.rate_factors import (
    MOST_TRIALS,
    SANE,
    interpolated,
    next_factor,
    steps_away,
)

Curve = Callable[[float], float]


def concave(top: float, knee: float) -> Curve:
    """Near *top* below the knee, and falling faster and faster above it."""
    return lambda crf: max(0.0, top - 0.03 * max(crf - knee, 0.0) ** 2)


def searched(curve: Curve, target: float, *, seed: float, codec: str) -> list[float]:
    """Every factor that a search tries."""
    tried = [seed]
    while (more := next_factor([(it, curve(it)) for it in tried], target, codec)) and (
        len(tried) <= MOST_TRIALS
    ):
        tried.append(more)
    return tried


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9"])
@given(
    top=st.floats(95, 100),
    knee=st.floats(5, 20),
    target=st.floats(75, 94),
    seed=st.integers(18, 34),
)
def test_a_search_ends_near_its_target(
    codec: str, top: float, knee: float, target: float, seed: int
) -> None:
    """
    Within four trials, all sane, whatever the curve and wherever it begins: by half a
    point, by little more than 1 where factors are whole numbers that are tried further
    apart, and half of what a whole step of the encoder's costs there.
    """
    curve = concave(top, knee)

    tried = searched(curve, target, seed=float(seed), codec=codec)
    crf, _ = interpolated([(it, curve(it)) for it in tried], target, codec)

    sane = SANE[codec]
    assert len(set(tried)) == len(tried) <= MOST_TRIALS
    assert sane.best <= crf <= sane.frugal
    reachable = curve(sane.frugal) < target < curve(sane.best)
    step = curve(crf - sane.step / 2) - curve(crf + sane.step / 2)
    near = 0.5 if sane.step < 1 else 1.1
    assert not reachable or abs(curve(crf) - target) < near + step / 2


def test_what_is_good_enough_is_not_tried_again() -> None:
    """A first trial that is right is all there is."""
    assert next_factor([(23.0, 94.2)], 94.0, "h264") is None


def test_what_cannot_be_reached_ends_at_the_best_sane_factor() -> None:
    """Grain: no factor helps, and the search does not go on for ever."""
    tried = searched(lambda _: 80.0, 94.0, seed=22.0, codec="h264")

    assert SANE["h264"].best in tried


def test_noise_does_not_turn_the_curve_around() -> None:
    """A higher factor that came out better by chance counts as no better."""
    points = [(20.0, 95.0), (24.0, 95.3), (28.0, 90.0)]

    crf, vmaf = interpolated(points, 93.0, "h264")

    assert 24 < crf < 28
    assert vmaf == pytest.approx(93.0, abs=0.3)


def test_a_curve_that_bends_is_not_taken_for_a_line() -> None:
    """Screen text in AV1: with 51 it had 94.7, and a line says 93.5."""
    points = [(35.0, 99.9), (48.0, 96.8), (58.0, 85.7)]

    crf, vmaf = interpolated(points, 94.7, "av1")

    assert crf == 51
    assert vmaf == pytest.approx(94.7, abs=0.3)


@given(
    steps=st.lists(
        st.tuples(st.floats(0.25, 12), st.floats(0, 20)), min_size=2, max_size=4
    ),
    share=st.floats(0, 1),
)
def test_what_is_expected_lies_between_what_was_tried(
    steps: list[tuple[float, float]], share: float
) -> None:
    """Whatever the curve: it passes through its points and never rises."""
    points: list[tuple[float, float]] = []
    factor, score = 13.0, 99.0
    for further, less in steps:
        factor, score = min(factor + further, 38.0), score - less
        if not points or factor > points[-1][0]:
            points.append((factor, score))
    target = points[-1][1] + share * (points[0][1] - points[-1][1])

    crf, expected = interpolated(points, target, "h264")

    around = [it for it in points if it[0] <= crf][-1:]
    around += [it for it in points if it[0] >= crf][:1]
    if len(around) == 2:
        assert around[1][1] - 1e-6 <= expected <= around[0][1] + 1e-6


@given(
    target=st.floats(60, 97), score=st.floats(40, 99), double=st.floats(3, 30),
)  # fmt: skip
def test_a_step_towards_a_target_heeds_how_curves_flatten_near_perfection(
    target: float, score: float, double: float
) -> None:
    """As where what is missing doubles with so many units of the factor."""
    lost, allowed = 100 - score, 100 - target
    fall = allowed * math.log(2) / double

    steps = steps_away(score, target, fall=fall, perfect=100)

    assert allowed == pytest.approx(lost * 2 ** (steps / double))
    straight = steps_away(score, target, fall=fall, perfect=None)
    assert steps >= straight - 1e-9
    assert steps * straight >= 0


def test_a_step_from_perfection_is_finite() -> None:
    assert 0 < steps_away(100, 93, fall=1.5, perfect=100) < 20
