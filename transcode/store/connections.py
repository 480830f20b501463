"""Connections that stay open between the blocks which use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio

Opened = TypeVar("Opened")


class SharedConnections:
    """What was opened, by what it was opened with."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._opened: dict[Hashable, Any] = {}
        self._one_at_a_time = anyio.Lock()

    async def opened(
        self, key: Hashable, open_: Callable[[], AbstractAsyncContextManager[Opened]]
    ) -> Opened:
        """That of *key*; opened if nobody has."""
        async with self._one_at_a_time:
            if key not in self._opened:
                self._opened[key] = await self._stack.enter_async_context(open_())
            found: Opened = self._opened[key]
            return found

    async def close(self) -> None:
        """All of them; whatever else ends."""
        with anyio.CancelScope(shield=True):
            await self._stack.aclose()


_NOW: ContextVar[SharedConnections | None] = ContextVar("kept", default=None)


def kept() -> SharedConnections | None:
    """That of the block we are in, if any."""
    return _NOW.get()


@asynccontextmanager
async def keep_open() -> AsyncIterator[None]:
    """
    Within the block each store is connected to once, whoever asks and how often.

    A job opens its stores a dozen times; each time anew, that took a fifth of the CPU
    time of a short one, and a handshake.
    """
    ours = SharedConnections()
    before = _NOW.set(ours)
    try:
        yield
    finally:
        _NOW.reset(before)
        await ours.close()
