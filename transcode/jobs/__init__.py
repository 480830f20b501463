"""
State of jobs without a database: who works on what, and how it ended.

    standing(history) says what may happen next · Repository reads and writes it ·
    hold() keeps a claim alive while somebody works

Every step is an object created once in the store; any of them may be repeated, late,
or the last thing a process did.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it, without the price of `typing`
if TYPE_CHECKING:
    from typing import Any

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


def __getattr__(name: str) -> Any:
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - not before it is needed

    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
