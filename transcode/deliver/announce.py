"""Who is told of successes and failures, remembered by what was told before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from ..record import Envelope, Told
from .senders import Senders
from .targets import Target
from .tell import Patience, tell, told_digest


class Announcer:
    """
    Tells *on_success* of results and *on_failure* of the rest; *heard* gets what
    became of each. Connections are closed with the block.
    """

    def __init__(
        self,
        senders: Senders,
        *,
        on_success: Sequence[Target] = (),
        on_failure: Sequence[Target] = (),
        patience: Patience | None = None,
        heard: Callable[[Told], None] = lambda _told: None,
    ) -> None:
        self._senders = senders
        self._on_success = tuple(on_success)
        self._on_failure = tuple(on_failure)
        self._patience = patience or Patience()
        self._heard = heard
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._senders)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def tell(
        self, envelope: Envelope, *, known: frozenset[str]
    ) -> tuple[Sequence[str], bool]:
        """
        Tell all destinations but those *known* to be told, by their digests.

        Returns who has been told now, and whether that is everybody. One that
        refuses is not: it is asked again until it is mended or taken out of the
        settings.
        """
        succeeded = envelope.status == "succeeded"
        targets = [
            target
            for target in (self._on_success if succeeded else self._on_failure)
            if told_digest(envelope.id, target) not in known
        ]
        told = await tell(
            envelope, targets, self._senders.send, patience=self._patience
        )
        for each in told:
            self._heard(each)
        return [one.digest for one in told if one.ok], all(one.ok for one in told)
