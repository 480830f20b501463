"""One attempt while it lasts, and what is left of it: outcome, usage, cost."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from ...contract import (
    Attempt,
    Failure,
    Money,
    OutcomeKind,
    Produced,
    Task,
    Usage,
)
from ...errors import (
    BudgetSpent,
    Cancelled,
    OutOfMemory,
    OutOfTime,
    TranscodeError,
    WorkerLost,
)
from ...platforms.platform import Platform
from ...platforms.price import bill, billed_milliseconds, longest_seconds
from ...settings import Settings
from ..observer import AttemptObserver
from ..wire import StagedOrder
from .limits import MIB
from .process import Worker

_SAMPLE_SECONDS = 0.05
_STOPPING_SECONDS = 0.5
"""From the decision to stop until nothing runs any more, on a busy machine: it is
paid for, and so it comes before the end of the money."""


@dataclass(frozen=True, slots=True)
class Limit:
    """When an attempt is stopped."""

    seconds: float | None
    by_budget: bool
    """The money ends before the spec's own time does."""


@dataclass(slots=True)
class Run:
    """An attempt between its admission and its `Attempt`."""

    task: Task
    number: int
    staging: Path
    scratch: Path
    worker: Worker
    enforced_by: Mapping[str, str]
    over: bool = False
    """It came to an end by itself or by its limits, and was not cancelled."""
    report: Produced | None = None
    """The worker's, where its word is the outcome."""
    _out_of_memory: bool = False
    _out_of_time: bool = False
    _out_of_budget: bool = False
    _peak_bytes: int = 0
    _cpu_before: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    def limit(self, platform: Platform) -> Limit:
        """The first of the spec's time limit and where the money ends."""
        spec, spend = self.task.spec, self.task.spend_limit
        own = spec.time_limit_seconds
        if spend is None:
            return Limit(own, by_budget=False)
        asked = self.task.predicted.store
        paid = longest_seconds(platform, spec, spend.amount, store=asked)
        if paid is None or paid - _STOPPING_SECONDS >= (own or math.inf):
            return Limit(own, by_budget=False)
        return Limit(max(paid - _STOPPING_SECONDS, 0.0), by_budget=True)

    async def perform(
        self,
        settings: Settings,
        *,
        limit: Limit,
        observer: AttemptObserver,
    ) -> None:
        """Give the order and watch until it is over, for whatever reason."""
        order = StagedOrder(
            task=self.task,
            staging=str(self.staging),
            scratch=str(self.scratch),
            settings=settings.for_workers(),
        )
        self._cpu_before = self.worker.box.read().cpu_seconds
        self._started = time.monotonic()
        with anyio.move_on_after(limit.seconds) as clock:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch)
                group.start_soon(self._mind, observer)
                await self.worker.converse(order, on_progress=observer.progressed)
                group.cancel_scope.cancel()
        self._out_of_time = clock.cancelled_caught and not limit.by_budget
        self._out_of_budget = clock.cancelled_caught and limit.by_budget
        self.over = True

    async def close(self, platform: Platform) -> Attempt:
        """End what is left, weigh it, and leave files only of what succeeded."""
        await self.worker.stop()
        ended = time.monotonic()
        usage = await self._usage(platform, wall_seconds=ended - self._started)
        cost = bill(platform, self.task.spec, usage).total
        outcome, failure = self._judge(usage, cost)
        await self.worker.discard()
        await anyio.to_thread.run_sync(_remove, self.scratch)
        if outcome is not OutcomeKind.SUCCEEDED:
            await anyio.to_thread.run_sync(_remove, self.staging)
        return Attempt(
            number=self.number,
            spec=self.task.spec,
            predicted=self.task.predicted,
            predicted_wall=self.task.predicted_wall,
            measured=usage,
            cost=cost,
            outcome=outcome,
            enforced_by=self.enforced_by,
            failure=failure,
            notes=() if self.report is None else self.report.notes,
            sampled=None if self.report is None else self.report.sampled,
            indexed=None if self.report is None else self.report.indexed,
        )

    async def _mind(self, observer: AttemptObserver) -> None:
        await anyio.sleep(self.task.predicted_wall.high)
        observer.overdue()

    async def _watch(self) -> None:
        while True:
            self._sample()
            if self._out_of_memory:
                await self.worker.kill()
                return
            await anyio.sleep(_SAMPLE_SECONDS)

    def _sample(self) -> float:
        reading = self.worker.box.read()
        self._peak_bytes = max(self._peak_bytes, reading.anonymous_bytes)
        self._out_of_memory = self._out_of_memory or reading.out_of_memory
        return reading.cpu_seconds

    async def _usage(self, platform: Platform, *, wall_seconds: float) -> Usage:
        cpu_seconds = self._sample() - self._cpu_before
        moved = self.worker.box.tree.moved_bytes() or (None, None)
        told = self.worker.produced
        if self._out_of_memory:
            # What killed it came between two samples: it needed all of its spec.
            self._peak_bytes = max(self._peak_bytes, self.task.spec.memory_mib * MIB)
        return Usage(
            wall_seconds=wall_seconds,
            billed_milliseconds=billed_milliseconds(platform, wall_seconds),
            cpu_seconds=cpu_seconds,
            peak_memory_bytes=self._peak_bytes or None,
            scratch_bytes=await anyio.to_thread.run_sync(
                lambda: _size(self.scratch) + _size(self.staging)
            ),
            read_bytes=_first(None if told is None else told.read_bytes, moved[0]),
            written_bytes=_first(
                None if told is None else told.written_bytes, moved[1]
            ),
        )

    def _judge(self, usage: Usage, cost: Money) -> tuple[OutcomeKind, Failure | None]:
        """
        The kernel's word first, then the clock's, then the worker's.

        A worker may survive the kill of its encoder and report what it takes for the
        encoder's failure, or even a short success: it does not know.
        """
        spec, worker = self.task.spec, self.worker
        error: TranscodeError
        if self._out_of_memory:
            error = OutOfMemory(
                f"The attempt was killed for its memory: its spec has "
                f"{spec.memory_mib} MiB.",
                memory_mib=spec.memory_mib,
                peak_memory_bytes=usage.peak_memory_bytes,
                held_by=self.enforced_by.get("memory"),
                stderr_tail=worker.stderr_tail,
            )
        elif self._out_of_time:
            error = OutOfTime(
                f"The attempt was killed after {spec.time_limit_seconds} s, its time "
                "limit.",
                time_limit_seconds=spec.time_limit_seconds,
                wall_seconds=usage.wall_seconds,
                stderr_tail=worker.stderr_tail,
            )
        elif self._out_of_budget:
            error = _broke(self.task, usage, cost)
        elif not self.over:
            error = Cancelled("The attempt was cancelled.")
        elif worker.produced is None:
            error = WorkerLost(
                f"The worker ended ({worker.exit_status}) without a report"
                + (f": {worker.complaint}." if worker.complaint else "."),
                exit_status=worker.exit_status,
                stderr_tail=worker.stderr_tail,
            )
        else:
            self.report = worker.produced
            return self.report.outcome, self.report.failure
        return error.outcome, error.describe()


def _broke(task: Task, usage: Usage, cost: Money) -> TranscodeError:
    limit = task.spend_limit or cost
    return BudgetSpent(
        f"The attempt was stopped after {usage.wall_seconds:.1f} s, when it had cost "
        f"{cost.amount:f} of the {limit.amount:f} {limit.currency} that the budget "
        f"left; {task.predicted.wall_seconds:.1f} s and "
        f"{task.predicted_cost.amount:f} {cost.currency} were predicted.",
        wall_seconds=usage.wall_seconds,
        spent=f"{cost.amount:f}",
        limit=f"{limit.amount:f}",
        currency=limit.currency,
    )


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
            except FileNotFoundError:
                continue
    return total


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
