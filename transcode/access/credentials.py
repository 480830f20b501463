"""Keys to the platform that belong to one call, and to no process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """As a platform lends them to a function, for about a day."""

    access: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


_LENT: ContextVar[Credentials | None] = ContextVar("credentials", default=None)


def credentials() -> Credentials | None:
    """Those of the call we are in; None: the standard chain of AWS finds some."""
    return _LENT.get()


@contextmanager
def lent(keys: Credentials | None) -> Iterator[None]:
    """
    Within the block S3 is opened, and functions are started, with *keys*, where there
    are any.

    Not through the environment: that is one for all calls of a process, and every
    process that it starts inherits it.
    """
    before = _LENT.set(keys)
    try:
        yield
    finally:
        _LENT.reset(before)
