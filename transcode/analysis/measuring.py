"""What sample and index have in common: a task of its own before a plan is final."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..contract import (
    Attempt,
    Constraints,
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


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a measuring task came to."""

    results: tuple[TaskResult, ...]
    last: Attempt | None
    cost: Money
    left: Constraints
    """What is left of deadline and budget."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """Where a task is run that measures the source, and who hears of it."""

    engine: Engine
    journal: Journal
    listen: Listener
    records: Callable[[str], str | None]
    """Where those of an attempt lie, by its name."""

    async def measure(
        self,
        own: Plan,
        *,
        reserve: Plan,
        wishes: Constraints,
        found: Callable[[Attempt], Any],
    ) -> Measurement:
        """
        Run the one task of *own*, or take what somebody before us paid for.

        That is the attempt of an earlier try in which *found* finds something. Nothing
        is begun whose sequel, *reserve*, a day's budget could not pay for.
        """
        (planned,) = own.tasks
        earlier = self.journal.earlier.get(planned.task.task_id, ())
        known = next((a for a in reversed(earlier) if found(a) is not None), None)
        if known is not None:
            others = [a for a in earlier if a is not known]
            results: tuple[TaskResult, ...] = (_result(planned, (*others, known)),)
        else:
            results = await self._run(own, planned, reserve)
        # The next worker imports while it is planned anew.
        await self.engine.prewarm()
        attempts = results[0].attempts if results else ()
        cost = _cost_of(attempts, own.predicted_cost)
        waited = sum(a.measured.wall_seconds for a in attempts if a.measured)
        return Measurement(
            results,
            attempts[-1] if attempts else None,
            cost,
            less(wishes, cost, waited),
        )

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


def _cost_of(attempts: Sequence[Attempt], like: Money) -> Money:
    amount = sum((a.cost.amount for a in attempts), Decimal(0))
    return Money(amount=amount, currency=like.currency)


def _result(measuring: PlannedTask, attempts: tuple[Attempt, ...]) -> TaskResult:
    return TaskResult(
        task_id=measuring.task.task_id,
        kind=measuring.task.kind,
        attempts=attempts,
        produced=None,
    )
