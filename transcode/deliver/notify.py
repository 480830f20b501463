"""A result → everybody who is to be told; none of them can hold up another."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio

from ..contract.job import Envelope, Told
from ..errors import DestinationDown, DestinationRefused, TranscodeError
from .message import Notice, compose
from .senders import Senders
from .targets import Target

Send = Callable[[Target, Notice], Awaitable[None]]


"""One try: returns once they took it, raises `DeliveryError` otherwise."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one round goes on; whoever was not reached is for another round."""

    tries: int = 4
    first_seconds: float = 1.0
    """Doubled after each try; waited is half of it to all of it, at random."""
    longest_seconds: float = 20.0
    """Of one wait. A `Retry-After` beyond it ends the round."""
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    chance: Callable[[], float] = random.random
    """From 0 to 1."""


def told_digest(envelope_id: str, target: Target) -> str:
    """The name under which it is kept that *target* was told of this result."""
    return hashlib.sha256(f"{envelope_id}\n{target.text}".encode()).hexdigest()[:32]


async def tell(
    envelope: Envelope,
    targets: Sequence[Target],
    send: Send,
    *,
    patience: Patience = Patience(),
) -> tuple[Told, ...]:
    """
    Tell all of them at once, each with its own tries, and say what became of it, in
    the order of *targets*. Never raises for one that fails. At least once: a
    destination whose answer was lost is told again, under the same id.
    """
    told: list[Told | None] = [None] * len(targets)

    async def one(place: int) -> None:
        told[place] = await _Round(envelope, targets[place], send, patience).told()

    async with anyio.create_task_group() as group:
        for place in range(len(targets)):
            group.start_soon(one, place)
    return tuple(outcome for outcome in told if outcome is not None)


@dataclass(slots=True)
class _Round:
    """The tries with one destination."""

    envelope: Envelope
    target: Target
    send: Send
    patience: Patience
    tries: int = 0
    linked: bool = False

    async def told(self) -> Told:
        error: TranscodeError | None
        while True:
            error = await self._try()
            if error is None:
                break
            if error.evidence.get("too_large") and not self.linked:
                self.linked = True
                continue
            wait = self._wait(error)
            if wait is None:
                break
            await self.patience.sleep(wait)
        return Told(
            envelope_id=self.envelope.id,
            digest=told_digest(self.envelope.id, self.target),
            target=self.target.name,
            ok=error is None,
            tries=self.tries,
            linked=self.linked,
            error=error.describe() if error else None,
        )

    async def _try(self) -> TranscodeError | None:
        try:
            notice = compose(self.envelope, self.target, link=self.linked)
            self.linked = notice.linked
            self.tries += 1
            await self.send(self.target, notice)
        except TranscodeError as exc:
            return exc
        except Exception as exc:  # noqa: BLE001 - one destination's edge; told below
            # Not its words: they may quote an address or a key.
            return DestinationRefused(
                f"{self.target.name} could not be told: {type(exc).__name__}.",
                destination=self.target.name,
            )
        return None

    def _wait(self, error: TranscodeError) -> float | None:
        """Seconds until the next try; None where there is none in this round."""
        if not isinstance(error, DestinationDown) or self.tries >= self.patience.tries:
            return None
        longest = self.patience.longest_seconds
        asked = error.evidence.get("retry_after_seconds") or 0.0
        if asked > longest:
            return None
        usual = min(longest, self.patience.first_seconds * 2.0 ** (self.tries - 1))
        return float(max(asked, usual * (0.5 + self.patience.chance() / 2)))


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
