"""
What is to be done next about a job, by what is known of its tasks. Pure.

One decision for whoever makes it: a process that waits, or an invocation that has just
ended and starts what follows. Made twice of the same facts, it says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Self

from ..contract import (
    Attempt,
    AudioFacts,
    KeptWork,
    Money,
    OutcomeKind,
    PlannedTask,
    Produced,
    Spec,
    Task,
    TaskResult,
)
from ..errors import BudgetSpent
from .budget import TaskBudget
from .fallback import in_force, one_piece, refused, told, told_of_chunks
from .policy import GiveUp, Retry, after, final, first, reassign, rounded_up

__all__ = ["Begin", "Steps", "TaskState", "next_steps", "results_of", "whole_of"]

_TO_BE_SAFE = Decimal("1.25")
"""What is left to do may be harder than what was done."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """What is known of one task."""

    planned: PlannedTask
    earlier: tuple[Attempt, ...] = ()
    """By workers before this try: they are paid for and learned from."""
    attempts: tuple[Attempt, ...] = ()
    """Of this try, ended, in order."""
    running: Money | None = None
    """The most that the one under way may cost; see `runs`."""
    runs: bool = False
    produced: Produced | None = None
    """Of the last attempt."""
    place: str = ""
    """Where the last attempt's files lie."""
    share: Decimal | None = None
    """Of the work, how much the last attempt had done when it ended, where known."""
    kept: bool = False
    """The last of `earlier` has succeeded, and what it made is there."""

    @classmethod
    def after(
        cls, planned: PlannedTask, earlier: Sequence[Attempt], kept: KeptWork | None
    ) -> Self:
        """Of a task when a try begins; *kept*: what one before has finished."""
        if kept is None:
            return cls(planned, earlier=tuple(earlier))
        others = (it for it in earlier if it != kept.attempt)
        return cls(
            planned,
            earlier=(*others, kept.attempt),
            produced=kept.produced,
            place=kept.place,
            kept=True,
        )

    @property
    def name(self) -> str:
        return self.planned.task.task_id

    @property
    def done(self) -> bool:
        last = self.attempts[-1] if self.attempts else None
        return self.kept or (last is not None and last.outcome is OutcomeKind.SUCCEEDED)

    @property
    def all_attempts(self) -> tuple[Attempt, ...]:
        return (*self.earlier, *self.attempts)


@dataclass(frozen=True, slots=True)
class Begin:
    """Start this attempt, with what it may spend and where its inputs lie."""

    task: Task
    number: int
    reason: str | None = None
    """Why there is another, for the note of the one before."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What is to be done now."""

    begin: tuple[Begin, ...] = ()
    gave_up: Mapping[str, str] = field(default_factory=dict)
    """Tasks that have failed for good → why there is no further try."""

    @property
    def failed(self) -> bool:
        """The others are to be stopped: a job is all or nothing."""
        return bool(self.gave_up)


def next_steps(
    states: Sequence[TaskState],
    *,
    budget: Money | None,
    fits: Callable[[Spec], bool],
) -> Steps:
    """
    Which attempts to start now, or which tasks are given up.

    The budget is a hard stop: what attempts that run may spend, and what was spent,
    never exceeds it. A task that joins others waits for them.
    """
    money = _money(states, budget)
    begin: list[Begin] = []
    gave_up: dict[str, str] = {}
    for state in states:
        if state.done or state.runs:
            continue
        chosen = _choose(state, states, left=money.left(), fits=fits)
        if isinstance(chosen, GiveUp):
            gave_up[state.name] = _enough(state) or chosen.reason
        elif chosen is not None:
            task = chosen.task
            limit = money.reserve(task.task_id, task.predicted_cost.amount)
            funded = task.model_copy(update={"spend_limit": limit})
            begin.append(Begin(funded, chosen.number, chosen.reason))
    return Steps(() if gave_up else tuple(begin), gave_up)


def whole_of(
    states: Sequence[TaskState], gave_up: Mapping[str, str]
) -> PlannedTask | None:
    """What to do instead where a chunk shows that the source is not what it says."""
    planned = [state.planned for state in states]
    return one_piece(planned, results_of(states, gave_up))


def whole_afforded(
    states: Sequence[TaskState],
    whole: PlannedTask,
    *,
    budget: Money | None,
    fits: Callable[[Spec], bool],
) -> GiveUp | None:
    """Why there is neither spec nor money for the *whole*; None where there is."""
    able = [it for it in whole.candidates if fits(it.spec)]
    unspent = _money(states, budget).unspent()
    chosen = first(able, unspent, joined=True)
    return chosen if isinstance(chosen, GiveUp) else None


def left_for_whole(states: Sequence[TaskState], budget: Money | None) -> Money | None:
    """What its chunks have left of the budget."""
    return _money(states, budget).unspent()


def results_of(
    states: Sequence[TaskState], gave_up: Mapping[str, str]
) -> tuple[TaskResult, ...]:
    """What became of each task that was begun, with why there is no further try."""
    return tuple(
        TaskResult(
            task_id=state.name,
            kind=state.planned.task.kind,
            attempts=_said(state, gave_up.get(state.name)),
            produced=told(state.produced, state.planned, state.all_attempts)
            if state.done
            else state.produced,
        )
        for state in states
        if state.all_attempts
    )


def with_whole(
    before: Sequence[TaskResult],
    more: Sequence[TaskResult],
    refusal: GiveUp | None = None,
) -> tuple[TaskResult, ...]:
    """Results of chunks, and of what was done instead of them or why it was not."""
    if refusal is not None:
        return refused(before, refusal.reason)
    return (*before, *(told_of_chunks(it, before) for it in more))


def _said(state: TaskState, reason: str | None) -> tuple[Attempt, ...]:
    attempts = state.all_attempts
    if reason is None:
        return attempts
    return (*attempts[:-1], final(attempts[-1], reason))


def _choose(
    state: TaskState,
    states: Sequence[TaskState],
    *,
    left: Money | None,
    fits: Callable[[Spec], bool],
) -> Begin | GiveUp | None:
    planned, alike = in_force(state.planned, state.all_attempts)
    able = [c for c in planned.candidates if fits(c.spec)]
    joined = state.planned.task.kind == "join"
    task, reason = planned.task, None
    if state.all_attempts:
        chosen = after(able, alike, left=left) if alike else None
        chosen = chosen or first(able, left, joined=joined)
        if isinstance(chosen, Retry):
            task, reason = reassign(planned.task, chosen.candidate), chosen.reason
        elif state.attempts:
            return chosen
        # What failed for those before us may go well now; not without money.
        if not state.attempts and left is not None and left.amount < 0:
            return GiveUp(
                "Not tried again: earlier tries left too little of the budget."
            )
    inputs = _inputs(task, states)
    if inputs is None:
        return None
    number = max((a.number for a in state.all_attempts), default=0) + 1
    update = {"inputs": inputs, "heard": _heard(task, states)}
    return Begin(task.model_copy(update=update), number, reason)


def _inputs(task: Task, states: Sequence[TaskState]) -> tuple[str, ...] | None:
    """Where everything lies that it joins; None where that is not there yet."""
    known = {state.name: state for state in states}
    joined = [known[name] for name in task.joins]
    if not all(state.done for state in joined):
        return None
    return tuple(state.place for state in joined)


def _heard(task: Task, states: Sequence[TaskState]) -> dict[str, AudioFacts]:
    """What it joins, by soundtrack, as whoever made it has heard it."""
    made = (
        it.produced.artifacts
        for it in states
        if it.planned.task.kind == "sound" and it.name in task.joins and it.produced
    )
    return {
        PurePosixPath(it.path).stem: it.audio
        for artifacts in made
        for it in artifacts
        if it.audio is not None
    }


def _money(states: Sequence[TaskState], budget: Money | None) -> TaskBudget:
    promised = {
        state.name: state.planned.task.predicted_cost.amount
        for state in states
        if not state.attempts and not state.runs and not state.kept
    }
    money = TaskBudget(budget, promised)
    for state in states:
        for attempt in state.all_attempts:
            money.spend(attempt.cost.amount)
        if state.runs and state.running is not None:
            money.hold(state.name, state.running.amount)
    return money


def _enough(state: TaskState) -> str | None:
    """What budget would have done, by how far an attempt came that it ended."""
    if not state.attempts:
        return None
    attempt = state.attempts[-1]
    failure, share = attempt.failure, state.share
    if failure is None or failure.type != BudgetSpent.__name__:
        return None
    if not share:
        return "Raise the budget."
    before = sum((a.cost.amount for a in state.all_attempts[:-1]), Decimal(0))
    enough = (before + attempt.cost.amount / share) * _TO_BE_SAFE
    return (
        f"{share:.0%} was done: a budget of {rounded_up(enough)} "
        f"{attempt.cost.currency} would do."
    )
