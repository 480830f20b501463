"""What is said of samples, beside what the standard library says."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.media.samples import covariance, deviation, difference, mean

SAMPLES = st.binary(min_size=1, max_size=3000)
PAIRS = st.integers(2, 1024).flatmap(
    lambda count: st.tuples(*[st.binary(min_size=count, max_size=count)] * 2)
)


@given(SAMPLES)
def test_the_mean_is_the_library_s(samples: bytes) -> None:
    """Of any samples."""
    assert pytest.approx(statistics.fmean(samples), rel=1e-12) == mean(samples)


@given(SAMPLES)
def test_the_deviation_is_the_library_s(samples: bytes) -> None:
    """Of any samples, those that are all alike among them."""
    expected = statistics.pstdev(samples)
    assert pytest.approx(expected, rel=1e-12, abs=1e-12) == deviation(samples)


@given(PAIRS)
def test_the_covariance_is_the_library_s(pair: tuple[bytes, bytes]) -> None:
    """Of any two; the library's is a sample's, which divides by one less."""
    count = len(pair[0])
    expected = statistics.covariance(*pair) * (count - 1) / count
    assert pytest.approx(expected, rel=1e-9, abs=1e-6) == covariance(*pair)


@given(st.lists(st.binary(min_size=64, max_size=64), min_size=2, max_size=2))
def test_the_difference_is_a_mean(pair: list[bytes]) -> None:
    """Of what each square of four is away from its neighbour, whichever is greater."""
    one, other = (
        [
            statistics.fmean(it[y * 8 + x] for y in (v, v + 1) for x in (h, h + 1))
            for v in range(0, 8, 2)
            for h in range(0, 8, 2)
        ]
        for it in pair
    )
    expected = statistics.fmean(abs(a - b) for a, b in zip(one, other, strict=True))

    found = difference(*pair, width=8, square=2)

    assert pytest.approx(expected, rel=1e-12, abs=1e-12) == found
