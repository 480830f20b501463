"""What happens, as it happens: one stream of server-sent events for each who looks."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from ..contract import Amount, Plan, Value
from ..contract.status import JobStatus
from ..errors import StoreDown
from ..hooks import (
    AttemptEnded,
    Ended,
    Event,
    Overdue,
    Planned,
    Progressed,
    Published,
    SampleBegun,
    Taken,
    TakenOver,
)
from .responses import HttpRefusal

_DIGITS = 12
"""Of the job's id, with which the ids of its tasks begin."""
_KEPT = 200
"""Plans and positions that are kept for who comes later."""
_BEHIND = 256
"""Events that a slow reader may be behind; then its stream ends, and it comes back."""
_READERS = 64
_BEAT_SECONDS = 15.0
_STREAM_SECONDS = 75.0
"""Less than any request may last here; the reader comes back by itself."""
_RETRY_MILLISECONDS = 1000


class LiveEvent(Value):
    """One event; which fields it has depends on its kind."""

    event: Literal[
        "taken", "planned", "progress", "overdue", "attempt", "published", "ended"
    ]
    job_id: str
    status: JobStatus | None = None
    """Of `taken` and `ended`."""
    source: str | None = None
    task_id: str | None = None
    phase: str | None = None
    done_seconds: float | None = None
    """Of the source's duration, in this phase."""
    total_seconds: float | None = None
    speed: float | None = None
    """Multiples of real time."""
    predicted_seconds: float | None = None
    outcome: str | None = None
    """Of an attempt."""
    amount: Amount | None = None
    """Of an attempt; of `planned` the prediction, of `published` the bill."""
    currency: str | None = None

    def line(self) -> bytes:
        body = self.model_dump_json(exclude_none=True)
        return f"event: {self.event}\ndata: {body}\n\n".encode()


@dataclass
class Live:
    """A listener that passes on what it hears to whoever subscribed."""

    plans: OrderedDict[str, Plan] = field(default_factory=OrderedDict)
    """By job, of those that were planned here."""
    _jobs: dict[str, str] = field(default_factory=dict)
    _latest: dict[str, LiveEvent] = field(default_factory=dict)
    """By task, of those that run."""
    _readers: set[MemoryObjectSendStream[LiveEvent]] = field(default_factory=set)
    _closed: bool = False

    def __call__(self, event: Event) -> None:
        found = self._event(event)
        if found is not None:
            self._keep(found)
            for reader in tuple(self._readers):
                try:
                    reader.send_nowait(found)
                except (anyio.WouldBlock, anyio.BrokenResourceError):
                    self._leave(reader)

    def close(self) -> None:
        """End every stream: the server does."""
        self._closed = True
        for reader in tuple(self._readers):
            self._leave(reader)

    def stream(self, job: str | None) -> AsyncIterator[bytes]:
        """Events of *job*, or of all; raises `HttpRefusal` where too many look."""
        if len(self._readers) >= _READERS or self._closed:
            error = StoreDown("Too many are looking; come back in a moment.")
            raise HttpRefusal(503, error)
        send, receive = anyio.create_memory_object_stream[LiveEvent](_BEHIND)
        self._readers.add(send)

        async def events() -> AsyncIterator[bytes]:
            try:
                yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
                for latest in tuple(self._latest.values()):
                    if job in (None, latest.job_id):
                        yield latest.line()
                until = anyio.current_time() + _STREAM_SECONDS
                while anyio.current_time() < until:
                    with anyio.move_on_after(_BEAT_SECONDS) as waited:
                        found = await receive.receive()
                        if job in (None, found.job_id):
                            yield found.line()
                    if waited.cancelled_caught:
                        yield b": still here\n\n"
            except anyio.EndOfStream:
                return
            finally:
                self._leave(send)
                receive.close()

        return events()

    def _leave(self, reader: MemoryObjectSendStream[LiveEvent]) -> None:
        self._readers.discard(reader)
        reader.close()

    def _keep(self, found: LiveEvent) -> None:
        task = found.task_id
        if found.event == "progress" and task is not None:
            self._latest[task] = found
        elif found.event == "attempt" and task is not None:
            self._latest.pop(task, None)
        elif found.event in ("published", "ended"):
            ended = [t for t, it in self._latest.items() if it.job_id == found.job_id]
            for one in ended:
                del self._latest[one]

    def _plan(self, plan: Plan) -> None:
        self._jobs[plan.job_id[:_DIGITS]] = plan.job_id
        self.plans[plan.job_id] = plan
        self.plans.move_to_end(plan.job_id)
        if len(self.plans) > _KEPT:
            gone, _ = self.plans.popitem(last=False)
            self._jobs.pop(gone[:_DIGITS], None)

    def _job(self, task_id: str) -> str:
        return self._jobs.get(task_id[:_DIGITS], task_id[:_DIGITS])

    def _event(self, event: Event) -> LiveEvent | None:  # noqa: PLR0911 - one each
        match event:
            case Taken(report=report) if report is not None and event.new:
                return LiveEvent(
                    event="taken",
                    job_id=report.job_id,
                    status=report.status,
                    source=event.uri,
                )
            case Planned(plan=plan) | SampleBegun(plan=plan):
                self._plan(plan)
                return LiveEvent(
                    event="planned",
                    job_id=plan.job_id,
                    predicted_seconds=plan.predicted.wall_seconds,
                    amount=plan.predicted_cost.amount,
                    currency=plan.predicted_cost.currency,
                )
            case Progressed(progress=it):
                return LiveEvent(
                    event="progress",
                    job_id=self._job(it.task_id),
                    task_id=it.task_id,
                    phase=it.phase,
                    done_seconds=_finite(it.done_seconds),
                    total_seconds=_finite(it.total_seconds),
                    speed=_finite(it.speed),
                )
            case Overdue():
                return LiveEvent(
                    event="overdue",
                    job_id=self._job(event.task_id),
                    task_id=event.task_id,
                    predicted_seconds=event.predicted_seconds,
                )
            case AttemptEnded(attempt=attempt):
                return LiveEvent(
                    event="attempt",
                    job_id=self._job(event.task_id),
                    task_id=event.task_id,
                    outcome=attempt.outcome.value,
                    amount=attempt.cost.amount,
                    currency=attempt.cost.currency,
                )
            case Published(manifest=manifest):
                return LiveEvent(
                    event="published",
                    job_id=manifest.job_id,
                    amount=manifest.cost.amount,
                    currency=manifest.cost.currency,
                )
            case Ended(report=report):
                return LiveEvent(
                    event="ended", job_id=report.job_id, status=report.status
                )
            case TakenOver(job_id=job):
                return LiveEvent(event="taken", job_id=job)
            case _:
                return None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
