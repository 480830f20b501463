"""What the same job would take on another platform."""

from __future__ import annotations

from collections.abc import Callable

from ..contract import Candidate, Constraints, Elsewhere
from ..errors import PlanError, PlatformError
from ..platforms import Platform
from .divide import Divided

__all__ = ["look_elsewhere"]


def look_elsewhere(
    platform: Platform,
    constraints: Constraints,
    look_at: Callable[[Platform, Constraints], tuple[Candidate | None, Divided | None]],
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
