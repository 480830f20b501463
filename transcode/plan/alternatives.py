"""
GPUs that a platform has: what they cost, and how fast they would have to be.

Nobody has measured a hardware encoder for this model yet, so none has a prediction
and none is chosen. Its price is known, and with it the time within which it would be
the cheaper one: whoever has such a card can tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..contract import (
    Candidate,
    Constraints,
    Elsewhere,
    Gpu,
    HardwareOffer,
    Media,
    Money,
    Recipe,
    Spec,
    Usage,
)
from ..errors import PlanError, PlatformError
from ..media.codecs import HARDWARE_ENCODERS
from ..media.margins import MEMORY_MARGIN
from ..platforms.lattice import GpuCard
from ..platforms.platform import Platform, lattice
from ..platforms.price import cost
from .choose import MIB
from .chunk_search import ChunkedPlan

__all__ = ["look_elsewhere"]

NOT_MEASURED = (
    "No hardware encoder was measured: neither its speed nor how many more bits it "
    "needs for the same picture. So none is chosen."
)


def offers(
    platform: Platform, chosen: Candidate, media: Media, recipe: Recipe
) -> tuple[HardwareOffer, ...]:
    """The platform's cards that could encode this, beside the spec that was chosen."""
    codecs = {it.codec for it in recipe.video if it.made_by == "encoded"}
    if not codecs:
        return ()
    needed = {HARDWARE_ENCODERS.get(codec) for codec in codecs}
    return tuple(
        _offer(platform, card, spec, chosen, media)
        for card in platform.gpus
        if needed <= {*card.encoders}
        and (spec := _smallest(platform, card, chosen)) is not None
    )


def _offer(
    platform: Platform, card: GpuCard, spec: Spec, chosen: Candidate, media: Media
) -> HardwareOffer:
    if card.second is None:
        return HardwareOffer(title=card.title, spec=spec, reason=NOT_MEASURED)
    each = _per_second(platform, spec)
    within = float(chosen.cost.amount / each.amount) if each.amount else None
    lasts = media.duration_seconds
    return HardwareOffer(
        title=card.title,
        spec=spec,
        per_second=each,
        within_seconds=within,
        times_real_time=lasts / within if lasts and within else None,
        reason=NOT_MEASURED,
    )


def _smallest(platform: Platform, card: GpuCard, chosen: Candidate) -> Spec | None:
    """The cheapest point that may have the card and holds the task, if there is one."""
    needed = (chosen.predicted.peak_memory_bytes or 0) / MIB * MEMORY_MARGIN
    least = max(card.least_memory_mib, math.ceil(needed))
    points = [
        it
        for it in lattice(platform)
        if it.memory_mib >= least and it.milli_cpus >= card.least_milli_cpus
    ]
    if not points:
        return None
    gpu = Gpu(kind=card.kind, memory_mib=card.memory_mib)
    best = min(points, key=lambda it: _per_second(platform, it).amount)
    return best.model_copy(update={"gpu": gpu, "scratch_mib": chosen.spec.scratch_mib})


def _per_second(platform: Platform, spec: Spec) -> Money:
    one = Usage(
        wall_seconds=1.0,
        billed_milliseconds=1000,
        cpu_seconds=0.0,
        peak_memory_bytes=None,
        requests=0,
    )
    return cost(platform, spec, one)


def look_elsewhere(
    platform: Platform,
    constraints: Constraints,
    look_at: Callable[
        [Platform, Constraints], tuple[Candidate | None, ChunkedPlan | None]
    ],
) -> Elsewhere:
    """Its best by *look_at*, or why there is none."""
    # A forced memory is a point of one platform's lattice, a budget is in one currency.
    comparable = constraints.model_copy(update={"memory_mib": None})
    budget = constraints.budget
    if budget is not None and budget.currency != platform.currency:
        comparable = comparable.model_copy(update={"budget": None})
    try:
        best, divided = look_at(platform, comparable)
    except (PlanError, PlatformError) as exc:
        return Elsewhere(
            platform=platform.name,
            spec=None,
            wall_seconds=None,
            cost=None,
            reason=exc.message,
        )
    if divided is not None:
        return Elsewhere(
            platform=platform.name,
            spec=divided.chunk.spec,
            wall_seconds=divided.wall_seconds,
            cost=divided.cost,
            chunks=divided.count,
        )
    return Elsewhere(
        platform=platform.name,
        spec=best and best.spec,
        wall_seconds=best and best.predicted.wall_seconds,
        cost=best and best.cost,
    )
