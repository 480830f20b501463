"""How a job ended, as its manifest says it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ..contract import OutcomeKind, TaskResult
from ..errors import Cancelled, TranscodeError
from .manifest import Ending, Status

__all__ = ["ending_of", "has_succeeded", "status_of", "was_cancelled"]


def status_of(error: TranscodeError) -> Status:
    if isinstance(error, Cancelled):
        return "cancelled"
    return "rejected" if error.outcome is OutcomeKind.REJECTED else "failed"


def ending_of(status: Status, started: float) -> Ending:
    return Ending(
        status=status,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        wall_seconds=time.monotonic() - started,
    )


def has_succeeded(result: TaskResult) -> bool:
    """Its last attempt did."""
    return result.attempts[-1].outcome is OutcomeKind.SUCCEEDED


def was_cancelled(result: TaskResult) -> bool:
    """Its last attempt was."""
    return result.attempts[-1].outcome is OutcomeKind.CANCELLED
