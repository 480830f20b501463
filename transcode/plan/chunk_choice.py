"""In one piece or in chunks: which it is, and what to say of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..contract import Spec
from ..errors import BudgetTooSmall, DeadlineTooShort, PlanError, SpecTooSmall
from ..platforms.lattice import MachineLattice
from ..platforms.platform import Machine, Platform
from ..units import cpus, duration, enough
from .choose import NEAR_TIE, PATIENCE, Choice
from .chunk_search import COUNTS, ChunkedPlan, ChunkSearch
from .chunks import LEAST_SECONDS, cuts, obstacle

__all__ = ["Why", "crowded", "decide", "short_of_cores"]

FEW = COUNTS[::2]
"""Enough to tell somebody who is not in a hurry."""


@dataclass(frozen=True, slots=True)
class Why:
    """What is said of it."""

    said: str
    possible: bool = True
    """False: it can only be done in one piece."""


def decide(
    divider: ChunkSearch, whole: Choice | PlanError
) -> tuple[ChunkedPlan | None, Why]:
    """
    In chunks or, where that is None, in one piece; and why.

    *whole* is the best single task, or why there is none. Who is not in a hurry gets
    one piece: chunks cost a little more each, and fail each for itself. Raises *whole*,
    or what comes nearer, where nothing fits, and PlanError for chunks that were asked
    for and cannot be.
    """
    asked = divider.constraints.chunks
    if asked is not None and asked > 1:
        return _as_asked(divider, asked)
    why = _one_piece(divider)
    wishes = divider.constraints
    hurried = wishes.deadline_seconds is not None or wishes.optimize == "time"
    counts = COUNTS if hurried or isinstance(whole, PlanError) else FEW
    divided = divider.best(counts) if why is None else None
    if isinstance(whole, PlanError):
        if divided is None:
            raise whole if why is not None else _nearer(divider, whole)
        return divided, Why("In one piece it does not fit, in chunks it does.")
    if divided is None:
        why = why or "In one piece, since no chunks of it fit."
        return None, Why(why, possible=False)
    said = _compared(divided, whole)
    count = divided.count
    if hurried and _better(divided, whole, wishes.optimize):
        return divided, Why(f"It is to {said}.")
    way = "" if hurried else f" (--chunks {count})"
    return None, Why(f"In {count} chunks it would {said}{way}.")


def _as_asked(divider: ChunkSearch, count: int) -> tuple[ChunkedPlan, Why]:
    why = obstacle(divider.media, divider.recipe)
    if why is not None:
        raise PlanError(f"It cannot be encoded in chunks: {why}; leave out --chunks.")
    if cuts(divider.media, divider.recipe, count) is None:
        # No more than so many can be long enough, however many are asked for.
        bound = int((divider.media.duration_seconds or 0.0) / LEAST_SECONDS)
        fewer = range(min(count - 1, bound), 1, -1)
        most = next((n for n in fewer if cuts(divider.media, divider.recipe, n)), 1)
        advice = f"--chunks {most} is the most" if most > 1 else "leave out --chunks"
        raise PlanError(
            f"It is too short for {count} chunks, since each lasts {LEAST_SECONDS:g} s "
            f"at least: {advice}.",
            most=most,
        )
    divided = divider.best([count])
    if divided is not None:
        return divided, Why("As many chunks as asked for.")
    nearest = divider.nearest([count])
    name = divider.platform.name
    if nearest is None:
        raise SpecTooSmall(
            f"No spec of {name} holds a chunk, or their join; ask for another number.",
            platform=name,
        )
    raise PlanError(
        f"In {count} chunks it may take {duration(nearest.high_seconds)} and cost "
        f"{_enough(nearest)}, which is over the "
        "deadline or the budget; leave out --chunks, or allow more.",
        needed_seconds=nearest.high_seconds,
    )


def _one_piece(divider: ChunkSearch) -> str | None:
    """Why chunks are not even considered."""
    if divider.constraints.chunks == 1:
        return "In one piece, as asked for."
    why = obstacle(divider.media, divider.recipe)
    if why is not None:
        return f"In one piece, since {why}."
    if divider.constraints.memory_mib is not None:
        return "In one piece, since a size was asked for."
    if isinstance(divider.platform.lattice, MachineLattice):
        return "In one piece, since chunks would share one machine."
    return None


def _nearer(divider: ChunkSearch, whole: PlanError) -> PlanError:
    """The refusal of the whole, unless chunks come nearer to deadline or budget."""
    if isinstance(whole, BudgetTooSmall):
        return whole
    nearest = divider.nearest()
    if nearest is None:
        return whole
    needed = whole.evidence.get("needed_seconds")
    if needed is not None and nearest.high_seconds >= needed:
        return whole
    name, wishes = divider.platform.name, divider.constraints
    price = _enough(nearest)
    if nearest.high_seconds <= (wishes.deadline_seconds or math.inf):
        return BudgetTooSmall(
            f"No single call of {name} does this, and {nearest.count} chunks may cost "
            f"{price}. A budget of that would do.",
            platform=name,
            chunks=nearest.count,
        )
    budget = "" if wishes.budget is None else f" and a budget of {price}"
    return DeadlineTooShort(
        f"Nothing that {name} has does this in {duration(wishes.deadline_seconds)}: "
        f"the fastest, {nearest.count} chunks at once, is predicted to take "
        f"{duration(nearest.wall_seconds)} and may take "
        f"{duration(nearest.high_seconds)}. A deadline of "
        f"{math.ceil(nearest.high_seconds)} s{budget} would do.",
        platform=name,
        needed_seconds=nearest.high_seconds,
        chunks=nearest.count,
    )


def _enough(divided: ChunkedPlan) -> str:
    return "" if divided.cost_high is None else enough(divided.cost_high)


def _compared(divided: ChunkedPlan, whole: Choice) -> str:
    best = whole.candidates[0]
    price = float(best.cost.amount)
    more = divided.price / price - 1 if price else 0.0
    cost = "the same price"
    if abs(more) >= 0.005:  # noqa: PLR2004 - shown without decimals
        cost = f"{abs(more):.0%} {'more' if more > 0 else 'less'}"
    return (
        f"take {duration(divided.wall_seconds)} instead of "
        f"{duration(best.predicted.wall_seconds)} in one piece, for {cost}"
    )


def _better(divided: ChunkedPlan, whole: Choice, optimize: str) -> bool:
    """Chunks beat the best single task; in a tie they do not."""
    best = whole.candidates[0]
    price, wall = float(best.cost.amount), best.predicted.wall_seconds
    if optimize == "cost":
        return divided.price < price
    if optimize == "time":
        return divided.wall_seconds * NEAR_TIE < wall
    score = divided.price * math.pow(divided.wall_seconds, PATIENCE)
    return score * NEAR_TIE < price * math.pow(wall, PATIENCE)


def crowded(
    divided: ChunkedPlan | None,
    platform: Platform,
    *,
    engine: str,
    machine: Machine | None,
) -> list[str]:
    """Predictions are for a platform, which runs all chunks at once."""
    if divided is None or machine is None or engine != "local":
        return []
    spec = divided.chunk.spec
    room = min(
        machine.milli_cpus // spec.milli_cpus, machine.memory_mib // spec.memory_mib
    )
    at_once = max(1, room)
    if at_once >= divided.count:
        return []
    told = (
        f"Of {divided.count} chunks this machine runs {at_once} at a time, so that it "
        "takes longer than predicted"
    )
    if not isinstance(platform.lattice, MachineLattice):
        told += f"; {platform.name} would run all at once"
    return [f"{told}."]


def short_of_cores(
    spec: Spec, platform: Platform, engine: str, *, machine: Machine | None
) -> list[str]:
    """Predictions are for a spec, and this machine may be less than it."""
    if machine is None or engine != "local":
        return []
    if machine.milli_cpus >= spec.milli_cpus:
        return []
    told = (
        f"{cpus(spec)} are chosen on {platform.name} and this machine has "
        f"{machine.milli_cpus / 1000:g}: here it takes longer than predicted, and the "
        "bill is for as long."
    )
    return [told]
