"""A pass over all packets before the work proper, where chunks would need an index."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..contract import (
    Constraints,
    Indexing,
    Media,
    Money,
    OutcomeKind,
    Plan,
    PlannedTask,
    TaskResult,
)
from ..errors import PlanError
from ..plan.indexing import as_if_indexed, considered, with_index
from ..plan.sampling import less
from .measuring import Deciding, Measure, alone
from .planner import Planner, foresee

PlannerFor = Callable[[Media, Constraints], Planner]


@dataclass(frozen=True, slots=True)
class Looked:
    """What is planned by, and what it took to know it."""

    media: Media
    constraints: Constraints
    """What is left of deadline and budget."""
    plan: Plan | None = None
    """Of the pass alone; None: none was made, and what follows is nothing."""
    indexing: Indexing | None = None
    results: tuple[TaskResult, ...] = ()

    def told(self, final: Plan, wishes: Constraints) -> Plan:
        """*final* with what went before it; *wishes* are the whole job's."""
        if self.indexing is None or self.indexing.cost is None:
            return final
        return final.model_copy(
            update={
                "indexing": self.indexing,
                "predicted_cost": final.predicted_cost + self.indexing.cost,
                "deadline_seconds": wishes.deadline_seconds,
                "budget": wishes.budget,
            }
        )


def foresee_index(
    planner_for: PlannerFor, media: Media, wishes: Constraints
) -> Plan | None:
    """
    The plan with an index before it, where that pays; None where nothing is to be cut,
    or it is known where.

    Raises PlanError where chunks were asked for and an index would not help.
    """
    guess = as_if_indexed(media)
    if guess == media or wishes.chunks == 1:
        return None
    hurried = wishes.deadline_seconds is not None or wishes.optimize == "time"
    if wishes.chunks is None and not hurried:
        # Who is not in a hurry gets one piece, where that fits.
        with suppress(PlanError):
            planner_for(media, wishes).plan(wishes, None)
            return None
    try:
        planner = planner_for(guess, wishes)
        plan = foresee(planner)
        if plan.division is None or plan.division.chunks < 2:  # noqa: PLR2004
            return None
        index = planner.index_of(plan.model_copy(update={"media": media}), None)
        if wishes.deadline_seconds is not None or wishes.budget is not None:
            took = index.task.predicted_wall.high
            left = less(wishes, index.task.predicted_cost, took)
            plan = foresee(planner_for(guess, left))
    except PlanError:
        if wishes.chunks is not None:
            # It says what an index would not help against.
            raise
        return None
    plan = plan.model_copy(update={"media": media})
    there: dict[str, PlannedTask | None] = {}
    for it in plan.elsewhere:
        if it.chunks > 1:
            there[it.platform] = None
            with suppress(PlanError):
                there[it.platform] = planner.index_of(plan, it.platform)
    return considered(plan, index, wishes, there=there)


def looked_through(
    planner_for: PlannerFor, media: Media, wishes: Constraints
) -> Deciding[Looked]:
    """
    What to plan by: *media*, or what a pass over its packets saw, where that pays.

    A pass that fails, or sees what contradicts *media*, changes nothing but the bill.
    """
    plan = foresee_index(planner_for, media, wishes)
    if plan is None or plan.indexing is None or plan.indexing.planned is None:
        return Looked(media, wishes)
    index = plan.indexing.planned
    own = alone(plan, index, wishes)
    measured = yield Measure(own, plan, wishes)
    last, cost, left = measured.last, measured.cost, measured.left
    found: Media | str = "the pass over its packets failed"
    if last is not None and last.outcome is OutcomeKind.SUCCEEDED and last.indexed:
        found = with_index(media, index.task.recipe.video_index, last.indexed)
    elif last is not None and last.failure is not None:
        found = f"the pass over its packets failed: {last.failure.message}"
    if isinstance(found, str):
        indexing = _told("failed", f"It cannot be cut: {found.rstrip('.')}.", cost)
        return Looked(media, left, own, indexing, measured.results)
    video = next(it for it in found.video if it.keyframe_seconds)
    keys = len(video.keyframe_seconds or ())
    said = f"{video.frames} pictures and {keys} keyframes were counted."
    told = _told("taken", said, cost)
    return Looked(found, left, own, told, measured.results)


def _told(verdict: str, reason: str, cost: Money) -> Indexing:
    return Indexing.model_validate({"verdict": verdict, "reason": reason, "cost": cost})
