"""A result → everybody who is to be told; none of them can hold up another."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio

from ..contract.job import Delivery, Envelope
from ..errors import DestinationDown, DestinationRefused, TranscodeError
from ..retry import RetryPolicy
from .message import Notice, compose
from .senders import Senders
from .targets import Target

Send = Callable[[Target, Notice], Awaitable[None]]


"""One try: returns once they took it, raises `DeliveryError` otherwise."""


ROUND = RetryPolicy(
    1, maximum_interval_seconds=20, maximum_attempts=4, jitter=(0.5, 1.0)
)
"""One round; whoever was not reached is for another. A `Retry-After` beyond the longest
interval ends it."""


@dataclass(frozen=True, slots=True)
class RetryClock:
    """How it is waited; another in tests."""

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
    policy: RetryPolicy = ROUND,
    clock: RetryClock = RetryClock(),
) -> tuple[Delivery, ...]:
    """
    Tell all of them at once, each with its own tries, and say what became of it, in
    the order of *targets*. Never raises for one that fails. At least once: a
    destination whose answer was lost is told again, under the same id.
    """
    told: list[Delivery | None] = [None] * len(targets)

    async def one(place: int) -> None:
        told[place] = await _Round(envelope, targets[place], send, policy, clock).told()

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
    policy: RetryPolicy
    clock: RetryClock
    tries: int = 0
    linked: bool = False

    async def told(self) -> Delivery:
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
            await self.clock.sleep(wait)
        return Delivery(
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
        if not isinstance(error, DestinationDown) or self.policy.exhausted(self.tries):
            return None
        asked = error.evidence.get("retry_after_seconds") or 0.0
        if asked > self.policy.maximum_interval_seconds:
            return None
        usual = self.policy.wait_seconds(self.tries, self.clock.chance())
        return float(max(asked, usual))


class Announcer:
    """
    Tells *on_success* of results and *on_failure* of the rest; *heard* gets what
    became of each. Connections are closed with the block.

    A destination that was down for a whole round is left alone for *resting_seconds*,
    the first time for the first of them: those who answer do not wait for it.
    """

    def __init__(  # noqa: PLR0913 - whom, how patiently, and who hears of it
        self,
        senders: Senders,
        *,
        on_success: Sequence[Target] = (),
        on_failure: Sequence[Target] = (),
        clock: RetryClock | None = None,
        resting_seconds: Sequence[float] = (),
        heard: Callable[[Delivery], None] = lambda _told: None,
    ) -> None:
        self._senders = senders
        self._on_success = tuple(on_success)
        self._on_failure = tuple(on_failure)
        self._clock = clock or RetryClock()
        self._heard = heard
        self._resting_seconds = tuple(resting_seconds)
        self._down: dict[str, int] = {}
        self._until: dict[str, float] = {}
        self._said: dict[str, dict[str, Delivery]] = {}
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
        now = anyio.current_time()
        due = [one for one in targets if self._until.get(one.text, now) <= now]
        told = await tell(envelope, due, self._senders.send, clock=self._clock)
        for target, each in zip(due, told, strict=True):
            self._heard(each)
            self._rest(target, each)
        self._said[envelope.id] = {one.digest: one for one in told}
        everybody = len(due) == len(targets) and all(one.ok for one in told)
        return [one.digest for one in told if one.ok], everybody

    def said(self, envelope_id: str) -> Mapping[str, Delivery]:
        """What became of each destination in the last round for this result; once."""
        return self._said.pop(envelope_id, {})

    def _rest(self, target: Target, told: Delivery) -> None:
        down = not told.ok and told.error is not None and told.error.retryable
        if not down or not self._resting_seconds:
            self._down.pop(target.text, None)
            self._until.pop(target.text, None)
            return
        times = self._down.get(target.text, 0)
        self._down[target.text] = times + 1
        pause = self._resting_seconds[min(times, len(self._resting_seconds) - 1)]
        self._until[target.text] = anyio.current_time() + pause
