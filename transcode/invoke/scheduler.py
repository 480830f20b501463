"""Planned tasks → attempts → results, for a process that waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

import anyio
import anyio.abc

from ..contract import (
    Attempt,
    KeptWork,
    Money,
    OutcomeKind,
    PlannedTask,
    Progress,
    Task,
    TaskResult,
    WorkOrder,
)
from ..errors import PlanError
from ..tracing.attempts import attempt_marks, outcome_marks
from ..tracing.spans import span, traceparent
from .advance import (
    Begin,
    TaskState,
    left_for_whole,
    next_steps,
    results_of,
    whole_afforded,
    whole_of,
    with_whole,
)
from .engine import Engine, Refusing
from .observer import AttemptObserver, JobObserver
from .policy import final, pause_seconds

__all__ = ["invoke_all", "only", "provisional_attempt"]


async def invoke_all(  # noqa: PLR0913 - what, where, for how much, who hears of it
    planned: Sequence[PlannedTask],
    engine: Engine,
    *,
    budget: Money | None,
    order_for: Callable[[Task, int], WorkOrder],
    observer: JobObserver,
    earlier: Mapping[str, Sequence[Attempt]] = MappingProxyType({}),
    kept: Mapping[str, KeptWork] = MappingProxyType({}),
) -> tuple[TaskResult, ...]:
    """
    Run every task until it succeeds or there is no sense in going on.

    A task that joins others waits for them, and is told where their files lie: where
    `order_for` has placed them. Results
    come in the order of `planned`, failed ones too: look at the outcome of the
    last attempt, whose failure also says why there was no further one. Once a task has
    failed for good the others are cancelled, because a job is all or nothing.
    `observer` hears of every attempt. `earlier`: attempts of the same task by workers
    before us, which count towards the budget and are learned from; *kept*: what they
    have finished, which is not done again. Where a chunk shows that the source is not
    what it says, it is done in one piece.

    The budget is a hard stop: an attempt is given what is left of it at most, and is
    stopped before it costs more. Raises `PlanError` where the machine cannot hold a
    chosen spec, before anything runs.
    """
    for one in planned:
        if not engine.fits(one.task.spec):
            task, spec = one.task.task_id, one.task.spec
            why = engine.misfit(spec) if isinstance(engine, Refusing) else None
            said = (
                "more than this machine has: choose a smaller --memory, or run it on "
                "another engine."
            )
            raise PlanError(
                f"Task {task} cannot run. {why}"
                if why
                else f"Task {task} was given {spec.memory_mib} MiB, {said}",
                memory_mib=spec.memory_mib,
            )
    job = _Job(
        {
            one.task.task_id: TaskState.after(
                one,
                earlier.get(one.task.task_id, ()),
                kept.get(one.task.task_id),
            )
            for one in planned
        },
        engine,
        budget,
        order_for,
        observer,
        {},
    )
    try:
        async with anyio.create_task_group() as group:
            job.go_on(group)
    except BaseExceptionGroup as several:
        # Who calls us waits for one error, not for the shape of our concurrency.
        raise only(several) from None
    states = [*job.states.values()]
    results = results_of(states, job.gave_up)
    whole = whole_of(states, job.gave_up)
    if whole is None:
        return results
    refusal = whole_afforded(states, whole, budget=budget, fits=engine.fits)
    if refusal is not None:
        return with_whole(results, (), refusal)
    more = await invoke_all(
        (whole,),
        engine,
        budget=left_for_whole(states, budget),
        order_for=order_for,
        observer=observer,
    )
    return with_whole(results, more)


@dataclass(slots=True)
class _Job:
    """The tasks of a job while this process waits for them."""

    states: dict[str, TaskState]
    engine: Engine
    budget: Money | None
    order_for: Callable[[Task, int], WorkOrder]
    observer: JobObserver
    gave_up: dict[str, str]

    def go_on(self, group: anyio.abc.TaskGroup, ended: str | None = None) -> None:
        """Start what is to be started now; *ended*: the task of which we just heard."""
        steps = next_steps(
            [*self.states.values()], budget=self.budget, fits=self.engine.fits
        )
        if ended is not None:
            why = next((it.reason for it in steps.begin if _is(it, ended)), None)
            self._tell(ended, why, steps.gave_up.get(ended))
        if steps.failed:
            self.gave_up |= steps.gave_up
            group.cancel_scope.cancel()
            return
        for one in steps.begin:
            name = one.task.task_id
            limit = one.task.spend_limit
            self.states[name] = replace(self.states[name], runs=True, running=limit)
            group.start_soon(self._attempt, group, one)

    async def _attempt(self, group: anyio.abc.TaskGroup, one: Begin) -> None:
        task, number = one.task, one.number
        before = self.states[task.task_id].attempts
        await anyio.sleep(pause_seconds(before, random.random()))  # noqa: S311
        order = self.order_for(task, number)
        await self.observer.keep(task, provisional_attempt(task, number))
        heard = _Attempt(self, task, number)
        with span("attempt", attempt_marks(task, number)) as marked:
            if (header := traceparent()) is not None:
                order = order.model_copy(update={"traceparent": header})
            attempt, produced = await self.engine.attempt(order, observer=heard)
            marked.mark(outcome_marks(attempt))
        await self.observer.keep(task, attempt)
        # From here on without a pause: nobody decides between two facts.
        state = replace(
            self.states[task.task_id],
            produced=produced,
            place=order.place or "",
            share=heard.share,
        )
        self.ended(task, attempt, state)
        self.go_on(group, task.task_id)

    def ended(self, task: Task, attempt: Attempt, state: TaskState) -> None:
        self.states[task.task_id] = replace(
            state, attempts=(*state.attempts, attempt), runs=False, running=None
        )

    def _tell(self, name: str, why: str | None, reason: str | None) -> None:
        """With why there is another attempt, or no further one."""
        state = self.states[name]
        *before, last = state.attempts
        if why is not None and last.outcome is not OutcomeKind.SUCCEEDED:
            last = last.model_copy(update={"notes": (*last.notes, why)})
            self.states[name] = replace(state, attempts=(*before, last))
        said = last if reason is None else final(last, reason)
        self.observer.ended(state.planned.task, said)


def _is(one: Begin, name: str) -> bool:
    return one.task.task_id == name


class _Attempt(AttemptObserver):
    """One of a job's attempts, on its way to those who hear of the job."""

    def __init__(self, job: _Job, task: Task, number: int) -> None:
        self._job, self._task, self._number = job, task, number
        self.share: Decimal | None = None

    def progressed(self, progress: Progress) -> None:
        if progress.total_seconds and progress.done_seconds > 0:
            share = progress.done_seconds / progress.total_seconds
            self.share = Decimal(min(share, 1.0))
        self._job.observer.progressed(progress)

    def cancelled(self, attempt: Attempt) -> None:
        self._job.ended(self._task, attempt, self._job.states[self._task.task_id])
        self._job.observer.ended(self._task, attempt)

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
