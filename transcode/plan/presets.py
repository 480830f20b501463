"""Which measured costs stand for a rendition's encoder and preset."""

from __future__ import annotations

from ..contract import VideoRendition
from .coefficients import STANDS_FOR, Coefficients, EncodeCosts

__all__ = ["UNMEASURED_SPREAD", "costs_of"]


SPEEDS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower",
    "veryslow",
)  # fmt: skip


UNMEASURED_SPREAD = 0.3
"""Added where the nearest slower preset, or another encoder, stands for one."""


def costs_of(
    rendition: VideoRendition, coefficients: Coefficients
) -> tuple[EncodeCosts, float]:
    """Measured costs, or the nearest slower preset's, and how unsure that makes."""
    name = rendition.encoder or STANDS_FOR[rendition.codec]
    unsure = 0.0
    if name not in coefficients.encode:
        name, unsure = STANDS_FOR[rendition.codec], UNMEASURED_SPREAD
    presets = coefficients.encode[name]
    if rendition.preset is not None and rendition.preset in presets:
        return presets[rendition.preset], unsure
    slowness = _slowness(rendition.preset)
    ranked = sorted(presets, key=_slowness)
    nearest = next((p for p in ranked if _slowness(p) >= slowness), ranked[-1])
    return presets[nearest], unsure + UNMEASURED_SPREAD


def _slowness(preset: str | None) -> int:
    """A rank, larger is slower; unknown words count as x264's default."""
    if preset is not None and preset.isdigit():
        return -int(preset)
    return SPEEDS.index(preset if preset in SPEEDS else "medium")
