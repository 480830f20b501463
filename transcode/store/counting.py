"""Requests to stores, counted as they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ..contract import StoreRequests

__all__ = ["Tally", "count", "counting"]

_READS = ("Get", "Head")
_FREE = ("Delete", "Abort")


@dataclass(slots=True)
class Tally:
    """What was asked since the block began."""

    puts: int = 0
    gets: int = 0

    def __bool__(self) -> bool:
        return bool(self.puts or self.gets)

    def also(self, puts: int, gets: int) -> StoreRequests:
        """With some that are not sent here, or not yet."""
        return StoreRequests(puts=self.puts + puts, gets=self.gets + gets, counted=True)


_TALLIES: ContextVar[tuple[Tally, ...]] = ContextVar("tallies", default=())


@contextmanager
def counting() -> Iterator[Tally]:
    """
    Count what the block asks of any store, and what tasks ask that it starts.

    Repetitions count, as stores charge them. In a folder nothing is asked.
    """
    tally = Tally()
    token = _TALLIES.set((*_TALLIES.get(), tally))
    try:
        yield tally
    finally:
        _TALLIES.reset(token)


def count(operation: str) -> None:
    """
    One request, by the name that S3 gives it.

    Deleting, and aborting an upload, cost nothing on S3; LIST costs as much as PUT.
    """
    if operation.startswith(_FREE):
        return
    reads = operation.startswith(_READS)
    for tally in _TALLIES.get():
        if reads:
            tally.gets += 1
        else:
            tally.puts += 1
