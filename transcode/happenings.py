"""What a job tells of while it runs: to a progress bar, a log, a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .contract import Attempt, Manifest, Plan, Progress


@dataclass(frozen=True, slots=True)
class Planned:
    """The decision was taken; nothing has been spent yet."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Progressed:
    """A worker is this far."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt is over, well or badly, and was billed."""

    task_id: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Published:
    """Everything was verified and is visible."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """The destination held this job's manifest; nothing was done again."""

    manifest: Manifest


Event = Planned | Progressed | AttemptEnded | Published | AlreadyDone
Listener = Callable[[Event], None]
