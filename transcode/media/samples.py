"""Mean and spread of a picture's samples: whole numbers, so that little is exact."""

from __future__ import annotations

from math import sqrt
from operator import mul


def mean(samples: bytes) -> float:
    """Of at least one sample."""
    return sum(samples) / len(samples)


def deviation(samples: bytes) -> float:
    """
    Standard deviation of all samples, at least one.

    As `statistics.pstdev`, which reckons with fractions and takes six times as long:
    a millisecond for a picture of 64 by 36.
    """
    count, total = len(samples), sum(samples)
    return sqrt(count * sum(map(mul, samples, samples)) - total * total) / count
