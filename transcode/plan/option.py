"""One point of the lattice, weighed: what it takes, what it costs, what forbids it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..contract import Constraints, Interval, Money, Spec, Usage
from ..platforms import Machine, Platform, largest_scratch, scratch_for
from ..price import bill, billed_milliseconds
from .predict import Prediction
from .words import duration, money

MEMORY_MARGIN = 1.25
"""Predicted peak times this must fit: the arithmetic knows pictures, not allocators."""
PATIENCE = 0.585
"""log2(1.5): half the wait is worth half as much money again."""
MIB = 2**20
GENEROUS = 20
"""Times the predicted wall time, plus a minute: past that a task hangs."""
GRACE_SECONDS = 60

Obstacle = Literal["memory", "scratch", "limit", "deadline", "budget", "forced"]


@dataclass(frozen=True, slots=True)
class Terms:
    platform: Platform
    machine: Machine | None
    constraints: Constraints


@dataclass(frozen=True, slots=True)
class Option:
    spec: Spec
    usage: Usage
    wall: Interval
    cost: Money
    cost_high: Money
    obstacle: Obstacle | None
    reason: str
    """Why it cannot be; empty where it can."""

    @property
    def price(self) -> float:
        return float(self.cost.amount)

    @property
    def score(self) -> float:
        return self.price * math.pow(self.usage.wall_seconds, PATIENCE)


def weigh(spec: Spec, prediction: Prediction, terms: Terms) -> Option:
    """One lattice point with its scratch, its time limit, its cost and its obstacle."""
    platform, usage, wall = terms.platform, prediction.usage, prediction.wall
    needed = math.ceil((usage.scratch_bytes or 0) / MIB)
    scratch = scratch_for(platform, needed, terms.machine)
    limit = platform.limits.time_limit_seconds
    allowed = GENEROUS * math.ceil(wall.high) + GRACE_SECONDS
    full = spec.model_copy(
        update={
            "scratch_mib": scratch,
            "time_limit_seconds": allowed if limit is None else min(allowed, limit),
        }
    )
    peak = (usage.peak_memory_bytes or 0) / MIB
    if platform.scratch.in_memory:
        peak += needed
    expected = _billed(platform, usage, usage.wall_seconds)
    cost = bill(platform, full, expected).total
    high = bill(platform, full, _billed(platform, usage, wall.high)).total
    obstacle, reason = _obstacle(
        full, terms, peak=peak, needed=needed, wall=wall, high=high
    )
    return Option(full, expected, wall, cost, high, obstacle, reason)


def _obstacle(  # noqa: PLR0913, PLR0911 - one for each thing that may be short
    spec: Spec,
    terms: Terms,
    *,
    peak: float,
    needed: int,
    wall: Interval,
    high: Money,
) -> tuple[Obstacle | None, str]:
    """What stands in the way, by rank: it is too small before it is too slow."""
    platform, constraints = terms.platform, terms.constraints
    limit = platform.limits.time_limit_seconds
    asked, budget = constraints.memory_mib, constraints.budget
    deadline = constraints.deadline_seconds
    if asked is not None:
        if spec.memory_mib != asked:
            return "forced", f"{asked} MiB was asked for"
    elif peak * MEMORY_MARGIN > spec.memory_mib:
        wanted = peak * MEMORY_MARGIN
        return "memory", f"needs about {wanted:.0f} MiB, a quarter of it to spare"
    if spec.scratch_mib is None:
        most = largest_scratch(platform, terms.machine)
        return "scratch", f"needs {needed} MiB of scratch, there are at most {most} MiB"
    if limit is not None and wall.high > limit:
        allowed = duration(limit)
        return "limit", f"may take {duration(wall.high)}, allowed are {allowed}"
    if deadline is not None and wall.high > deadline:
        return "deadline", f"may be {duration(wall.high - deadline)} over the deadline"
    if budget is not None and high.amount > budget.amount:
        return "budget", f"may cost {money(high)}, more than the budget"
    return None, ""


def _billed(platform: Platform, usage: Usage, wall_seconds: float) -> Usage:
    billed = billed_milliseconds(platform, wall_seconds)
    return usage.model_copy(update={"billed_milliseconds": billed})
