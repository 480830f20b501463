"""Whether the store answers: asked once for all who want to know at a time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from ..errors import TranscodeError

_KEPT_SECONDS = 5.0
_PATIENCE_SECONDS = 5.0


@dataclass
class Health:
    """*look* asks the store; it writes, and so is not for everybody to repeat."""

    look: Callable[[], Awaitable[object]]
    clock: Callable[[], float] = time.monotonic
    _well: bool = False
    _until: float = float("-inf")
    _one_at_a_time: anyio.Lock = field(default_factory=anyio.Lock)

    async def ask(self) -> bool:
        """What was found within the last seconds."""
        if self.clock() < self._until:
            return self._well
        async with self._one_at_a_time:
            if self.clock() >= self._until:
                self._well = await self._look()
                self._until = self.clock() + _KEPT_SECONDS
        return self._well

    async def _look(self) -> bool:
        try:
            with anyio.fail_after(_PATIENCE_SECONDS):
                await self.look()
        except (TimeoutError, TranscodeError):
            return False
        return True
