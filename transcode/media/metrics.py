"""How alike two pictures are: the metrics that targets are told in, and their units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..contract import QualityMetric, QualityTarget

__all__ = ["METRICS", "Metric", "named", "told", "weighted_xpsnr"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One of them."""

    name: str
    unit: str
    least: float
    most: float
    """What can be asked for."""
    usual: str
    """What to ask for, as a sentence."""
    per_vmaf: float
    """As much of it as one point of VMAF near 93: what is near, and what is a miss."""
    perfect: float | None = None
    """What the source itself has, where scores go ever slower towards it."""


METRICS: Final[Mapping[QualityMetric, Metric]] = {
    # 100 is only ever the source itself, and below 30 its scale was not calibrated.
    "vmaf": Metric(
        name="VMAF",
        unit="",
        least=30,
        most=99,
        usual="93 to 95 looks like the source to nearly everyone",
        per_vmaf=1.0,
        perfect=100,
    ),
    # With each unit of H.264's rate factor 0.55 to 0.87 dB are lost, of VMAF 1.5: four
    # public clips, which at VMAF 93 have 34 to 48 dB.
    "xpsnr": Metric(
        name="XPSNR",
        unit=" dB",
        least=25,
        most=55,
        usual="38 to 42 is usual, and titles differ",
        per_vmaf=0.5,
    ),
}
MOST_XPSNR = 60.0
"""dB. Of pictures that are alike to the last bit it is infinite; beyond this nobody
sees anything, and one such picture shall not outweigh a hundred others."""


def named(target: QualityTarget) -> str:
    """`VMAF 93`, `XPSNR 42 dB`."""
    metric = METRICS[target.metric]
    return f"{metric.name} {target.score:g}{metric.unit}"


def told(metric: QualityMetric, score: float) -> str:
    """A score that was measured, `VMAF 93.2`."""
    return f"{METRICS[metric].name} {score:.1f}{METRICS[metric].unit}"


def weighted_xpsnr(luma: float, blue: float, red: float) -> float:
    """
    dB of the three planes as one: luma counts six times.

    C. R. Helmrich et al., "XPSNR: A Low-Complexity Extension of the Perceptually
    Weighted Peak Signal-to-Noise Ratio", ICASSP 2020; weights as its authors give
    them with FFmpeg's filter (github.com/fraunhoferhhi/xpsnr). Raises `ValueError` for
    what is no number.
    """
    if any(map(math.isnan, (luma, blue, red))):
        raise ValueError("an XPSNR is no number")
    y, u, v = (min(it, MOST_XPSNR) for it in (luma, blue, red))
    return (6 * y + u + v) / 8
