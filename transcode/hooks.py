"""What a job tells of while it runs: to a progress bar, a log, a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .contract import Attempt, Manifest, Plan, Progress
from .errors import TranscodeError

if TYPE_CHECKING:
    from .contract.job import Delivery, JobReport


@dataclass(frozen=True, slots=True)
class Planned:
    """The decision was taken; nothing has been spent yet."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class SampleBegun:
    """A little of the source is encoded first; the plan proper follows."""

    plan: Plan
    """Of the sample alone."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """A worker is this far."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Overdue:
    """An attempt runs longer than was said with nine times out of ten."""

    task_id: str
    number: int
    predicted_seconds: float
    high_seconds: float
    """The upper end of the predicted interval, which is now."""


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


@dataclass(frozen=True, slots=True)
class Taken:
    """An upload was looked at."""

    uri: str
    report: JobReport | None
    """The job it is, new or known before; None where it became none."""
    new: bool
    ignored: str | None
    """Why it became no job; a clause or a sentence."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A worker that was not heard of any more has lost this job to us."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A job was worked on or looked at, and stands like this now."""

    report: JobReport


@dataclass(frozen=True, slots=True)
class Troubled:
    """Something did not work that is tried again by itself."""

    error: TranscodeError
    seconds: float
    """Until then."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A result stands, and a destination was not told of it in this round."""

    job_id: str
    told: Delivery
    seconds: float
    """Until the next round."""


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """The result stands, but its cost could not be entered into the ledger."""

    error: TranscodeError


@dataclass(frozen=True, slots=True)
class Weaker:
    """The store cannot refuse to create what exists: less is promised."""

    uri: str


Event = (
    Planned
    | SampleBegun
    | Progressed
    | Overdue
    | AttemptEnded
    | Published
    | AlreadyDone
    | Taken
    | TakenOver
    | Ended
    | Troubled
    | Undelivered
    | Unrecorded
    | Weaker
)
Listener = Callable[[Event], None]
