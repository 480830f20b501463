"""
State of jobs without a database: who works on what, and how it ended.

    standing(history) says what may happen next · Repository reads and writes it ·
    hold() keeps a claim alive while somebody works

Every step is an object created once in the store; any of them may be repeated, late,
or the last thing a process did.
"""

from __future__ import annotations

from .lease import confirm, keep_lease
from .repository import JobRepository, told_of
from .state import (
    Busy,
    Done,
    Exhausted,
    Free,
    History,
    JobState,
    Over,
    TryLimits,
    Waiting,
    job_state,
    report,
)

__all__ = [
    "Busy",
    "Done",
    "Exhausted",
    "Free",
    "History",
    "JobRepository",
    "JobState",
    "Over",
    "TryLimits",
    "Waiting",
    "confirm",
    "job_state",
    "keep_lease",
    "report",
    "told_of",
]
