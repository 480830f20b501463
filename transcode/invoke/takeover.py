"""
What of a job is finished already when somebody takes it over. Pure.

Only a report says that something is finished: it is written last and once. What it
names stays where it is until the job is over, whoever else is still alive; see
`Journal.is_over`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..contract import (
    Attempt,
    InvocationReport,
    KeptWork,
    OutcomeKind,
    Plan,
    Task,
    TaskResult,
    WorkOrder,
)
from ..contract.task import PARTS

__all__ = ["ReportedAttempt", "Resumed", "finished_of", "plan_to_go_on_with"]


@dataclass(frozen=True, slots=True)
class ReportedAttempt:
    """One that has said how it ended, or of which somebody else has."""

    claim: int
    order: WorkOrder
    report: InvocationReport

    @property
    def attempt(self) -> Attempt:
        return self.report.attempt


@dataclass(frozen=True, slots=True)
class Resumed:
    """A try's plan, and what of it need not be done again."""

    plan: Plan
    kept: Mapping[str, KeptWork]
    """By task."""
    before: tuple[TaskResult, ...] = ()
    """What was tried that is no task of this plan: on the bill like the others."""


def plan_to_go_on_with(
    tries: Sequence[tuple[int, Plan]],
    reported: Sequence[ReportedAttempt],
    *,
    in_place: bool,
) -> Resumed | None:
    """
    The newest plan of which something is finished; None: it is planned anew.

    *tries*: plans by claim, of this round alone, for what earlier rounds have made may
    be on its way out. *in_place*: results are published where they lie; where they are
    moved, by whoever was about to publish them, only chunks are sure to stay.
    """
    for _, plan in sorted(tries, key=lambda it: it[0], reverse=True):
        kept = finished_of(plan, reported, in_place=in_place)
        if kept:
            return Resumed(plan, kept)
    return None


def finished_of(
    plan: Plan, reported: Sequence[ReportedAttempt], *, in_place: bool
) -> Mapping[str, KeptWork]:
    """Task → what was made of it, of the last attempt that succeeded."""
    found: dict[str, KeptWork] = {}
    for one in sorted(reported, key=lambda it: (it.claim, it.attempt.number)):
        made = _made(one)
        if made is None or not (in_place or one.order.task.kind in PARTS):
            continue
        for planned in plan.tasks:
            if _same(planned.task, one.order.task):
                found[planned.task.task_id] = made
    # Who has joined them has read them; nobody knows why they should be gone.
    return {
        planned.task.task_id: found[planned.task.task_id]
        for planned in plan.tasks
        if planned.task.task_id in found and {*planned.task.joins} <= {*found}
    }


def _made(one: ReportedAttempt) -> KeptWork | None:
    produced, place = one.report.produced, one.order.place
    succeeded = one.attempt.outcome is OutcomeKind.SUCCEEDED
    if not succeeded or produced is None or place is None:
        return None
    return KeptWork(
        claim=one.claim, attempt=one.attempt, place=place, produced=produced
    )


def _same(one: Task, other: Task) -> bool:
    """Whether both make the same, in whatever spec."""
    return _what(one) == _what(other)


def _what(task: Task) -> tuple[object, ...]:
    source = task.source
    return (
        *(task.task_id, task.kind, task.job_id, task.joins, task.recipe),
        *(source.uri, source.bytes, source.etag, source.version),
    )
