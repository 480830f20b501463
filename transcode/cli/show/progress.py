"""What a running job shows on stderr: a live bar, plain lines, or nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

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
from ...units import one_line
from .progress_state import (
    Board,
    Clock,
    Lane,
    attempt_line,
    overdue_line,
    planned_line,
    progress_line,
    sample_line,
)

LINE_SECONDS = 5.0


LINE_PERCENT = 10


SILENT_SECONDS = 60.0


"""Build systems end what says nothing for minutes."""


class ProgressText:
    """Plain lines for a pipe or a log: never more than one in five seconds a task."""

    def __init__(self, out: TextIO, now: Clock, *, several: bool = False) -> None:
        self._out = out
        self._now = now
        self._board = Board(now, several=several)
        self._said: dict[str, tuple[float, str, float]] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Planned():
                self._board.plan(event.plan)
                whose = self._board.whose(event.plan.source.uri)
                self._say(whose + planned_line(event.plan))
                for warning in event.plan.warnings:
                    self._say(f"{whose}warning: {warning}")
            case SampleBegun():
                self._board.plan(event.plan)
                whose = self._board.whose(event.plan.source.uri)
                self._say(whose + sample_line(event.plan))
            case Progressed():
                lane = self._board.progress(event.progress)
                if lane is not None and self._is_due(lane):
                    name = self._board.name(event.progress.task_id)
                    self._say(progress_line(name, lane, self._now()))
            case Overdue():
                self._say(overdue_line(self._board.name(event.task_id), event))
            case AttemptEnded():
                self._board.attempt(event.task_id, event.attempt)
                self._said.pop(event.task_id, None)
                self._say(attempt_line(self._board.name(event.task_id), event.attempt))
            case Published():
                whose = self._board.whose(event.manifest.source.uri)
                self._say(f"{whose}published: every output was verified")
            case AlreadyDone():
                whose = self._board.whose(event.manifest.source.uri)
                self._say(
                    f"{whose}already done: the destination holds this very job's result"
                )

    def _is_due(self, lane: Lane) -> bool:
        now, percent = self._now(), lane.percent or 0.0
        key = lane.planned.task.task_id
        at, phase, before = self._said.get(key, (-SILENT_SECONDS, "", 0.0))
        waited = now - at
        further = percent - before >= LINE_PERCENT or phase != lane.phase
        due = waited >= SILENT_SECONDS or (waited >= LINE_SECONDS and further)
        if due:
            self._said[key] = (now, lane.phase, percent)
        return due

    def _say(self, text: str) -> None:
        # `transcode run … 2>&1 | head`: a display never ends a job.
        with contextlib.suppress(BrokenPipeError):
            self._out.write(f"{one_line(text)}\n")
            self._out.flush()


@contextmanager
def watching(
    *,
    quiet: bool,
    several: bool = False,
    out: TextIO | None = None,
    now: Clock = time.monotonic,
) -> Iterator[Callable[[Event], None]]:
    """
    A listener that shows a job's events on stderr for as long as the block lasts.

    A live bar where stderr is a terminal, plain lines where it is not, nothing when
    *quiet*; of *several* sources each line says which it is about. Afterwards the
    terminal is as it was, whatever happened.
    """
    out = sys.stderr if out is None else out
    if quiet:
        yield lambda _event: None
    elif out.isatty():
        from .bars import bars  # noqa: PLC0415 - rich is for terminals only

        with bars(out, now, several=several) as show:
            yield show
    else:
        yield ProgressText(out, now, several=several)
