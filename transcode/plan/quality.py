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
    FilePackaging,
    FoundFactor,
    QualityTarget,
    Recipe,
    Trial,
    VideoRendition,
    VideoStream,
)
from ..errors import QualityError
from ..media.metrics import METRICS, named
from ..media.rate_factors import (
    GOOD_ENOUGH,
    SANE,
    adds_bits,
    interpolated,
    slope_of,
    stepped,
)
from ..units import bit_rate
from .profile import Profile

__all__ = [
    "found_factors",
    "has_target",
    "refuse_unmeasurable",
    "said_of",
    "with_factors",
    "without_idle_rungs",
]

FEW_PARTS = 1.4
"""Three parts know their own scatter badly: Student's t over the normal, tempered."""
STUDENT = 2.92
"""Standard errors within which a mean of three lies nine times out of ten."""
_ROUNDING = 1.03
"""So much more than the source is no more."""
_NEARLY = 0.8
"""Of a larger rung's rate: fewer connections lie between the two than rungs help."""
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
    aimed = [
        it
        for it in renditions
        if it.target and it.target.metric == "vmaf" and it.made_by == "encoded"
    ]
    if stream is None or profile.video is None or not aimed:
        return
    hdr = stream.dynamic_range is not DynamicRange.SDR
    if hdr and profile.video.dynamic_range == "keep":
        raise QualityError(
            f"VMAF knows no HDR, and profile {profile.name} keeps it: ask for an XPSNR "
            "(--target-xpsnr 40), leave the target out and let its crf hold, or make "
            "SDR of it (dynamic_range 'sdr')."
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
            f"from {LEAST_SIDE} pixels a side on it does. Ask for an XPSNR "
            "(--target-xpsnr 40), or leave out the target.",
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
                f"{rendition.name} cannot reach {named(target)}: crf {found.crf:g}, "
                f"the best that makes sense, comes to {found.score:.1f}. It is made so."
            )
        elif found.verdict == "capped":
            said.append(
                f"{rendition.name} cannot reach {named(target)} within its cap of "
                f"{bit_rate(rendition.max_bit_rate or 0)}: it comes to "
                f"{found.score:.1f}."
            )
        elif found.verdict == "poor_source":
            said.append(
                f"{rendition.name} is held back: {named(target)} would take "
                f"{bit_rate(found.wanted_bit_rate or 0)}, and its source's rate "
                f"justifies {bit_rate(target.most_bit_rate or 0)}; crf {found.crf:g} "
                f"takes {bit_rate(found.bit_rate)} and comes to {found.score:.1f}."
            )
        elif found.verdict == "exceeded":
            said.append(
                f"{rendition.name} is better than {named(target)} at any rate: "
                f"crf {found.crf:g}, the most frugal that makes sense, comes to "
                f"{found.score:.1f}."
            )
    return tuple(said)


def _encoded(recipe: Recipe) -> tuple[VideoRendition, ...]:
    return tuple(it for it in recipe.video if it.made_by == "encoded")


def _found(
    trials: Sequence[Trial], rendition: VideoRendition, target: QualityTarget
) -> FoundFactor:
    codec, sane = rendition.codec, SANE[rendition.codec]
    tried, trials = trials, _useful(trials)
    per_vmaf = METRICS[target.metric].per_vmaf
    near = GOOD_ENOUGH * per_vmaf
    points = [(it.crf, it.score) for it in trials]
    fall = slope_of(points, codec, per_vmaf=per_vmaf)
    crf, score = interpolated(points, target.score, codec, per_vmaf=per_vmaf)
    rate, verdict, wanted = _rate_at(crf, trials, codec), "found", None
    lowest = min(trials, key=lambda it: it.crf)
    if len(trials) < len(tried) and crf < lowest.crf:
        crf, score, rate = lowest.crf, lowest.score, lowest.bit_rate
        verdict = "capped" if score < target.score - near else "found"
    elif score < target.score - near and crf <= sane.best:
        verdict = "unreachable"
    elif score > target.score + near and crf >= sane.frugal:
        verdict = "exceeded"
    most = target.most_bit_rate
    if most is not None and rate > most * _ROUNDING:
        verdict, wanted = "poor_source", rate
        octaves = math.log2(rate / most)
        frugal = min(crf + octaves * _octave(trials, codec), sane.frugal)
        lower = stepped(max(frugal, crf), codec)
        score -= (lower - crf) * fall
        crf, rate = lower, _rate_at(lower, trials, codec)
    spreads = [it.spread for it in trials if it.spread is not None]
    within = None
    if spreads:
        factor = math.exp(STUDENT * max(spreads))
        within = {"low": rate / factor, "high": rate * factor}
    return FoundFactor.model_validate(
        {
            "crf": crf,
            "score": round(score, 2),
            "metric": target.metric,
            "bit_rate": rate,
            "bit_rate_within": within,
            "verdict": verdict,
            "wanted_bit_rate": wanted,
            "trials": len(tried),
            "fall": round(fall, 3),
        }
    )


def _useful(trials: Sequence[Trial]) -> list[Trial]:
    """Without those that take no more bits than a higher factor: a cap held them."""
    kept: list[Trial] = []
    for trial in sorted(trials, key=lambda it: -it.crf):
        if not kept or adds_bits(kept[-1].bit_rate, trial.bit_rate):
            kept.append(trial)
    return kept


def _rate_at(crf: float, trials: Sequence[Trial], codec: str) -> int:
    """Bits per second: a line through the logarithms of what was seen."""
    near = min(trials, key=lambda it: abs(it.crf - crf))
    octaves = (near.crf - crf) / _octave(trials, codec)
    return round(near.bit_rate * math.pow(2, octaves))


def _octave(trials: Sequence[Trial], codec: str) -> float:
    """By so much a factor rises for half the bits; as seen, within what is usual."""
    usual = SANE[codec].octave
    first, last = (it(trials, key=lambda trial: trial.crf) for it in (min, max))
    if last.crf - first.crf < SANE[codec].step or last.bit_rate >= first.bit_rate:
        return usual
    seen = (last.crf - first.crf) / math.log2(first.bit_rate / last.bit_rate)
    return min(max(seen, usual / 2), usual * 2)


def without_idle_rungs(
    recipe: Recipe, factors: Mapping[str, FoundFactor], source_rate: int | None
) -> tuple[Recipe, tuple[str, ...]]:
    """
    *recipe* without the rungs that add nothing, and a sentence for each of them.

    A rung that takes nearly the bits of a larger one serves nobody: whoever can load
    it can load that. *source_rate* is what a copied rendition has.
    """
    kept: list[VideoRendition] = []
    above: tuple[str, int] | None = None
    said = []
    for rendition in recipe.video:
        rate = source_rate
        if rendition.made_by == "encoded":
            found = factors.get(rendition.name)
            rate = found.bit_rate if found else None
        if rate is not None and above is not None and rate > _NEARLY * above[1]:
            said.append(
                f"{rendition.name} is left out: it would take {bit_rate(rate)}, and "
                f"{above[0]}, which is larger, takes {bit_rate(above[1])}."
            )
            continue
        kept.append(rendition)
        if rate is not None:
            above = rendition.name, rate
    if not said:
        return recipe, ()
    names = {it.name for it in kept}
    changes: dict[str, object] = {"video": tuple(kept)}
    if isinstance(recipe.packaging, FilePackaging):
        files = tuple(
            it for it in recipe.packaging.files if it.video is None or it.video in names
        )
        changes["packaging"] = recipe.packaging.model_copy(update={"files": files})
    return recipe.model_copy(update=changes), tuple(said)


def _aimed(rendition: VideoRendition, found: FoundFactor | None) -> VideoRendition:
    if found is None or rendition.target is None:
        return rendition
    target = rendition.target.model_copy(
        update={"expected": found.score, "fall": found.fall}
    )
    return rendition.model_copy(update={"crf": found.crf, "target": target})
