"""
A target quality: whether it can be measured, and which rate factor was found for it.

A rendition is compared at its own size with the very pictures that its encoder is fed:
for the largest one that is the source as it is shown. What a smaller one lacks in size
is no fault of its encoder's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..contract import (
    Capabilities,
    DynamicRange,
    FoundFactor,
    QualityTarget,
    Recipe,
    Trial,
    VideoRendition,
    VideoStream,
)
from ..errors import QualityError
from ..media.rate_factors import GOOD_ENOUGH, SANE, interpolated, slope_of
from .profile import Profile

__all__ = [
    "found_factors",
    "has_target",
    "refuse_unmeasurable",
    "said_of",
    "with_factors",
]

LEAST_SIDE = 96
"""Pixels. The coarsest of VMAF's four scales is an eighth of the picture, of which its
filters take windows of 17."""


def has_target(recipe: Recipe) -> bool:
    """Whether a rendition is encoded that is to be as good as somebody said."""
    return any(it.target for it in _encoded(recipe))


def refuse_unmeasurable(
    profile: Profile,
    stream: VideoStream | None,
    renditions: Sequence[VideoRendition],
    has: Capabilities,
) -> None:
    """Raises `QualityError` where a target cannot be measured here."""
    aimed = [it for it in renditions if it.target and it.made_by == "encoded"]
    if stream is None or profile.video is None or not aimed:
        return
    hdr = stream.dynamic_range is not DynamicRange.SDR
    if hdr and profile.video.dynamic_range == "keep":
        raise QualityError(
            f"VMAF knows no HDR, and profile {profile.name} keeps it: leave the target "
            "out and let its crf hold, or make SDR of it (dynamic_range 'sdr')."
        )
    if not has.measures_vmaf:
        raise QualityError(
            f"{has.ffmpeg} has no libvmaf, so no target quality can be searched for: "
            "leave TRANSCODE_FFMPEG unset to use the bundled one, or leave out the "
            "target.",
            ffmpeg=has.ffmpeg,
        )
    small = next((it for it in aimed if min(it.width, it.height) < LEAST_SIDE), None)
    if small is not None:
        raise QualityError(
            f"VMAF says nothing of pictures as small as {small.width}x{small.height}; "
            f"from {LEAST_SIDE} pixels a side on it does. Leave out the target.",
            width=small.width,
            height=small.height,
        )


def found_factors(trials: Sequence[Trial], recipe: Recipe) -> dict[str, FoundFactor]:
    """Of each rendition with a target that was tried, the factor that reaches it."""
    found = {}
    for rendition in _encoded(recipe):
        own = [it for it in trials if it.rendition == rendition.name]
        if rendition.target is not None and own:
            found[rendition.name] = _found(own, rendition, rendition.target)
    return found


def with_factors(recipe: Recipe, factors: Mapping[str, FoundFactor]) -> Recipe:
    """*recipe* with what was found for its renditions."""
    return recipe.model_copy(
        update={"video": tuple(_aimed(it, factors.get(it.name)) for it in recipe.video)}
    )


def said_of(recipe: Recipe, factors: Mapping[str, FoundFactor]) -> tuple[str, ...]:
    """What somebody who asked for a quality has to know before; a sentence each."""
    said = []
    for rendition in _encoded(recipe):
        found, target = factors.get(rendition.name), rendition.target
        if found is None or target is None:
            continue
        if found.verdict == "unreachable":
            said.append(
                f"{rendition.name} cannot reach VMAF {target.vmaf:g}: crf "
                f"{found.crf:g}, the best that makes sense, comes to {found.vmaf:.1f}. "
                "It is made so."
            )
        elif found.verdict == "exceeded":
            said.append(
                f"{rendition.name} is better than VMAF {target.vmaf:g} at any rate: "
                f"crf {found.crf:g}, the most frugal that makes sense, comes to "
                f"{found.vmaf:.1f}."
            )
    return tuple(said)


def _encoded(recipe: Recipe) -> tuple[VideoRendition, ...]:
    return tuple(it for it in recipe.video if it.made_by == "encoded")


def _found(
    trials: Sequence[Trial], rendition: VideoRendition, target: QualityTarget
) -> FoundFactor:
    points = [(it.crf, it.vmaf) for it in trials]
    crf, vmaf = interpolated(points, target.vmaf, rendition.codec)
    sane = SANE[rendition.codec]
    verdict = "found"
    if vmaf < target.vmaf - GOOD_ENOUGH and crf <= sane.best:
        verdict = "unreachable"
    elif vmaf > target.vmaf + GOOD_ENOUGH and crf >= sane.frugal:
        verdict = "exceeded"
    return FoundFactor.model_validate(
        {
            "crf": crf,
            "vmaf": round(vmaf, 2),
            "bit_rate": _rate_at(crf, trials),
            "verdict": verdict,
            "trials": len(trials),
            "fall": round(slope_of(points, rendition.codec), 3),
        }
    )


def _rate_at(crf: float, trials: Sequence[Trial]) -> int:
    """Bits per second: a line through the nearest two, of the rate's logarithm."""
    near = sorted(trials, key=lambda it: abs(it.crf - crf))[:2]
    first, last = near[0], near[-1]
    if first.crf == last.crf or min(first.bit_rate, last.bit_rate) <= 0:
        return first.bit_rate
    share = (crf - first.crf) / (last.crf - first.crf)
    low, high = math.log(first.bit_rate), math.log(last.bit_rate)
    return round(math.exp(low + share * (high - low)))


def _aimed(rendition: VideoRendition, found: FoundFactor | None) -> VideoRendition:
    if found is None or rendition.target is None:
        return rendition
    target = rendition.target.model_copy(
        update={"expected": found.vmaf, "fall": found.fall}
    )
    return rendition.model_copy(update={"crf": found.crf, "target": target})
