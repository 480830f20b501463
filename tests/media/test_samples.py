"""Mean and spread of samples, beside those of the standard library."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.media.samples import deviation, mean

SAMPLES = st.binary(min_size=1, max_size=3000)


@given(SAMPLES)
def test_the_mean_is_the_library_s(samples: bytes) -> None:
    """Of any samples."""
    assert pytest.approx(statistics.fmean(samples), rel=1e-12) == mean(samples)


@given(SAMPLES)
def test_the_deviation_is_the_library_s(samples: bytes) -> None:
    """Of any samples, those that are all alike among them."""
    expected = statistics.pstdev(samples)
    assert pytest.approx(expected, rel=1e-12, abs=1e-12) == deviation(samples)
