"""A sample encode before the work proper: decide, try, decide again."""

from __future__ import annotations

from collections.abc import Callable

from ..contract import (
    Attempt,
    Content,
    Money,
    OutcomeKind,
    Plan,
    Sampling,
    TaskResult,
)
from ..errors import PlanError, TranscodeError
from ..plan.sampling import failed, taken
from .measuring import Deciding, Measure, alone
from .planner import Planner


def with_sample(
    planner: Planner,
    *,
    refused: Callable[[TranscodeError, Plan, tuple[TaskResult, ...]], TranscodeError],
) -> Deciding[tuple[Plan, tuple[TaskResult, ...]]]:
    """
    The plan, after a sample where that pays, and the sample's attempts.

    Raises the plan's refusal; through *refused* where a sample was paid for.
    """
    plan, refusal = planner.first()
    sampling = plan.sampling
    if sampling is None or sampling.planned is None or not planner.wants(sampling):
        if refusal is not None:
            raise refusal
        return plan, ()
    own = alone(plan, sampling.planned, planner.constraints)
    cost = plan.predicted_cost + own.predicted_cost
    asked = {"predicted_cost": cost, "budget": own.budget}
    reserve = plan.model_copy(update=asked)
    measured = yield Measure(own, reserve, planner.constraints)
    last = measured.last
    content = None
    if last is not None and last.outcome is OutcomeKind.SUCCEEDED:
        content = planner.understand(last, sampling.planned)
    told = _told(sampling, content, measured.cost, last)
    if content is None and refusal is not None:
        raise refused(refusal, own, measured.results)
    try:
        final = planner.plan(measured.left, content)
    except PlanError as exc:
        raise refused(exc, own, measured.results) from None
    final = final.model_copy(
        update={
            "sampling": told,
            "predicted_cost": final.predicted_cost + measured.cost,
            "deadline_seconds": planner.constraints.deadline_seconds,
            "budget": planner.constraints.budget,
        }
    )
    return final, measured.results


def _told(
    sampling: Sampling, content: Content | None, cost: Money, last: Attempt | None
) -> Sampling:
    if content is not None:
        return taken(sampling, content, cost)
    why = "it measured nothing."
    if last is not None and last.failure is not None:
        why = last.failure.message
    return failed(sampling, why, cost)
