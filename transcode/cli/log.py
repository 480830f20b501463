"""What a service says while it runs: one line for each thing worth a look."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import click

from ..hooks import (
    AttemptEnded,
    Ended,
    Listener,
    Taken,
    TakenOver,
    Troubled,
    Undelivered,
    Unrecorded,
    Weaker,
)
from .show.job_reports import line

Format = Literal["text", "json"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line: when it was written, how much it matters, and of which job."""

    time: datetime
    level: Level
    job: str | None
    """Its id; None where no job is concerned."""
    message: str

    def text(self) -> str:
        """For a person: time in UTC, level, and what there is to say."""
        when = self.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{when} {self.level:7} {self.message}"

    def json(self) -> str:
        """For a machine: one object, the same facts by name."""
        when = self.time.astimezone(UTC).isoformat(timespec="milliseconds")
        facts = {"time": when, "level": self.level, "job": self.job}
        return json.dumps({**facts, "message": self.message}, ensure_ascii=False)


def entry(event: object, now: datetime) -> LogEntry | None:
    """What is said of *event*; None for what is too fine."""
    message = line(event)
    if message is None:
        return None
    return LogEntry(now, _level(event), _job(event), message)


def _level(event: object) -> Level:
    if isinstance(event, Ended):
        return "error" if event.report.status == "failed" else "info"
    trouble = (AttemptEnded, TakenOver, Troubled, Undelivered, Unrecorded, Weaker)
    return "warning" if isinstance(event, trouble) else "info"


def _job(event: object) -> str | None:
    if isinstance(event, Ended):
        return event.report.job_id
    if isinstance(event, Taken):
        return event.report.job_id if event.report else None
    if isinstance(event, Undelivered | TakenOver):
        return event.job_id
    if isinstance(event, AttemptEnded):
        return event.task_id.partition("-")[0]
    return None


def writing(form: Format) -> Listener:
    """A listener that writes to standard error, in lines of this form."""

    def write(event: object) -> None:
        said = entry(event, datetime.now(UTC))
        if said is not None:
            click.echo(said.json() if form == "json" else said.text(), err=True)

    return write


def announce(message: str, form: Format) -> None:
    """What a service says of itself: as it is, or as an entry for machines."""
    said = LogEntry(datetime.now(UTC), "info", None, message)
    click.echo(said.json() if form == "json" else message, err=True)


def warn_of_root(form: Format) -> None:
    """Where a service of ours has all rights of its machine."""
    if os.geteuid() == 0:
        message = (
            "running as root: make a user for it that may read the uploads, write the"
            " results and nothing else"
        )
        said = LogEntry(datetime.now(UTC), "warning", None, message)
        click.echo(said.json() if form == "json" else said.text(), err=True)
