"""What sample and index have in common: a task of its own before a plan is final."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import anyio

from ..contract import (
    Attempt,
    Constraints,
    Media,
    Money,
    Plan,
    PlannedTask,
    TaskResult,
    WorkOrder,
    attempt_name,
)
from ..hooks import Listener, SampleBegun
from ..invoke.engine import Engine
from ..invoke.journal import Journal
from ..invoke.observer import Reporter
from ..invoke.scheduler import invoke_all
from ..plan.sampling import less

_SAW: Mapping[str, Callable[[Attempt], object]] = MappingProxyType(
    {"sample": lambda it: it.sampled, "index": lambda it: it.indexed}
)
"""By the kind of a task, what an attempt at it has measured; None: nothing."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A task that is to measure the source before it is planned further."""

    own: Plan
    """Of that task alone."""
    reserve: Plan
    """What it all comes to: nothing is begun whose sequel could not be paid for."""
    wishes: Constraints

    @property
    def planned(self) -> PlannedTask:
        (one,) = self.own.tasks
        return one

    @property
    def task_id(self) -> str:
        return self.planned.task.task_id

    def known(self, earlier: Sequence[Attempt]) -> TaskResult | None:
        """What somebody before us has measured; None: nobody has."""
        found = _SAW[self.planned.task.kind]
        last = next((it for it in reversed(earlier) if found(it) is not None), None)
        if last is None:
            return None
        others = (it for it in earlier if it is not last)
        return TaskResult(
            task_id=self.task_id,
            kind=self.planned.task.kind,
            attempts=(*others, last),
            produced=None,
        )

    def came_to(
        self, result: TaskResult | None, *, waited_seconds: float
    ) -> Measurement:
        """
        What that means; None: not even an attempt was made.

        *waited_seconds*: of the deadline of the wishes, what it has taken.
        """
        attempts = result.attempts if result else ()
        cost = Money(
            amount=sum((a.cost.amount for a in attempts), Decimal(0)),
            currency=self.own.predicted_cost.currency,
        )
        return Measurement(
            (result,) if result and attempts else (),
            attempts[-1] if attempts else None,
            cost,
            less(self.wishes, cost, waited_seconds),
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a measuring task came to."""

    results: tuple[TaskResult, ...]
    last: Attempt | None
    cost: Money
    left: Constraints
    """What is left of deadline and budget."""


@dataclass(frozen=True, slots=True)
class MeasureFirst:
    """What a job is planned by, and the task that is to measure more of it."""

    own: Plan
    """Of that task alone."""
    media: Media
    constraints: Constraints


@dataclass(frozen=True, slots=True)
class BegunPlan:
    """A decision that was begun, and what it has asked for."""

    media: Media
    constraints: Constraints
    """Of when it was begun."""
    measured: Mapping[str, TaskResult]
    """What has become of measuring tasks, by their ids, in their order."""


_R = TypeVar("_R")
Deciding: TypeAlias = Generator[Measure, Measurement, _R]
"""
A decision that asks for what it needs to know. Pure: given the same answers it says the
same, so that another process can go on with it by repeating it.
"""


def repeated(
    deciding: Deciding[_R], known: Callable[[Measure], Measurement | None]
) -> _R | Measure:
    """
    What is decided by what is *known*, or the first that must be measured for it.

    *known*: what a measuring task came to; None: it has not been done.
    """
    try:
        step = next(deciding)
        while (measured := known(step)) is not None:
            step = deciding.send(measured)
    except StopIteration as decided:
        answer: _R = decided.value
        return answer
    return step


@dataclass(frozen=True, slots=True)
class Measuring:
    """Where tasks are run that measure the source, and who hears of it."""

    engine: Engine
    journal: Journal
    listen: Listener
    records: Callable[[str], str | None]
    """Where those of an attempt lie, by its name."""

    async def drive(self, deciding: Deciding[_R]) -> _R:
        """What is decided; what it asks for is measured here, or was before us."""
        try:
            step = next(deciding)
            while True:
                step = deciding.send(await self._measure(step))
        except StopIteration as decided:
            result: _R = decided.value
            return result

    async def _measure(self, step: Measure) -> Measurement:
        earlier = self.journal.earlier.get(step.task_id, ())
        result, waited = step.known(earlier), 0.0
        if result is None:
            began = anyio.current_time()
            results = await self._run(step.own, step.planned, step.reserve)
            result = results[0] if results else None
            waited = anyio.current_time() - began
        # The next worker imports while it is planned anew.
        await self.engine.prewarm()
        return step.came_to(result, waited_seconds=waited)

    async def _run(
        self, own: Plan, planned: PlannedTask, reserve: Plan
    ) -> tuple[TaskResult, ...]:
        allowed = await self.journal.allow(reserve)
        own = own.model_copy(update={"budget": allowed.budget})
        self.listen(SampleBegun(own))
        return await invoke_all(
            (planned,),
            self.engine,
            budget=own.budget,
            order_for=lambda task, number: WorkOrder(
                task=task,
                number=number,
                place=None,
                records=self.records(attempt_name(task.task_id, number)),
                profile=own.profile.name,
            ),
            observer=Reporter(own, self.journal, self.listen),
            earlier=self.journal.earlier,
        )


def alone(plan: Plan, measuring: PlannedTask, constraints: Constraints) -> Plan:
    """The measuring task as a plan of its own: what budgets and ledgers go by."""
    return plan.model_copy(
        update={
            "tasks": (measuring,),
            "predicted": measuring.task.predicted,
            "predicted_cost": measuring.task.predicted_cost,
            "deadline_seconds": constraints.deadline_seconds,
            "budget": constraints.budget,
        }
    )


def left_of(plan: Plan) -> Money | None:
    """Of the plan's budget, what its sample and index have not spent."""
    before = (plan.sampling, plan.indexing)
    spent = sum((it.cost.amount for it in before if it and it.cost), Decimal(0))
    if plan.budget is None or not spent:
        return plan.budget
    return Money(
        amount=max(plan.budget.amount - spent, Decimal(0)),
        currency=plan.budget.currency,
    )
