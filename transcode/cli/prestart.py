"""
What is started before this process imports what it needs itself.

A short job is mostly three processes that import: this one, the one that looks at the
source, and the worker. The first takes longest, so the others begin before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..invoke.local import prestart as working
from ..probe import prestart as looking

_LOOKS = frozenset({"run", "plan", "probe"})
_WORKS = frozenset({"run"})
_ASKS = frozenset({"-h", "--help"})
_LASTS = frozenset({"serve", "watch"})


def begin(argv: Sequence[str]) -> None:
    """Start what the command will need, unless it only asks for help."""
    if not argv or _ASKS & {*argv}:
        return
    if argv[0] in _LOOKS:
        looking.begin()
    if argv[0] in _WORKS:
        working.begin()


def is_lasting(argv: Sequence[str]) -> bool:
    """Whether the command goes on until somebody ends it."""
    return bool(argv) and argv[0] in _LASTS


def abandon() -> None:
    """End what was not needed after all."""
    looking.abandon()
    working.abandon()
