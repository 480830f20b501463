"""
State of jobs without a database: who works on what, and how it ended.

    job_state(history) says what may happen next · JobRepository reads and writes it ·
    keep_lease() keeps a lease alive while somebody works

Every step is an object created once in the store; any of them may be repeated, late,
or the last thing a process did.
"""

from __future__ import annotations

from ..lazy import exports

TYPE_CHECKING = False  # as type checkers know it, without the price of `typing`
if TYPE_CHECKING:
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

_HOMES = {
    "lease": (
        "confirm",
        "keep_lease",
    ),
    "repository": (
        "JobRepository",
        "told_of",
    ),
    "state": (
        "Busy",
        "Done",
        "Exhausted",
        "Free",
        "History",
        "JobState",
        "Over",
        "TryLimits",
        "Waiting",
        "job_state",
        "report",
    ),
}
"""Module → what of it is imported from here, when it is first asked for."""

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


__getattr__, __dir__ = exports(__name__, _HOMES)
