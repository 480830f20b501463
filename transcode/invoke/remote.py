"""
Attempts that run somewhere else: an order in the store, an invocation, a report.

Whoever waits only reads. An invocation that was given up may run on — a platform's
"dead" is not "stopped" — so that its report is written in its stead, conditionally:
what it says afterwards counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import anyio
from pydantic import Field

from ..contract import (
    Attempt,
    Heartbeat,
    InvocationReport,
    Money,
    Produced,
    Spec,
    Task,
    Usage,
    Value,
    WorkOrder,
)
from ..errors import (
    Cancelled,
    ObjectExists,
    ObjectMissing,
    StoreDown,
    TranscodeError,
    UsageError,
    WorkerLost,
)
from ..platforms.platform import Platform
from ..platforms.price import bill, billed_milliseconds
from ..settings import Settings
from ..store.bucket import Bucket
from .engine import Refusing
from .local.reaper import Reaper
from .observer import AttemptObserver

__all__ = [
    "Expiring",
    "Invoker",
    "RemoteEngine",
    "RemoteInvocation",
    "RemoteOrder",
    "ended_as",
    "refuse_paths",
]

ORDER, BEGUN, BEAT, REPORT = "order.json", "begun.json", "beat.json", "report.json"
"""What lies in an attempt's folder of records."""

_LOOK_SECONDS = 0.2
"""Between two looks at records on a disk; each is a request where it is none."""
_LOOK_FAR_SECONDS = 2.0
_BEATS = 3
"""Within a lease: two may be lost before an invocation counts as lost."""
_LAST_SECONDS = 10.0
"""For saying how an invocation ended that was given up."""


class AdvancingJob(Value):
    """A job whose tasks start each other, and the claim under which they do."""

    to: str
    job_id: str
    claim: int


class RemoteOrder(Value):
    """An order with all that the other end needs to know."""

    schema_: Literal["transcode/order/1"] = Field("transcode/order/1", alias="schema")
    work: WorkOrder
    platform: Platform
    """Whose rules hold and whose prices are billed."""
    settings: Settings
    """As `Settings.for_engines` gives them: no key, no destination."""
    beat_seconds: float
    ordered_at: datetime | None = None
    """By the clock of the store: what the ledger calls the attempt by."""
    job: AdvancingJob | None = None
    """That which goes on by itself once this is done; None: somebody waits for it."""


class RemoteInvocation(Protocol):
    """One that was started."""

    async def ended(self) -> TranscodeError | None:
        """
        Wait until the platform says that it is over, and return what it says of the
        end; None: that it went well.
        """

    async def cancel(self) -> None:
        """Stop it, as far as the platform can; never raises."""


@runtime_checkable
class Expiring(Protocol):
    """An invocation of which the platform does not tell that it never came to be."""

    @property
    def begins_within_seconds(self) -> float:
        """Without a sign of life for so long, it never will."""


class Invoker(Protocol):
    """One platform: starts invocations, each in the spec of its task."""

    def fits(self, spec: Spec) -> bool:
        """Whether there is such a spec."""

    async def invoke(self, records: str, task: Task) -> RemoteInvocation:
        """Have the order that lies in *records* carried out, once."""


@runtime_checkable
class Starter(Protocol):
    """An invoker whose invocations outlive whoever started them."""

    @property
    def concurrency(self) -> int | None:
        """So many may run at once; the platform loses the others. None: it queues."""

    async def start(self, records: str, task: Task) -> None:
        """As `Invoker.invoke`, where nobody waits for the end."""


@runtime_checkable
class Limited(Starter, Protocol):
    """One whose platform loses what is above its concurrency."""

    async def pass_turn(self, memory_mib: int | None) -> None:
        """Have jobs begun that wait for room; in this memory, None: the function's."""


@dataclass(frozen=True, slots=True)
class RemoteEngine:
    """An `Engine` over an `Invoker`: each attempt is an invocation of its own."""

    invoker: Invoker
    platform: Platform
    settings: Settings
    open: Callable[[str], AbstractAsyncContextManager[Bucket]]
    """The store at an address."""

    @property
    def shares_scratch(self) -> bool:
        return False

    async def prewarm(self) -> None:
        """What is started is billed."""

    @contextmanager
    def guard(self, path: Path) -> Iterator[None]:
        """
        Nothing of ours runs on this machine, but what was made may lie here: where
        results go to a folder that the invocations share with us.
        """
        reaper = Reaper()
        reaper.vanish(path)
        try:
            yield
        finally:
            # A shell is told, and waited for until it has ended.
            reaper.close()

    def fits(self, spec: Spec) -> bool:
        return self.invoker.fits(spec)

    def misfit(self, spec: Spec) -> str | None:
        """Where the platform's functions say it."""
        return self.invoker.misfit(spec) if isinstance(self.invoker, Refusing) else None

    @property
    def concurrency(self) -> int | None:
        """Of invocations that nobody waits for."""
        return self.invoker.concurrency if isinstance(self.invoker, Starter) else None

    async def pass_turn(self, memory_mib: int | None) -> None:
        """Call a function that begins jobs which wait for room, where room counts."""
        if isinstance(self.invoker, Limited):
            await self.invoker.pass_turn(memory_mib)

    async def order(self, order: WorkOrder, job: AdvancingJob, at: datetime) -> bool:
        """Say that it is to be started, by us; False where somebody else has."""
        told = self._told(order, job).model_copy(update={"ordered_at": at})
        async with self.open(records_of(order)) as records:
            try:
                await records.create(ORDER, told.to_json().encode())
            except ObjectExists:
                return False
        return True

    async def start(self, order: WorkOrder) -> None:
        """Start it, once it is ordered, and leave."""
        if not isinstance(self.invoker, Starter):
            raise UsageError(
                "Tasks of this engine end with whoever started them: somebody has to "
                "wait for them."
            )
        await self.invoker.start(records_of(order), order.task)

    def _told(self, order: WorkOrder, job: AdvancingJob | None) -> RemoteOrder:
        beat_seconds = self.settings.lease_seconds / _BEATS
        return RemoteOrder(
            work=order.model_copy(update={"task": unsigned(order.task)}),
            platform=self.platform,
            settings=self.settings.for_engines(),
            beat_seconds=beat_seconds if _is_far(order) else min(beat_seconds, 0.5),
            job=job,
        )

    async def attempt(
        self, order: WorkOrder, *, observer: AttemptObserver
    ) -> tuple[Attempt, Produced | None]:
        told = self._told(order, None)
        far = _is_far(order)
        async with self.open(records_of(order)) as records:
            await records.create(ORDER, told.to_json().encode())
            waiting = _Waiting(self, order, records, observer, far=far)
            try:
                invocation = await self.invoker.invoke(records_of(order), order.task)
            except WorkerLost as exc:
                # The platform did not take it: nothing was begun, and nothing is owed.
                report = await waiting.give_up(exc)
                return report.attempt, report.produced
            try:
                return await waiting.wait(invocation)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await invocation.cancel()
                    error = Cancelled("The attempt was cancelled.")
                    observer.cancelled((await waiting.give_up(error)).attempt)
                raise


def records_of(order: WorkOrder) -> str:
    """Where its records lie; an order for elsewhere has such a place."""
    if order.records is None:
        msg = "an order for elsewhere names no place for its records"
        raise ValueError(msg)
    return order.records


def refuse_paths(records: str, task: Task, *, engine: str) -> None:
    """Raise where what is elsewhere is to read or write on this machine's disk."""
    for what, address in (("--to", records), ("source", task.source.uri)):
        if "://" not in address:
            raise UsageError(
                f"A function reads and writes in a store: as {what} give s3://…, not "
                "a path of this machine.",
                engine=engine,
            )


def unsigned(task: Task) -> Task:
    """
    *task* without an address that opens its source for whoever reads it: who carries
    it out looks the source up by its name.
    """
    source = task.source.model_copy(update={"location": task.source.uri})
    return task.model_copy(update={"source": source})


def _is_far(order: WorkOrder) -> bool:
    """Whether each look at its records is a request."""
    return "://" in records_of(order)


class _Waiting:
    """For one invocation."""

    def __init__(
        self,
        engine: RemoteEngine,
        order: WorkOrder,
        records: Bucket,
        observer: AttemptObserver,
        *,
        far: bool,
    ) -> None:
        self._engine = engine
        self._order = order
        self._records = records
        self._observer = observer
        self._pause = _LOOK_FAR_SECONDS if far else _LOOK_SECONDS
        self._started = anyio.current_time()
        self._beat: Heartbeat | None = None
        self._beaten = self._started
        """When the last heartbeat was seen."""
        self._answered = self._started
        """When the store last answered."""

    async def wait(
        self, invocation: RemoteInvocation
    ) -> tuple[Attempt, Produced | None]:
        said: list[TranscodeError | None] = []
        over = anyio.Event()

        async def listen() -> None:
            said.append(await invocation.ended())
            over.set()

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            while True:
                ended = over.is_set()
                report = await self._looked(invocation, said if ended else None)
                if report is not None:
                    group.cancel_scope.cancel()
                    return report.attempt, report.produced
                with anyio.move_on_after(self._pause):
                    await over.wait()
                if ended:
                    await anyio.sleep(self._pause)  # the store did not answer
        raise AssertionError  # the loop ends by returning

    async def _looked(
        self, invocation: RemoteInvocation, said: list[TranscodeError | None] | None
    ) -> InvocationReport | None:
        """Its report, by itself or in its stead; *said*: by the platform at its end."""
        try:
            report = await self._report()
            if report is None and said is not None:
                silent = WorkerLost("The invocation ended without a report.")
                return await self.give_up(said[0] or silent)
            silence = None if report else await self._silence(invocation)
            if silence is not None:
                await invocation.cancel()
                return await self.give_up(WorkerLost(silence))
        except StoreDown:
            # What is under way costs whether we can read of it or not.
            if (
                anyio.current_time() - self._answered
                > self._engine.settings.lease_seconds
            ):
                raise
            return None
        self._answered = anyio.current_time()
        return report

    async def give_up(self, error: TranscodeError) -> InvocationReport:
        """Say in its stead how it ended, unless it has said so itself."""
        report = InvocationReport(
            attempt=ended_as(
                error,
                self._order,
                self._engine.platform,
                wall_seconds=anyio.current_time() - self._started,
                begun=self._beat is not None,
            )
        )
        with anyio.move_on_after(_LAST_SECONDS, shield=True):
            try:
                await self._records.create(REPORT, report.to_json().encode())
            except ObjectExists:
                return await self._report() or report
            except TranscodeError:
                # Nobody is told; what it may say later is not read any more.
                return report
        return report

    async def _report(self) -> InvocationReport | None:
        try:
            body, _ = await self._records.read(REPORT)
        except ObjectMissing:
            return None
        return InvocationReport.from_json(body)

    async def _silence(self, invocation: RemoteInvocation) -> str | None:
        """Said of one that has begun and is silent for a lease, or that never will."""
        now = anyio.current_time()
        try:
            body, _ = await self._records.read(BEAT)
        except ObjectMissing:
            # It waits for room; the platform tells where it cannot come, or its age.
            if not isinstance(invocation, Expiring):
                return None
            late = now - self._started > invocation.begins_within_seconds
            return "It was not begun within the age of its event." if late else None
        beat = Heartbeat.from_json(body)
        if self._beat is None or beat.number > self._beat.number:
            if beat.progress is not None:
                self._observer.progressed(beat.progress)
            if beat.overdue and not (self._beat and self._beat.overdue):
                self._observer.overdue()
            self._beat, self._beaten = beat, now
        if now - self._beaten > self._engine.settings.lease_seconds:
            return "Nothing was heard of it for as long as its lease."
        return None


def ended_as(
    error: TranscodeError,
    order: WorkOrder,
    platform: Platform,
    *,
    wall_seconds: float,
    begun: bool,
) -> Attempt:
    """
    An attempt of which no worker has told the end.

    Its cost is what the platform bills for that time, where it had *begun*.
    """
    task = order.task
    usage = None
    cost = Money(amount=Decimal(0), currency=task.predicted_cost.currency)
    if begun:
        usage = Usage(
            wall_seconds=wall_seconds,
            billed_milliseconds=billed_milliseconds(platform, wall_seconds),
            cpu_seconds=0.0,
            peak_memory_bytes=None,
        )
        cost = bill(platform, task.spec, usage).total
    return Attempt(
        number=order.number,
        spec=task.spec,
        predicted=task.predicted,
        predicted_wall=task.predicted_wall,
        measured=usage,
        cost=cost,
        outcome=error.outcome,
        failure=error.describe(),
    )
