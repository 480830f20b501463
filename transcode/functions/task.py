"""One task, wherever an engine has it done: order → work in its spec → report."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from ..contract import (
    Attempt,
    Heartbeat,
    InvocationReport,
    Produced,
    Progress,
    Spec,
    WorkOrder,
)
from ..contract.job import Claim, JobReport
from ..errors import (
    Cancelled,
    ObjectExists,
    ObjectMissing,
    OutOfTime,
    SettingsError,
    TranscodeError,
    UsageError,
)
from ..invoke.observer import AttemptObserver
from ..invoke.remote import BEAT, BEGUN, ORDER, REPORT, RemoteOrder, ended_as
from ..jobs.service import JobService
from ..jobs.turns import pass_turn
from ..platforms.price import bill, billed_milliseconds
from ..platforms.requests import PAGE, SOURCE_GETS, has_page
from ..settings import Settings
from ..store.bucket import Bucket
from ..store.counting import Tally, counting
from ..store.open import bucket, locate, refuse_change
from ..tracing.attempts import attempt_marks, outcome_marks
from ..tracing.spans import begin, flush, span
from ..wiring import Wiring

Enter = Callable[[JobService, JobReport, Tally], Awaitable[None]]
_PART = 3
"""Renewals of a claim within a lease."""
_STEP_SECONDS = 0.1
"""Between two looks at whether there is something new to tell."""


def task_of(event: object) -> str | None:
    """The records of the order that *event* tells of; None where it is none."""
    if not isinstance(event, Mapping) or event.get("transcode") != "task":
        return None
    records = event.get("records")
    return records if isinstance(records, str) and records else None


async def perform_task(  # noqa: PLR0913 - what a platform tells of a call
    records: str,
    wiring: Wiring,
    *,
    given: Spec | None = None,
    before_seconds: float = 0.0,
    seconds_left: float | None = None,
    invocation: str | None = None,
) -> bool:
    """
    Carry out the order that lies in *records*; False where it is not ours to do.

    It is begun once, whoever starts it twice, and reported once; a report that somebody
    has written in our stead stands. *given*: the spec that the platform says we have,
    where it does; *before_seconds*: what was billed before the call, such as an
    initializer; *seconds_left*: until the platform's kill, None where it does not tell:
    the verdict is ours, and comes before it; *invocation*: what it calls this call.
    """
    began = anyio.current_time() - before_seconds
    _refuse_outside([records], wiring.settings)
    async with AsyncExitStack() as stack:
        tally = stack.enter_context(counting())
        at = bucket(records, wiring.settings)
        objects = await stack.enter_async_context(at)
        body, _ = await objects.read(ORDER)
        order = RemoteOrder.from_json(body)
        places = (order.work.place, *order.work.task.inputs)
        _refuse_outside([it for it in places if it is not None], wiring.settings)
        try:
            await objects.create(BEGUN, b"{}")
        except ObjectExists:
            return False
        if await _is_reported(objects) or not await _is_wanted(order, wiring):
            return False
        heart = _Heart(objects, order.beat_seconds)
        begin(wiring.settings.traces)
        marks = attempt_marks(order.work.task, order.work.number)
        with (
            span("attempt", marks, parent=order.work.traceparent) as one,
            anyio.move_on_after(_until(seconds_left, wiring.settings)) as scope,
        ):
            attempt, produced = await _do_while_wanted(order, wiring, heart, given)
            one.mark(outcome_marks(attempt))
        await anyio.to_thread.run_sync(flush)
        if scope.cancelled_caught:
            attempt, produced = _out_of_time(order, anyio.current_time() - began), None
        # Where nobody waits the call that publishes counts the page among its own.
        publishes = order.job is None and produced is not None
        page = PAGE.puts if publishes and has_page(order.work.task) else 0
        took = anyio.current_time() - began
        attempt = _billed_whole(attempt, order, took, tally, page=page)
        attempt = attempt.model_copy(update={"invocation": invocation})
        report = InvocationReport(attempt=attempt, produced=produced)
        try:
            await objects.create(REPORT, report.to_json().encode())
        except ObjectExists:
            return False
    return True


def _until(seconds_left: float | None, settings: Settings) -> float | None:
    """How long there is for the work, so that its end can be told."""
    if seconds_left is None:
        return None
    return max(seconds_left - settings.margin_seconds, 0.0)


def _out_of_time(order: RemoteOrder, took: float) -> Attempt:
    """Of one that the platform would have killed next."""
    error = OutOfTime(
        f"The function's own time was over after {took:.0f} s.", held_by="function"
    )
    return ended_as(error, order.work, order.platform, wall_seconds=took, begun=True)


async def go_on(records: str, wiring: Wiring, enter: Enter) -> JobReport | None:
    """
    Start what follows the task of *records*, or publish its job, where nobody waits for
    it; None where somebody does.

    *enter* is called at the end, with what this asked of the store.
    """
    with counting() as tally:
        async with bucket(records, wiring.settings) as objects:
            body, _ = await objects.read(ORDER)
        job = RemoteOrder.from_json(body).job
        if job is None:
            return None
        _refuse_outside([f"{job.to}/"], wiring.settings)
        async with JobService.open(wiring, to=job.to) as service:
            report = await service.advance(job.job_id, job.claim)
            await pass_turn(service, report.submission)
            await enter(service, report, tally)
            return report


async def _do_while_wanted(
    order: RemoteOrder, wiring: Wiring, heart: _Heart, given: Spec | None
) -> tuple[Attempt, Produced | None]:
    """As `_do`, until its job is known to be another's or to be over."""
    began = anyio.current_time()
    done: list[tuple[Attempt, Produced | None]] = []
    async with anyio.create_task_group() as group:
        if order.job is not None:
            group.start_soon(_hold, order, wiring, group.cancel_scope)
        heart.given_up = group.cancel_scope.cancel
        async with heart.beating():
            done.append(await _do(order, wiring, heart, given))
        group.cancel_scope.cancel()
    if done:
        return done[0]
    took = anyio.current_time() - began
    error = Cancelled("It was given up, or its job is over or another's.")
    attempt = ended_as(error, order.work, order.platform, wall_seconds=took, begun=True)
    return attempt, None


async def _hold(order: RemoteOrder, wiring: Wiring, scope: anyio.CancelScope) -> None:
    """Renew the claim under which the job goes on; stop where it is ours no more."""
    job = order.job
    assert job is not None  # noqa: S101  asked before
    pause = wiring.settings.lease_seconds / _PART
    claim: Claim | None = None
    async with JobService.open(wiring, to=job.to) as service:
        while True:
            # A store that is down ends no work: the claim's number is what counts.
            with contextlib.suppress(TranscodeError):
                if claim is None:
                    history = await service.repository.history(job.job_id)
                    tried = (t.claim for t in history.tried)
                    claim = next((t for t in tried if t.number == job.claim), None)
                if claim is None or await service.repository.renew(claim) != "renewed":
                    scope.cancel()
                    return
            await anyio.sleep(pause)


async def _do(
    order: RemoteOrder, wiring: Wiring, heart: _Heart, given: Spec | None
) -> tuple[Attempt, Produced | None]:
    began = anyio.current_time()
    here = Wiring(_here(order.settings, wiring.settings), held_to=wiring.held_to)
    try:
        _refuse_less(order.work.task.spec, given)
        work = await _found(order.work, here.settings)
        async with here.engine("local", order.platform) as engine:
            await engine.prewarm()
            return await engine.attempt(work, observer=heart)
    except TranscodeError as exc:
        took = anyio.current_time() - began
        attempt = ended_as(
            exc, order.work, order.platform, wall_seconds=took, begun=True
        )
        return attempt, None


def _refuse_outside(places: Sequence[str], settings: Settings) -> None:
    """
    Raise where a function that has a place for results is told of another: whoever may
    call it may not write with its keys wherever they like.
    """
    if settings.to is None:
        return
    root = settings.to.rstrip("/") + "/"
    for place in places:
        if not place.startswith(root) or {".", ".."} & {*place.split("/")}:
            raise UsageError(
                f"{place!r} does not lie in TRANSCODE_TO={settings.to!r}, where the "
                "tasks of this function read and write.",
                place=place,
            )


def _refuse_less(ordered: Spec, given: Spec | None) -> None:
    """Raise where the platform gave less than what was ordered, and is paid for."""
    if given is not None and given.memory_mib < ordered.memory_mib:
        raise SettingsError(
            f"{ordered.memory_mib} MiB were ordered and the function has "
            f"{given.memory_mib} MiB: set `enable_dynamic_memory` for it.",
            memory_mib=ordered.memory_mib,
            given_mib=given.memory_mib,
        )


async def _found(work: WorkOrder, settings: Settings) -> WorkOrder:
    """*work* with its source as it is reached from here; it must be the same."""
    planned = work.task.source
    await refuse_change(planned, planned.uri, settings)
    source = await locate(planned.uri, settings)
    task = work.task.model_copy(update={"source": source})
    # Its report is ours to write: it is billed for more than the work.
    return work.model_copy(update={"task": task, "records": None})


def _here(told: Settings, own: Settings) -> Settings:
    """What the order says, but for what this machine says of its store and folders."""
    if own.to is not None:
        # A function is set up by its operator: an order names no store to it.
        return own
    mine = {
        name: getattr(own, name)
        for name in own.model_fields_set
        if getattr(own, name) is not None
    }
    both = told.model_copy(update=mine)
    if both.scratch is not None and not Path(both.scratch).is_dir():
        return both.model_copy(update={"scratch": None})
    return both


def _billed_whole(
    attempt: Attempt, order: RemoteOrder, seconds: float, tally: Tally, *, page: int
) -> Attempt:
    """
    *attempt* with what the whole invocation took: bringing and taking away, too, and
    every request of its own, its report's and the one of its result's *page* included.
    """
    usage = attempt.measured
    if usage is None:
        return attempt
    platform, spec = order.platform, order.work.task.spec
    seconds = max(seconds, usage.wall_seconds)
    whole = usage.model_copy(
        update={
            "wall_seconds": seconds,
            "billed_milliseconds": billed_milliseconds(platform, seconds),
            "store": tally.also(1 + page, SOURCE_GETS) if tally else usage.store,
        }
    )
    cost = bill(platform, spec, whole).total
    return attempt.model_copy(update={"measured": whole, "cost": cost})


async def _is_wanted(order: RemoteOrder, wiring: Wiring) -> bool:
    """Whether the job is not over, nor another's: it may have waited for long."""
    job = order.job
    if job is None:
        return True
    async with JobService.open(wiring, to=job.to) as service:
        return await service.wanted(job.job_id, job.claim)


async def _is_reported(objects: Bucket) -> bool:
    """Whether somebody has given it up before it began."""
    try:
        await objects.head(REPORT)
    except ObjectMissing:
        return False
    return True


class _Heart(AttemptObserver):
    """Says in the store that the work goes on, and how far it is."""

    def __init__(self, objects: Bucket, beat_seconds: float) -> None:
        self._objects = objects
        self._every = beat_seconds
        self._beat = Heartbeat(number=0)
        self.given_up: Callable[[], None] = lambda: None
        """Called where somebody has written the report in its stead."""

    def progressed(self, progress: Progress) -> None:
        self._beat = self._beat.model_copy(update={"progress": progress})

    def overdue(self) -> None:
        self._beat = self._beat.model_copy(update={"overdue": True})

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """While the block runs; a beat that does not arrive is not repeated."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._go_on)
            yield
            group.cancel_scope.cancel()

    async def _go_on(self) -> None:
        said, last = self._beat, -math.inf
        while True:
            now = anyio.current_time()
            # On a disk a beat is for nothing: only what is new is written at once.
            if now - last >= self._every:
                number = said.number + 1
                said = self._beat = self._beat.model_copy(update={"number": number})
                last = now
                try:
                    with anyio.move_on_after(self._every * 2):
                        await self._objects.put(BEAT, said.to_json().encode())
                        # No platform stops all that is given up; what is billed for
                        # nothing stops itself.
                        if await _is_reported(self._objects):
                            self.given_up()
                            return
                except TranscodeError:
                    pass
            await anyio.sleep(min(_STEP_SECONDS, self._every))
