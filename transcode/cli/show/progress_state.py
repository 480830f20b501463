"""What a progress display knows: clocks, lanes, and the lines they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePosixPath

from ...contract import Attempt, Money, OutcomeKind, Plan, PlannedTask, Progress
from ...hooks import (
    Overdue,
)
from ...units import clock, duration, money, one_line, place, plural, spec

Clock = Callable[[], float]
_ID_DIGITS = 12
"""Of a job's id, which task ids begin with."""


@dataclass(slots=True)
class Lane:
    """One task as it runs: what was planned, and how far its last report was."""

    planned: PlannedTask
    attempt: int = 1
    spent: Decimal = Decimal(0)
    """By attempts that are over."""
    since: float | None = None
    """When this attempt's first report came."""
    phase: str = ""
    done_seconds: float = 0.0
    total_seconds: float | None = None
    speed: float | None = None
    ended: OutcomeKind | None = None

    @property
    def percent(self) -> float | None:
        if self.ended is OutcomeKind.SUCCEEDED:
            return 100.0
        if not self.total_seconds:
            return None
        return min(100.0, 100 * self.done_seconds / self.total_seconds)

    @property
    def left_seconds(self) -> float | None:
        """Until this phase ends, at the speed of now."""
        if not self.total_seconds or not self.speed:
            return None
        return max(0.0, self.total_seconds - self.done_seconds) / self.speed

    def cost_so_far(self, now: float) -> Money:
        """
        What attempts cost that are over, and this one's share of its prediction.

        The share is by wall time, since that is what is billed.
        """
        cost = self.planned.task.predicted_cost
        running = Decimal(0)
        wall = self.planned.task.predicted.wall_seconds
        if self.since is not None and self.ended is None and wall > 0:
            running = cost.amount * Decimal(str(round((now - self.since) / wall, 3)))
        return Money(amount=self.spent + running, currency=cost.currency)


@dataclass(slots=True)
class Board:
    """Every task's lane, kept up to date by events; what to show is read off it."""

    now: Clock
    several: bool = False
    """There is more than one source: each line says whose it is."""
    lanes: dict[str, Lane] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Task → the source's name, and what of the task's id is not the job's."""

    def plan(self, plan: Plan) -> None:
        self.lanes |= {p.task.task_id: Lane(p) for p in plan.tasks}
        if self.several:
            for one in self.lanes.keys() - self.names.keys():
                rest = one.removeprefix(plan.job_id[:_ID_DIGITS]).lstrip("-")
                self.names[one] = f"{source_name(plan.source.uri)} {rest}"

    def name(self, task_id: str) -> str:
        """What a person calls the task."""
        return self.names.get(task_id, task_id)

    def whose(self, uri: str) -> str:
        """What a line about a job begins with."""
        return f"{source_name(uri)}: " if self.several else ""

    def progress(self, progress: Progress) -> Lane | None:
        lane = self.lanes.get(progress.task_id)
        if lane is None:
            return None
        if lane.ended is not None:
            lane.attempt, lane.ended = lane.attempt + 1, None
        if lane.since is None:
            lane.since = self.now()
        lane.phase = progress.phase
        lane.done_seconds = progress.done_seconds
        lane.total_seconds = progress.total_seconds
        lane.speed = progress.speed
        return lane

    def attempt(self, task_id: str, attempt: Attempt) -> Lane | None:
        lane = self.lanes.get(task_id)
        if lane is None:
            return None
        lane.spent += attempt.cost.amount
        lane.ended = attempt.outcome
        lane.since = None
        lane.done_seconds = 0.0
        lane.speed = None
        lane.attempt = attempt.number
        return lane

    def cost_so_far(self) -> Money | None:
        now, total = self.now(), None
        for lane in self.lanes.values():
            cost = lane.cost_so_far(now)
            total = cost if total is None else total + cost
        return total


def source_name(uri: str) -> str:
    """The last part of an address."""
    return PurePosixPath(place(uri)).name


def planned_line(plan: Plan) -> str:
    """The decision in one line: how much work, in which specs, for how much."""
    specs = list(dict.fromkeys(spec(p.task.spec) for p in plan.tasks))
    rung = plan.rung.value.replace("_", " ")
    return (
        f"plan: {rung}, {plural(len(plan.tasks), 'task')}"
        f"{' in ' + ' / '.join(specs) if specs else ''} on {plan.platform.name}, "
        f"about {duration(plan.predicted.wall_seconds)} and "
        f"{money(plan.predicted_cost)}"
    )


def sample_line(plan: Plan) -> str:
    """What is done before the plan is final: how much, and at what price."""
    price = f"{duration(plan.predicted.wall_seconds)} and {money(plan.predicted_cost)}"
    if plan.tasks[0].task.kind == "index":
        return f"index: all packets of the source first, none decoded, about {price}"
    parts = len(plan.tasks[0].task.recipe.parts)
    why = "" if plan.sampling is None else f": {plan.sampling.reason}"
    return f"sample: {plural(parts, 'part')} of the source first, about {price}{why}"


def attempt_line(task_id: str, attempt: Attempt) -> str:
    """How one attempt ended and what it cost."""
    measured = attempt.measured
    took = "" if measured is None else f" after {duration(measured.wall_seconds)}"
    outcome = attempt.outcome.value.replace("_", " ")
    reason = ""
    if attempt.failure is not None and attempt.outcome is not OutcomeKind.SUCCEEDED:
        reason = f": {' '.join(attempt.failure.message.split())}"
    return one_line(
        f"{task_id}: attempt {attempt.number} in {spec(attempt.spec)} {outcome}{took}, "
        f"{money(attempt.cost)}{reason}"
    )


def overdue_line(name: str, event: Overdue) -> str:
    """That an attempt runs longer than was said, at the moment it does."""
    return (
        f"{name}: attempt {event.number} takes longer than predicted: "
        f"{duration(event.predicted_seconds)} were expected, at most "
        f"{duration(event.high_seconds)} nine times out of ten"
    )


def progress_line(name: str, lane: Lane, now: float) -> str:
    """One report: how far, how fast, how long still, at what cost."""
    task = lane.planned.task
    percent = "" if lane.percent is None else f" {lane.percent:.0f} %"
    parts = [f"{name}: {lane.phase}{percent}"]
    if lane.speed:
        parts.append(f"{lane.speed:.1f}×")
    if lane.left_seconds is not None:
        parts.append(f"{clock(lane.left_seconds)} left")
    parts.append(spec(task.spec) if lane.attempt == 1 else f"attempt {lane.attempt}")
    cost = lane.cost_so_far(now)
    if cost.amount:  # the first report has no time behind it yet
        parts.append(f"≈ {money(cost)}")
    return ", ".join(parts)
