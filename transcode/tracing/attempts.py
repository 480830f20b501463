"""What a span says of an attempt, wherever it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..contract import Attempt, Task
    from .spans import Attributes


def attempt_marks(task: Task, number: int) -> Attributes:
    """Before it: which try of what, and in which spec."""
    return {
        "transcode.task_id": task.task_id,
        "transcode.kind": task.kind,
        "transcode.attempt": number,
        "transcode.memory_mib": task.spec.memory_mib,
        "transcode.milli_cpus": task.spec.milli_cpus,
        "transcode.predicted_seconds": task.predicted.wall_seconds,
    }


def outcome_marks(attempt: Attempt) -> Attributes:
    """After it: how it ended, and what it cost."""
    measured = attempt.measured
    return {
        "transcode.outcome": attempt.outcome.value,
        "transcode.cost": str(attempt.cost.amount),
        "transcode.currency": attempt.cost.currency,
        "transcode.cpu_seconds": None if measured is None else measured.cpu_seconds,
        "transcode.peak_memory_bytes": (
            None if measured is None else measured.peak_memory_bytes
        ),
    }
