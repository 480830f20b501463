"""The live bar: one line a task, redrawn in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from ...contract import OutcomeKind, Plan
from ...contract.task import PARTS
from ...hooks import (
    AlreadyDone,
    AttemptEnded,
    Event,
    Overdue,
    Planned,
    Progressed,
    Published,
    SampleBegun,
)
from ...units import clock, money, one_line, spec
from .progress_state import (
    Board,
    Clock,
    Lane,
    attempt_line,
    overdue_line,
    planned_line,
    sample_line,
)

_WIDE = 100
"""Columns from which there is room for the spec, which the plan's line has said."""
_LEAST = {"percent": 5, "left": 5, "speed": 5, "spec": None, "cost": 15}
"""Columns that each takes, whatever it says: the bar would jump with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """The texts of one line, in the order in which they stand."""

    phase: str
    percent: str
    left: str
    speed: str
    spec: str
    cost: str


class Bars:
    """Draws every task's lane, and says above them what is worth keeping."""

    def __init__(self, bars: Progress, now: Clock, *, several: bool = False) -> None:
        self._bars = bars
        self._wide = bars.console.width >= _WIDE
        self._board = Board(now, several=several)
        self._now = now
        self._ids: dict[str, TaskID] = {}
        self._moving: set[str] = set()
        """Of which a share was drawn."""

    def __call__(self, event: Event) -> None:
        match event:
            case Planned():
                self._board.plan(event.plan)
                whose = self._board.whose(event.plan.source.uri)
                self._say(whose + planned_line(event.plan))
                for warning in event.plan.warnings:
                    self._say(f"{whose}warning: {warning}")
                self._add(event.plan)
            case SampleBegun():
                self._board.plan(event.plan)
                whose = self._board.whose(event.plan.source.uri)
                self._say(whose + sample_line(event.plan))
                self._add(event.plan)
            case Progressed():
                self._draw(event.progress.task_id, self._board.progress(event.progress))
            case Overdue():
                self._say(overdue_line(self._board.name(event.task_id), event))
            case AttemptEnded():
                ended = self._board.attempt(event.task_id, event.attempt)
                if event.attempt.outcome is not OutcomeKind.SUCCEEDED:
                    name = self._board.name(event.task_id)
                    self._say(attempt_line(name, event.attempt))
                self._draw(event.task_id, ended)
            case Published():
                whose = self._board.whose(event.manifest.source.uri)
                self._say(f"{whose}published: every output was verified")
            case AlreadyDone():
                whose = self._board.whose(event.manifest.source.uri)
                self._say(
                    f"{whose}already done: the destination holds this very job's result"
                )

    def _add(self, plan: Plan) -> None:
        # Of many tasks those are shown that run.
        if len(plan.tasks) == 1:
            self._show(plan.tasks[0].task.task_id)

    def _show(self, task_id: str) -> None:
        row = self._row(self._board.lanes[task_id])
        self._ids[task_id] = self._bars.add_task("", total=None, row=row)

    def _draw(self, task_id: str, lane: Lane | None) -> None:
        if lane is None:
            return
        if task_id not in self._ids:
            self._show(task_id)
        percent = lane.percent
        # The first is drawn at once: a quarter of a second later it may be a third.
        first = percent is not None and task_id not in self._moving
        if first:
            self._moving.add(task_id)
        # Of many, those are shown that run.
        many = self._board.several or lane.planned.task.kind in PARTS
        self._bars.update(
            self._ids[task_id],
            visible=not (many and lane.ended is OutcomeKind.SUCCEEDED),
            total=None if percent is None else 100,
            completed=percent or 0,
            row=self._row(lane),
            refresh=first,
        )

    def _row(self, lane: Lane) -> Row:
        over = lane.ended is not None
        phase = lane.phase or "starting"
        if lane.ended is not None:
            done = lane.ended is OutcomeKind.SUCCEEDED
            phase = "done" if done else lane.ended.value.replace("_", " ")
        percent = lane.percent
        again = f" (attempt {lane.attempt})" if lane.attempt > 1 else ""
        # The only task of the only source: its phase says all of it.
        alone = len(self._board.lanes) == 1 and not self._board.several
        name = "" if alone else f"{self._board.name(lane.planned.task.task_id)} "
        return Row(
            phase=name + phase + again,
            percent="" if percent is None else f"{percent:3.0f} %",
            left="" if over else clock(lane.left_seconds),
            speed=f"{lane.speed:.1f}×" if lane.speed else "",
            # What a second attempt was given is told when it is over.
            spec=spec(lane.planned.task.spec) if self._wide and not again else "",
            cost=("" if over else "≈ ") + money(lane.cost_so_far(self._now())),
        )

    def _say(self, text: str) -> None:
        self._bars.console.print(escape(one_line(text)), highlight=False)


@contextmanager
def bars(
    out: TextIO, now: Clock, *, several: bool = False
) -> Iterator[Callable[[Event], None]]:
    """A listener that draws on the terminal *out*; the cursor is always given back."""
    console = Console(file=out)
    columns = (
        _column("phase"),
        BarColumn(bar_width=None),
        *(_column(name, least) for name, least in _LEAST.items()),
    )
    with Progress(
        *columns, console=console, expand=True, refresh_per_second=4
    ) as drawn:
        yield Bars(drawn, now, several=several)


def _column(name: str, least: int | None = None) -> TextColumn:
    # One line a task, whatever the width: a bar that wraps cannot be redrawn in place.
    column = Column(no_wrap=True, overflow="ellipsis", min_width=least)
    return TextColumn(f"{{task.fields[row].{name}}}", markup=False, table_column=column)
