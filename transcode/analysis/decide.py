"""All that is to be known before a plan is final, in its order."""

from __future__ import annotations

from collections.abc import Callable

from ..contract import Constraints, Media, Plan, TaskResult
from ..errors import TranscodeError
from .index_pass import PlannerFor, looked_through
from .measuring import Deciding
from .sample_encode import with_sample


def decide(
    planner_for: PlannerFor,
    media: Media,
    constraints: Constraints,
    *,
    refused: Callable[[TranscodeError, Plan, tuple[TaskResult, ...]], TranscodeError],
) -> Deciding[tuple[Plan, tuple[TaskResult, ...]]]:
    """
    The plan, after an index and a sample where those pay; and their attempts.

    Raises the plan's refusal; through *refused* where something was paid for.
    """
    looked = yield from looked_through(planner_for, media, constraints)
    before = looked.results
    try:
        plan, sampled = yield from with_sample(
            planner_for(looked.media, looked.constraints),
            refused=lambda error, plan, done: refused(error, plan, (*before, *done)),
        )
    except TranscodeError as exc:
        if looked.plan is None or exc.manifest is not None:
            raise
        # It was paid for.
        if constraints.chunks and looked.indexing and looked.media == media:
            exc.message = f"{looked.indexing.reason} {exc.message}"
        raise refused(exc, looked.plan, before) from None
    return looked.told(plan, constraints), (*before, *sampled)
