"""
State of jobs without a database: who works on what, and how it ended.

    standing(history) says what may happen next · Book reads and writes it ·
    hold() keeps a claim alive while somebody works

Every step is an object created once in the store; any of them may be repeated, late,
or the last thing a process did.
"""

from __future__ import annotations

from .lease import confirm, hold
from .repository import Book, told_of
from .state import (
    Busy,
    Done,
    Exhausted,
    Free,
    History,
    Over,
    Standing,
    TryLimits,
    Waiting,
    report,
    standing,
)

__all__ = [
    "Book",
    "Busy",
    "Done",
    "Exhausted",
    "Free",
    "History",
    "Over",
    "Standing",
    "TryLimits",
    "Waiting",
    "confirm",
    "hold",
    "report",
    "standing",
    "told_of",
]
