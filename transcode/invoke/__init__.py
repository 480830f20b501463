"""Planned tasks → attempts → results: where things run, repeat and give up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import anyio

from ..contract import (
    Attempt,
    Candidate,
    Interval,
    Money,
    OutcomeKind,
    PlannedTask,
    Produced,
    Progress,
    Spec,
    Task,
    TaskResult,
)
from ..errors import PlanError
from .policy import GiveUp, Retry, after

__all__ = ["Engine", "invoke_all", "testament"]


class Engine(Protocol):
    """Where attempts run."""

    async def prewarm(self) -> None:
        """Whatever makes the first attempt start sooner."""

    def guard(self, path: Path) -> None:
        """Have `path` removed should this process be killed."""

    def fits(self, spec: Spec) -> bool:
        """Whether `spec` can run here at all."""

    async def attempt(
        self,
        task: Task,
        *,
        number: int,
        staging: Path,
        on_progress: Callable[[Progress], None],
        on_cancelled: Callable[[Attempt], None],
    ) -> tuple[Attempt, Produced | None]:
        """
        Do `task` once; failures are outcomes. The report is there where the worker
        lived to give one. When cancelled, `on_cancelled` gets the attempt.
        """


async def _keep_nothing(_task: Task, _attempt: Attempt) -> None:
    """Where nobody asks after a kill what was begun."""


async def invoke_all(  # noqa: PLR0913 - who listens is five callbacks
    planned: Sequence[PlannedTask],
    engine: Engine,
    *,
    budget: Money | None,
    staging_for: Callable[[str, int], Path],
    on_progress: Callable[[Progress], None],
    on_attempt: Callable[[str, Attempt], None],
    keep: Callable[[Task, Attempt], Awaitable[None]] = _keep_nothing,
    earlier: Mapping[str, Sequence[Attempt]] = MappingProxyType({}),
) -> tuple[TaskResult, ...]:
    """
    Run every task until it succeeds or there is no sense in going on.

    Results come in the order of `planned`, failed ones too: look at the outcome of the
    last attempt, whose failure also says why there was no further one. Once a task has
    failed for good the others are cancelled, because a job is all or nothing.
    `on_attempt` hears of every attempt, cancelled ones included. `keep` is waited for
    before an attempt with its testament, as which it counts should nothing more be
    heard of it, and after it with what it was. `earlier`: attempts of the same task
    by workers before us, which count towards the budget and are learned from. Raises
    `PlanError` where the machine cannot hold a chosen spec, before anything runs.
    """
    for one in planned:
        if not engine.fits(one.task.spec):
            raise PlanError(
                f"Task {one.task.task_id} was given {one.task.spec.memory_mib} MiB, "
                "more than this machine has: choose a smaller --memory, or run it on "
                "another engine.",
                memory_mib=one.task.spec.memory_mib,
            )
    purse = _Purse(budget)
    jobs = [
        _Job(
            one,
            engine,
            purse,
            staging_for,
            on_progress,
            on_attempt,
            keep,
            list(earlier.get(one.task.task_id, ())),
        )
        for one in planned
    ]
    try:
        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(job.run, group.cancel_scope)
    except BaseExceptionGroup as several:
        # Who calls us waits for one error, not for the shape of our concurrency.
        raise _only(several) from None
    return tuple(job.result() for job in jobs if job.attempts)


class _Purse:
    """What the budget still holds: spent and promised money is gone."""

    def __init__(self, budget: Money | None) -> None:
        self._budget = budget
        self._gone: dict[str, Decimal] = {}

    def charge(self, what: str, amount: Decimal) -> None:
        """Promise, or settle what was promised under the same name."""
        self._gone[what] = amount

    def left(self) -> Money | None:
        if self._budget is None:
            return None
        amount = self._budget.amount - sum(self._gone.values(), Decimal(0))
        return Money(amount=amount, currency=self._budget.currency)


@dataclass(slots=True)
class _Job:
    """One planned task and all its attempts."""

    planned: PlannedTask
    engine: Engine
    purse: _Purse
    staging_for: Callable[[str, int], Path]
    on_progress: Callable[[Progress], None]
    on_attempt: Callable[[str, Attempt], None]
    keep: Callable[[Task, Attempt], Awaitable[None]]
    attempts: list[Attempt]
    produced: Produced | None = None

    def result(self) -> TaskResult:
        task = self.planned.task
        return TaskResult(
            task_id=task.task_id,
            kind=task.kind,
            attempts=tuple(self.attempts),
            produced=self.produced,
        )

    async def run(self, siblings: anyio.CancelScope) -> None:
        task = self.planned.task
        able = [c for c in self.planned.candidates if self.engine.fits(c.spec)]
        for attempt in self.attempts:
            self.purse.charge(f"{task.task_id}.{attempt.number}", attempt.cost.amount)
        if self.attempts:
            learned = after(able, self.attempts, left=self.purse.left())
            if isinstance(learned, Retry):
                task = _reassign(task, learned.candidate)
        while True:
            number = max((a.number for a in self.attempts), default=0) + 1
            name = f"{task.task_id}.{number}"
            self.purse.charge(name, task.predicted_cost.amount)
            await self.keep(task, testament(task, number))
            attempt, self.produced = await self.engine.attempt(
                task,
                number=number,
                staging=self.staging_for(task.task_id, number),
                on_progress=self.on_progress,
                on_cancelled=self._keep,
            )
            self.purse.charge(name, attempt.cost.amount)
            await self.keep(task, attempt)
            if attempt.outcome is OutcomeKind.SUCCEEDED:
                self._keep(attempt)
                return
            decision = after(able, [*self.attempts, attempt], left=self.purse.left())
            if isinstance(decision, GiveUp):
                self._keep(_final(attempt, decision.reason))
                siblings.cancel()
                return
            self._keep(
                attempt.model_copy(update={"notes": (*attempt.notes, decision.reason)})
            )
            task = _reassign(task, decision.candidate)

    def _keep(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self.on_attempt(self.planned.task.task_id, attempt)


def testament(task: Task, number: int) -> Attempt:
    """What an attempt counts as when its worker and we vanish together."""
    return Attempt(
        number=number,
        spec=task.spec,
        predicted=task.predicted,
        measured=None,
        cost=task.predicted_cost,
        outcome=OutcomeKind.LOST,
        notes=("nothing was heard of it after its start; its cost is as predicted",),
    )


def _final(attempt: Attempt, reason: str) -> Attempt:
    failure = attempt.failure
    if failure is None:
        return attempt
    said = failure.model_copy(update={"message": f"{failure.message} {reason}"})
    return attempt.model_copy(update={"failure": said})


def _reassign(task: Task, candidate: Candidate) -> Task:
    """The same task on another spec; the wall interval is stretched with the wall."""
    before, now = task.predicted.wall_seconds, candidate.predicted.wall_seconds
    stretch = now / before if before else 1.0
    return task.model_copy(
        update={
            "spec": candidate.spec,
            "predicted": candidate.predicted,
            "predicted_cost": candidate.cost,
            "predicted_wall": Interval(
                low=task.predicted_wall.low * stretch,
                high=task.predicted_wall.high * stretch,
            ),
        }
    )


def _only(several: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = several
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
