"""Tasks that speak of addresses, done by a machine that needs files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ...contract import (
    Attempt,
    InvocationReport,
    OrderedWork,
    OutcomeKind,
    Produced,
    Spec,
    Task,
    WorkOrder,
)
from ...deliver import segments
from ...deliver.layout import leave_only
from ...errors import TranscodeError
from ...platforms.price import bill
from ...platforms.requests import (
    PAGE,
    RECORDS,
    SOURCE_GETS,
    has_page,
    requests_for,
)
from ...settings import Settings
from ...store.counting import Tally, counting
from ...store.destination import provenance
from ...store.open import bucket
from ...store.staging import Staged, brought, staged
from ..observer import AttemptObserver

if TYPE_CHECKING:
    from .engine import LocalEngine


class StagingEngine:
    """
    An `Engine` of this machine: brings what a task reads, and takes what it made to
    its place.
    """

    shares_scratch = True

    def __init__(self, machine: LocalEngine, settings: Settings) -> None:
        self._machine = machine
        self._settings = settings

    async def __aenter__(self) -> Self:
        await self._machine.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._machine.__aexit__(kind, error, traceback)

    async def prewarm(self) -> None:
        await self._machine.prewarm()

    def guard(self, path: Path) -> AbstractContextManager[None]:
        return self._machine.guard(path)

    def fits(self, spec: Spec) -> bool:
        return self._machine.fits(spec)

    async def attempt(
        self, order: WorkOrder, *, observer: AttemptObserver
    ) -> tuple[Attempt, Produced | None]:
        """
        As `Engine.attempt`. What cannot be brought or taken away fails the attempt:
        it is over, and was paid for.
        """
        with counting() as tally:
            attempt, produced = await self._attempt(order, observer)
            return self._with_requests(attempt, order, produced, tally), produced

    def _with_requests(
        self,
        attempt: Attempt,
        order: WorkOrder,
        produced: Produced | None,
        tally: Tally,
    ) -> Attempt:
        """*attempt* with what it asked of the store: counted, or by what it made."""
        usage, platform = attempt.measured, self._machine.platform
        if usage is None or (not tally and platform.store is None):
            return attempt
        published = produced is not None and has_page(order.task)
        if tally:
            # The encoder reads its source itself, where nobody counts.
            asked = tally.also(PAGE.puts if published else 0, SOURCE_GETS)
        else:
            files = () if produced is None else produced.artifacts
            inputs = [len(order.task.recipe.video)] * len(order.task.inputs)
            asked = (
                requests_for([(it.bytes, 1) for it in files], inputs=inputs) + RECORDS
            )
            if published:
                asked += PAGE
        usage = usage.model_copy(update={"store": asked})
        cost = bill(platform, order.task.spec, usage).total
        return attempt.model_copy(update={"measured": usage, "cost": cost})

    async def _attempt(
        self, order: WorkOrder, observer: AttemptObserver
    ) -> tuple[Attempt, Produced | None]:
        marks = provenance(order.task.job_id, order.profile)
        async with AsyncExitStack() as stack:
            task = await stack.enter_async_context(self._ready(order.task))
            files = await stack.enter_async_context(
                staged(order.place, self._settings, marks=marks)
            )
            stack.enter_context(self.guard(files.folder))
            packaging = task.recipe.packaging
            whole = packaging.type == "cmaf" and packaging.segments == "single_file"
            # Segments that become one file are for nobody.
            async with nullcontext() if whole else files.sending():
                attempt, produced = await self._machine.attempt(
                    task, number=order.number, staging=files.folder, observer=observer
                )
            if order.place is None or produced is None:
                return attempt, produced
            if attempt.outcome is not OutcomeKind.SUCCEEDED:
                return attempt, produced
            try:
                kept = await _kept(files, produced)
            except TranscodeError as exc:
                failure = {"outcome": exc.outcome, "failure": exc.describe()}
                return attempt.model_copy(update=failure), None
        if order.records is not None:
            await self._report(
                order.records, order, InvocationReport(attempt=attempt, produced=kept)
            )
        return attempt, kept

    async def _report(
        self, records: str, order: WorkOrder, report: InvocationReport
    ) -> None:
        """
        Have it found by whoever takes over. Where that cannot be, it is done again: it
        is no reason for us to fail.
        """
        # Only of a job that is kept.
        from ..remote import ORDER, REPORT, unsigned  # noqa: PLC0415

        ordered = OrderedWork(
            work=order.model_copy(update={"task": unsigned(order.task)})
        )
        with suppress(TranscodeError):
            async with bucket(records, self._settings) as objects:
                await objects.create(ORDER, ordered.to_json().encode())
                await objects.create(REPORT, report.to_json().encode())

    @asynccontextmanager
    async def _ready(self, task: Task) -> AsyncIterator[Task]:
        """*task* with folders of this machine for its inputs."""
        async with AsyncExitStack() as stack:
            folders = [
                str(await stack.enter_async_context(brought(place, self._settings)))
                for place in task.inputs
            ]
            yield task.model_copy(update={"inputs": tuple(folders)})


async def _kept(files: Staged, produced: Produced) -> Produced:
    """What was made, as it lies at its place now."""
    leave_only(files.folder, produced.artifacts)
    artifacts, listings = segments.listed(produced.artifacts)
    segments.write(files.folder, listings)
    await files.keep()
    return produced.model_copy(update={"artifacts": artifacts})
