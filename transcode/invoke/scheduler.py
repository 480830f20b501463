"""Planned tasks → attempts → results: where things run, repeat and give up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

import anyio

from ..contract import (
    Attempt,
    Money,
    OutcomeKind,
    PlannedTask,
    Produced,
    Progress,
    Task,
    TaskResult,
    WorkOrder,
)
from ..errors import BudgetSpent, PlanError
from .budget import TaskBudget
from .engine import Engine
from .fallback import in_force, one_piece, refused, told, told_of_chunks
from .observer import AttemptObserver, JobObserver
from .policy import GiveUp, Retry, after, final, first, reassign, rounded_up

__all__ = ["invoke_all", "only", "provisional_attempt"]

_TO_BE_SAFE = Decimal("1.25")


"""What is left to do may be harder than what was done."""


async def invoke_all(  # noqa: PLR0913 - what, where, for how much, who hears of it
    planned: Sequence[PlannedTask],
    engine: Engine,
    *,
    budget: Money | None,
    order_for: Callable[[Task, int], WorkOrder],
    observer: JobObserver,
    earlier: Mapping[str, Sequence[Attempt]] = MappingProxyType({}),
) -> tuple[TaskResult, ...]:
    """
    Run every task until it succeeds or there is no sense in going on.

    A task that joins others waits for them, and is told where their files lie: where
    `order_for` has placed them. Results
    come in the order of `planned`, failed ones too: look at the outcome of the
    last attempt, whose failure also says why there was no further one. Once a task has
    failed for good the others are cancelled, because a job is all or nothing.
    `observer` hears of every attempt. `earlier`: attempts of the same task by workers
    before us, which count towards the budget and are learned from. Where a chunk
    shows that the source is not what it says, it is done in one piece.

    The budget is a hard stop: an attempt is given what is left of it at most, and is
    stopped before it costs more. Raises `PlanError` where the machine cannot hold a
    chosen spec, before anything runs.
    """
    for one in planned:
        if not engine.fits(one.task.spec):
            raise PlanError(
                f"Task {one.task.task_id} was given {one.task.spec.memory_mib} MiB, "
                "more than this machine has: choose a smaller --memory, or run it on "
                "another engine.",
                memory_mib=one.task.spec.memory_mib,
            )
    task_budget = TaskBudget(
        budget, {p.task.task_id: p.task.predicted_cost.amount for p in planned}
    )
    chunks = {p.task.task_id: _TaskDone() for p in planned}
    jobs = [
        _TaskRun(
            one,
            chunks,
            engine,
            task_budget,
            order_for,
            observer,
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
        raise only(several) from None
    results = tuple(job.result() for job in jobs if job.attempts)
    whole = one_piece(planned, results)
    if whole is None:
        return results
    able = [it for it in whole.candidates if engine.fits(it.spec)]
    way_out = first(able, task_budget.unspent(), joined=True)
    if isinstance(way_out, GiveUp):
        return refused(results, way_out.reason)
    more = await invoke_all(
        (whole,),
        engine,
        budget=task_budget.unspent(),
        order_for=order_for,
        observer=observer,
    )
    return (*results, *(told_of_chunks(it, results) for it in more))


@dataclass(slots=True)
class _TaskDone:
    """Where a task's files lie, once it has succeeded."""

    event: anyio.Event = field(default_factory=anyio.Event)
    folder: str = ""


@dataclass(slots=True)
class _TaskRun:
    """One planned task and all its attempts."""

    planned: PlannedTask
    tasks: Mapping[str, _TaskDone]
    """Every task of the job, by its id."""
    engine: Engine
    task_budget: TaskBudget
    order_for: Callable[[Task, int], WorkOrder]
    observer: JobObserver
    attempts: list[Attempt]
    produced: Produced | None = None
    progress: Progress | None = None

    def result(self) -> TaskResult:
        task = self.planned.task
        return TaskResult(
            task_id=task.task_id,
            kind=task.kind,
            attempts=tuple(self.attempts),
            produced=self.produced,
        )

    async def run(self, siblings: anyio.CancelScope) -> None:
        planned, alike = in_force(self.planned, self.attempts)
        task = planned.task
        for attempt in self.attempts:
            self.task_budget.spend(attempt.cost.amount)
        if self.attempts:
            left = self.task_budget.left()
            learned = self._next(planned, alike)
            if isinstance(learned, Retry):
                task = reassign(task, learned.candidate)
            if left is not None and left.amount < 0:
                reason = "Not tried again: earlier tries left too little of the budget."
                self.attempts[-1] = final(self.attempts[-1], reason)
                siblings.cancel()
                return
        task = await self._ready(task)
        while True:
            number = max((a.number for a in self.attempts), default=0) + 1
            task = self._funded(task)
            await self.observer.keep(task, provisional_attempt(task, number))
            order = self.order_for(task, number)
            attempt, self.produced = await self.engine.attempt(
                order, observer=_Attempt(self, task, number)
            )
            self.task_budget.settle(task.task_id, attempt.cost.amount)
            await self.observer.keep(task, attempt)
            if attempt.outcome is OutcomeKind.SUCCEEDED:
                self.produced = told(self.produced, self.planned, self.attempts)
                self._keep(attempt)
                done = self.tasks[task.task_id]
                done.folder = order.place or ""
                done.event.set()
                return
            planned, alike = in_force(self.planned, [*self.attempts, attempt])
            decision = self._next(planned, alike)
            if isinstance(decision, GiveUp):
                reason = self._enough(attempt) or decision.reason
                self._keep(final(attempt, reason))
                siblings.cancel()
                return
            self._keep(
                attempt.model_copy(update={"notes": (*attempt.notes, decision.reason)})
            )
            task = await self._ready(reassign(planned.task, decision.candidate))

    async def _ready(self, task: Task) -> Task:
        """*task* when everything is there that it joins."""
        chunks = [self.tasks[name] for name in task.joins]
        for chunk in chunks:
            await chunk.event.wait()
        return task.model_copy(update={"inputs": tuple(it.folder for it in chunks)})

    def _next(self, planned: PlannedTask, alike: Sequence[Attempt]) -> Retry | GiveUp:
        able = [c for c in planned.candidates if self.engine.fits(c.spec)]
        left = self.task_budget.left()
        if alike:
            return after(able, alike, left=left)
        return first(able, left, joined=self.planned.task.kind == "join")

    def _funded(self, task: Task) -> Task:
        limit = self.task_budget.reserve(task.task_id, task.predicted_cost.amount)
        return task.model_copy(update={"spend_limit": limit})

    def progressed(self, progress: Progress) -> None:
        self.progress = progress
        self.observer.progressed(progress)

    def _enough(self, attempt: Attempt) -> str | None:
        """What budget would have done, by how far an attempt came that it ended."""
        failure, far = attempt.failure, self.progress
        if failure is None or failure.type != BudgetSpent.__name__:
            return None
        if far is None or not far.total_seconds or far.done_seconds <= 0:
            return "Raise the budget."
        share = Decimal(min(far.done_seconds / far.total_seconds, 1.0))
        before = sum((a.cost.amount for a in self.attempts), Decimal(0))
        enough = (before + attempt.cost.amount / share) * _TO_BE_SAFE
        return (
            f"{share:.0%} was done: a budget of {rounded_up(enough)} "
            f"{attempt.cost.currency} would do."
        )

    def cancelled(self, attempt: Attempt) -> None:
        # Its reservation is free for what is done instead.
        self.task_budget.settle(self.planned.task.task_id, attempt.cost.amount)
        self._keep(attempt)

    def _keep(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self.observer.ended(self.planned.task, attempt)


class _Attempt(AttemptObserver):
    """One of a job's attempts, on its way to those who hear of the job."""

    def __init__(self, job: _TaskRun, task: Task, number: int) -> None:
        self._job, self._task, self._number = job, task, number

    def progressed(self, progress: Progress) -> None:
        self._job.progressed(progress)

    def cancelled(self, attempt: Attempt) -> None:
        self._job.cancelled(attempt)

    def overdue(self) -> None:
        self._job.observer.overdue(self._task, self._number)


def provisional_attempt(task: Task, number: int) -> Attempt:
    """What an attempt counts as when its worker and we vanish together."""
    return Attempt(
        number=number,
        spec=task.spec,
        predicted=task.predicted,
        predicted_wall=task.predicted_wall,
        measured=None,
        cost=task.predicted_cost,
        outcome=OutcomeKind.LOST,
        notes=("nothing was heard of it after its start; its cost is as predicted",),
    )


def only(several: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = several
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
