"""Telling of results beside the work: nobody who does not answer holds up an upload."""

from __future__ import annotations

import heapq
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from ..contract.job import Delivery
from ..hooks import Listener, Troubled, Undelivered
from ..retry import RetryPolicy
from .documents import as_ours

AT_ONCE = 8
"""Results that are told of side by side; each destination has its own tries."""
_AGAIN = RetryPolicy(
    30,
    backoff_coefficient=5,
    maximum_interval_seconds=3600,
    jitter=(0.75, 1.25),
)
"""Between rounds for one result."""

Tell = Callable[[str], Awaitable[tuple[bool, tuple[Delivery, ...]]]]
"""Tells of a job whoever was not told; whether that is everybody now, and who not."""


@dataclass
class Deliveries:
    """
    Results that somebody is still to be told of: tried again, ever more rarely.

    Only ids are kept, so that a destination that is down for a day costs a few bytes
    for each result. What is not told when we end is found by whoever looks next, since
    its job is open until then.
    """

    tell: Tell
    listen: Listener
    at_once: int = AT_ONCE
    _due: list[tuple[float, int, str]] = field(default_factory=list)
    _failures: dict[str, int] = field(default_factory=dict)
    """Of every result that is to be told of: rounds that did not reach everybody."""
    _busy: set[str] = field(default_factory=set)
    _count: int = 0
    _news: anyio.Condition = field(default_factory=anyio.Condition)

    def __len__(self) -> int:
        return len(self._failures)

    def knows(self, job: str) -> bool:
        """Whether somebody is still to be told of *job*, by us."""
        return job in self._failures

    async def add(self, job: str) -> None:
        """Have the result of *job* told; at once, unless it is being tried already."""
        async with self._news:
            if job not in self._failures:
                self._failures[job] = 0
                self._push(job, anyio.current_time())
                self._news.notify()

    async def once(self) -> None:
        """Wait until every result has had a round; what it did not reach is left."""
        async with self._news:
            while self._busy or any(n == 0 for n in self._failures.values()):
                await self._news.wait()

    async def work(self) -> None:
        """For ever."""
        async with anyio.create_task_group() as group:
            for _ in range(self.at_once):
                group.start_soon(self._work_next)

    async def _work_next(self) -> None:
        while True:
            job = await self._next()
            pause = None
            try:
                everybody, missed = await self.tell(job)
                if not everybody:
                    pause = self._later(job)
                    for told in missed:
                        self.listen(Undelivered(job, told, pause))
            except Exception as exc:  # noqa: BLE001 - one result must not end the others
                pause = self._later(job)
                self.listen(Troubled(as_ours(exc), pause))
            async with self._news:
                self._busy.discard(job)
                if pause is None:
                    self._failures.pop(job, None)
                else:
                    self._failures[job] += 1
                    self._push(job, anyio.current_time() + pause)
                self._news.notify_all()

    async def _next(self) -> str:
        async with self._news:
            while True:
                wait = self._due[0][0] - anyio.current_time() if self._due else None
                if wait is not None and wait <= 0:
                    job = heapq.heappop(self._due)[2]
                    self._busy.add(job)
                    return job
                with anyio.move_on_after(wait):
                    await self._news.wait()

    def _push(self, job: str, when: float) -> None:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, job))

    def _later(self, job: str) -> float:
        return _AGAIN.wait_seconds(self._failures[job] + 1, random.random())  # noqa: S311
