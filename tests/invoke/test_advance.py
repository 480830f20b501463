"""What is done next about a job, of whatever is known of its tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.contract import (
    Attempt,
    Candidate,
    Money,
    OutcomeKind,
    PlannedTask,
    Spec,
    Task,
)
from transcode.invoke.advance import TaskState, next_steps

CNY = "CNY"
FAILURES = [
    OutcomeKind.OUT_OF_MEMORY,
    OutcomeKind.OUT_OF_TIME,
    OutcomeKind.LOST,
    OutcomeKind.REJECTED,
]


def cny(amount: Decimal) -> Money:
    return Money(amount=amount, currency=CNY)


@pytest.fixture(scope="session")
def plan(make_task: Callable[..., Task]) -> Callable[..., PlannedTask]:
    def make(name: str, kind: str, joins: tuple[str, ...] = ()) -> PlannedTask:
        cost = cny(Decimal("0.10"))
        update = {"kind": kind, "predicted_cost": cost, "joins": joins}
        task = make_task(256, task_id=name).model_copy(update=update)
        candidates = tuple(
            Candidate(
                spec=Spec(memory_mib=memory, milli_cpus=1000),
                predicted=task.predicted,
                cost=cny(Decimal("0.10")),
                chosen=memory == task.spec.memory_mib,
                reason="-",
            )
            for memory in (256, 512, 1024)
        )
        return PlannedTask(task=task, candidates=candidates)

    return make


def ended(planned: PlannedTask, number: int, how: OutcomeKind, cost: str) -> Attempt:
    task = planned.task
    return Attempt(
        number=number,
        spec=task.spec,
        predicted=task.predicted,
        measured=None,
        cost=cny(Decimal(cost)),
        outcome=how,
    )


STATES = st.tuples(
    st.lists(st.sampled_from(FAILURES), max_size=3),
    st.sampled_from(["idle", "runs", "done"]),
)


@given(given_states=st.tuples(STATES, STATES, STATES), budget=st.integers(1, 200))
def test_whatever_is_known_the_steps_are_sound(
    plan: Callable[..., PlannedTask],
    given_states: tuple[tuple[list[OutcomeKind], str], ...],
    budget: int,
) -> None:
    """
    What runs or is done is not begun; a join has all its inputs; a number is used once;
    what may be spent and what was spent stay within the budget; and asked again of the
    same facts, the answer is the same.
    """
    kinds = (("join", "join", ("c1", "c2")), ("c1", "chunk", ()), ("c2", "chunk", ()))
    states = []
    for (name, kind, joins), (failures, now) in zip(kinds, given_states, strict=True):
        planned = plan(name, kind, joins)
        attempts = [
            ended(planned, number, how, "0.05")
            for number, how in enumerate(failures, 1)
        ]
        state = TaskState(planned, attempts=tuple(attempts))
        if now == "done":
            last = ended(planned, len(attempts) + 1, OutcomeKind.SUCCEEDED, "0.05")
            state = replace(state, attempts=(*state.attempts, last), place=f"/{name}")
        elif now == "runs":
            state = replace(state, runs=True, running=cny(Decimal("0.10")))
        states.append(state)
    most = cny(Decimal(budget) / 100)

    steps = next_steps(states, budget=most, fits=lambda _spec: True)

    known = {state.name: state for state in states}
    for one in steps.begin:
        state = known[one.task.task_id]
        assert not state.done
        assert not state.runs
        assert len(state.attempts) + 1 == one.number
        assert all(known[name].done for name in one.task.joins)
        assert tuple(f"/{name}" for name in one.task.joins) == one.task.inputs
    spent = sum((a.cost.amount for s in states for a in s.attempts), Decimal(0))
    held = sum((s.running.amount for s in states if s.running), Decimal(0))
    new = sum(
        (b.task.spend_limit.amount for b in steps.begin if b.task.spend_limit),
        Decimal(0),
    )
    assert not new or spent + held + new <= most.amount
    assert not (steps.begin and steps.failed)
    assert steps == next_steps(states, budget=most, fits=lambda _spec: True)
