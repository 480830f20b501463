"""
The whole flow, in the order it happens.

    locate → probe → plan → invoke → deliver

The only module besides `wiring` that knows more than one stage. `handlers/` run the
parts in functions; `run` runs them in one process, for the command line and tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from types import MappingProxyType

import anyio
import anyio.to_thread

from .analysis.decide import decide
from .analysis.index_pass import foresee_index
from .analysis.measuring import (
    BegunPlan,
    Measure,
    MeasureFirst,
    Measurement,
    Measuring,
    left_of,
    repeated,
)
from .analysis.planner import Planner, foresee, planner_of
from .contract import (
    Constraints,
    KeptWork,
    Manifest,
    Media,
    OutcomeKind,
    Plan,
    PlannedTask,
    PlatformRef,
    ProfileRef,
    Source,
    SourceRecord,
    Task,
    TaskResult,
    WorkOrder,
    attempt_name,
)
from .contract.task import PARTS
from .deliver import failed, refused, succeeded
from .deliver.manifest import (
    ending_of,
    has_succeeded,
    status_of,
    was_cancelled,
)
from .errors import (
    ObjectChanged,
    ObjectExists,
    TranscodeError,
    WorkerLost,
    revive,
)
from .hooks import (
    AlreadyDone,
    Listener,
    Planned,
    Published,
    SampleBegun,
)
from .invoke.engine import Engine
from .invoke.journal import Journal, NullJournal
from .invoke.observer import Reporter
from .invoke.scheduler import invoke_all
from .invoke.scratch import private_scratch
from .platforms.requests import has_page
from .probe.probe import ProbeLimits, probe
from .request import (
    Request,
    ResolvedRequest,
    constraints_of,
    job_of,
    look_up,
    profile_of,
)
from .store.destination import Destination, token_of
from .store.open import destination, locate, refuse_change
from .tracing.spans import Attributes, span
from .wiring import Wiring


async def probe_source(text: str, wiring: Wiring) -> tuple[Source, Media]:
    """Find out what *text* names and what is in it. Reads headers, never the whole."""
    source = await locate(text, wiring.settings)
    return source, await _probe(source, wiring)


async def admit(
    request: Request, wiring: Wiring, *, listen: Listener = lambda _event: None
) -> Plan:
    """
    Decide what would be done, and at what price.

    Nothing is encoded, unless the request wants a sample always.
    """
    profile = profile_of(request, wiring)
    platform = wiring.platform_of(request.engine, request.platform)
    constraints = constraints_of(request, platform)
    source = await locate(request.source, wiring.settings)
    media = await _probe_and_prepare(source, wiring, constraints)

    def planner_for(media: Media, constraints: Constraints) -> Planner:
        chosen = (profile, platform, constraints)
        return planner_of(request, wiring, source, media, chosen, compare=True)

    def alone_for(media: Media, constraints: Constraints) -> Planner:
        chosen = (profile, platform, constraints)
        return planner_of(request, wiring, source, media, chosen)

    if request.sample != "always":
        # What it would cost elsewhere is not asked before there is something to show.
        plan = foresee_index(alone_for, media, constraints)
        if plan is not None:
            plan = foresee_index(planner_for, media, constraints)
        return plan or foresee(planner_for(media, constraints))
    async with wiring.engine(request.engine, platform) as engine:
        target = destination(request.to, wiring.settings)
        _, folder = job_of(source, profile, request)
        journal = NullJournal()
        records = _recorded(engine, target, folder, journal.token)
        try:
            decided, _ = await Measuring(engine, journal, listen, records).drive(
                decide(
                    planner_for,
                    media,
                    constraints,
                    refused=lambda error, _plan, _done: error,
                )
            )
        finally:
            if not engine.shares_scratch:
                await target.discard(folder, token=journal.token)
    return decided


async def run(
    request: Request,
    wiring: Wiring,
    *,
    listen: Listener = lambda _event: None,
    journal: Journal | None = None,
    engine: Engine | None = None,
) -> Manifest:
    """
    Do all of it here and return the manifest; *engine*: one that is shared and open.

    Raises a `TranscodeError`; once the source was found, the error carries a manifest
    of the failure as `manifest`, with every attempt on its bill. Cancellation kills
    children and removes everything half-made before it propagates.
    """
    started = time.monotonic()
    order = await look_up(request, wiring)
    done = await order.target.find(order.folder)
    if done is not None:
        listen(AlreadyDone(done))
        return done
    async with AsyncExitStack() as stack:
        if engine is None:
            own = wiring.engine(request.engine, order.platform)
            engine = await stack.enter_async_context(own)
        stack.enter_context(span("job", marks_of_job(order)))
        # The worker imports while the source is looked at.
        await engine.prewarm()
        journal = journal or NullJournal()
        return await carry_out(
            order, wiring, engine, journal=journal, listen=listen, started=started
        )


async def carry_out(  # noqa: PLR0913 - what it needs, from whom, and who is told
    order: ResolvedRequest,
    wiring: Wiring,
    engine: Engine,
    *,
    journal: Journal,
    listen: Listener,
    started: float,
    sharing: Callable[[], int] = lambda: 1,
) -> Manifest:
    """
    Probe, plan, invoke and publish; *started* by the monotonic clock. See `run`.

    *sharing*: how many jobs want this machine, asked when it is planned.
    """

    def job(
        plan: Plan,
        before: tuple[TaskResult, ...],
        kept: Mapping[str, KeptWork] = MappingProxyType({}),
    ) -> _PlannedJob:
        return _PlannedJob(order, wiring, plan, journal, started, listen, before, kept)

    resumed = await journal.resume(in_place=order.target.in_place)
    if resumed is not None:
        plan = await journal.allow(gone_on_with(resumed.plan, order))
        listen(Planned(plan))
        return await job(plan, resumed.before, resumed.kept).perform(engine)
    try:
        media = await _probe_and_prepare(order.source, wiring, order.constraints)
        constraints = order.constraints.model_copy(update={"sharing": sharing()})

        def planner_for(media: Media, constraints: Constraints) -> Planner:
            chosen = (order.profile, order.platform, constraints)
            return planner_of(order.request, wiring, order.source, media, chosen)

        records = _recorded(engine, order.target, order.folder, journal.token)
        with span("plan") as one:
            plan, measured = await Measuring(engine, journal, listen, records).drive(
                decide(
                    planner_for,
                    media,
                    constraints,
                    refused=lambda error, plan, done: job(plan, done).with_manifest(
                        error, ()
                    ),
                )
            )
            one.mark(_decided(plan))
    except TranscodeError as exc:
        exc.manifest = exc.manifest or _refused(order, exc, started)
        raise
    plan = await journal.allow(plan)
    listen(Planned(plan))
    known = {it.task_id for it in measured}
    others = [it for it in journal.others(plan) if it.task_id not in known]
    return await job(plan, (*others, *measured)).perform(engine)


def gone_on_with(plan: Plan, order: ResolvedRequest) -> Plan:
    """*plan* of a try before, for the source as it is reached from here."""

    def one(planned: PlannedTask) -> PlannedTask:
        instead = planned.fallback
        return planned.model_copy(
            update={
                "task": planned.task.model_copy(update={"source": order.source}),
                "fallback": None if instead is None else one(instead),
            }
        )

    tasks = tuple(one(planned) for planned in plan.tasks)
    budget = order.constraints.budget
    told = {"source": order.source, "tasks": tasks, "budget": budget}
    return plan.model_copy(update=told)


def marks_of_job(order: ResolvedRequest) -> Attributes:
    """What a span says of a job as a whole; no key, as addresses have none."""
    return {
        "transcode.job_id": order.job_id,
        "transcode.source": order.source.uri,
        "transcode.profile": order.profile.name,
        "transcode.platform": order.platform.name,
        "transcode.engine": order.request.engine,
    }


def _decided(plan: Plan) -> Attributes:
    return {
        "transcode.job_id": plan.job_id,
        "transcode.tasks": len(plan.tasks),
        "transcode.predicted_cost": str(plan.predicted_cost.amount),
        "transcode.currency": plan.predicted_cost.currency,
    }


@dataclass(frozen=True, slots=True)
class Decided:
    """A job's plan, and what was measured for it."""

    plan: Plan
    measured: tuple[TaskResult, ...] = ()


async def plan_job(  # noqa: PLR0913 - what it needs, from whom, and who is told
    order: ResolvedRequest,
    wiring: Wiring,
    journal: Journal,
    listen: Listener,
    started: float,
    *,
    begun: BegunPlan | None = None,
) -> Decided | MeasureFirst:
    """
    Plan a job whose tasks start each other, or say what is to be measured before.

    *begun*: what was planned by under this claim before, and what was measured since.
    What tries before this one have measured is known from the *journal*.
    """
    wishes = order.constraints if begun is None else begun.constraints
    measured = MappingProxyType({}) if begun is None else begun.measured
    # What of the deadline is gone, whatever it went by in: calls wait, and start cold.
    gone = (wishes.deadline_seconds or 0) - (order.constraints.deadline_seconds or 0)

    def planner_for(media: Media, constraints: Constraints) -> Planner:
        chosen = (order.profile, order.platform, constraints)
        source, request = order.source, order.request
        return planner_of(request, wiring, source, media, chosen, waited_for=False)

    def refused(
        error: TranscodeError, plan: Plan, done: tuple[TaskResult, ...]
    ) -> TranscodeError:
        return refusal_of(plan, done, error, started)

    def known(step: Measure) -> Measurement | None:
        result = measured.get(step.task_id)
        if result is not None:
            first = next(iter(measured)) == step.task_id
            return step.came_to(result, waited_seconds=gone if first else 0.0)
        # The wishes are what was left after it.
        before = step.known(journal.earlier.get(step.task_id, ()))
        return None if before is None else step.came_to(before, waited_seconds=0.0)

    try:
        media = (
            await _probe_and_prepare(order.source, wiring, wishes)
            if begun is None
            else begun.media
        )
        with span("plan") as one:
            decided = repeated(
                decide(planner_for, media, wishes, refused=refused), known
            )
            if not isinstance(decided, Measure):
                one.mark(_decided(decided[0]))
    except TranscodeError as exc:
        exc.manifest = exc.manifest or _refused(order, exc, started)
        raise
    if isinstance(decided, Measure):
        allowed = await journal.allow(decided.reserve)
        own = decided.own.model_copy(update={"budget": allowed.budget})
        listen(SampleBegun(own))
        return MeasureFirst(own, media, wishes)
    plan, results = decided
    plan = await journal.allow(plan)
    listen(Planned(plan))
    return Decided(plan, results)


async def conclude(  # noqa: PLR0913 - what it needs, from whom, and who is told
    order: ResolvedRequest,
    wiring: Wiring,
    plan: Plan,
    results: tuple[TaskResult, ...],
    *,
    journal: Journal,
    listen: Listener,
    started: float,
    before: tuple[TaskResult, ...] = (),
    kept: Mapping[str, KeptWork] = MappingProxyType({}),
) -> Manifest:
    """
    Publish what the tasks of *plan* have made, or raise what they failed with.

    Nothing is removed: another may be about to publish the same. What no manifest names
    goes once the job is over.
    """
    job = _PlannedJob(order, wiring, plan, journal, started, listen, before, kept)
    return await job.end(results)


@dataclass(frozen=True, slots=True)
class _PlannedJob:
    """A plan on its way to a manifest."""

    order: ResolvedRequest
    wiring: Wiring
    plan: Plan
    journal: Journal
    started: float
    listen: Listener
    before: tuple[TaskResult, ...]
    """The sample's attempts, and others: on the bill like those of the tasks."""
    kept: Mapping[str, KeptWork]
    """What tries before this one have finished, by task."""

    @property
    def target(self) -> Destination:
        return self.order.target

    @property
    def folder(self) -> str:
        return self.order.folder

    async def perform(self, engine: Engine) -> Manifest:
        token = self.journal.token
        private = await self.target.prepare(self.folder, token=token)
        outlives = self.journal.outlives and (
            len(self.plan.tasks) > 1 or not engine.shares_scratch
        )
        if outlives:
            await self.journal.planned(self.plan, self.kept)
        with ExitStack() as stack:
            if private is not None and not outlives:
                stack.enter_context(engine.guard(private))
            try:
                return await self.end(await self._invoke(engine, outlives=outlives))
            finally:
                with anyio.CancelScope(shield=True):
                    # What is finished is for whoever goes on, as long as there is one.
                    if not outlives or await self.journal.is_over():
                        await self.target.discard(self.folder, token=token)

    async def _invoke(
        self, engine: Engine, *, outlives: bool
    ) -> tuple[TaskResult, ...]:
        token = self.journal.token
        records = _recorded(engine, self.target, self.folder, token, always=outlives)
        with private_scratch(engine, self.wiring.scratch, "chunks") as chunks:

            def order_for(task: Task, number: int) -> WorkOrder:
                name = attempt_name(task.task_id, number)
                if task.kind in PARTS and engine.shares_scratch and not outlives:
                    # What is joined is not published.
                    place = str(chunks / name)
                else:
                    place = self.target.place(self.folder, name, token=token)
                return WorkOrder(
                    task=task,
                    number=number,
                    place=place,
                    records=records(name),
                    profile=self.plan.profile.name,
                )

            return await invoke_all(
                self.plan.tasks,
                engine,
                budget=left_of(self.plan),
                order_for=order_for,
                observer=Reporter(self.plan, self.journal, self.listen),
                earlier=self.journal.earlier,
                kept=self.kept,
            )

    async def end(self, results: tuple[TaskResult, ...]) -> Manifest:
        """Publish, or raise what they failed with."""
        if not any(one.kind not in PARTS and has_succeeded(one) for one in results):
            # Siblings of what failed were cancelled: they are not to blame.
            for result in sorted(results, key=was_cancelled):
                await self._refuse_failure(result, results)
        return await self._publish(results)

    async def _refuse_failure(
        self, result: TaskResult, results: tuple[TaskResult, ...]
    ) -> None:
        last = result.attempts[-1]
        if last.outcome is OutcomeKind.SUCCEEDED:
            return
        error: TranscodeError = (
            revive(last.failure)
            if last.failure
            else WorkerLost(f"Task {result.task_id} ended as {last.outcome}.")
        )
        if not error.retryable:
            # What was overwritten or deleted under a worker looks like many things.
            try:
                await self._refuse_change()
            except ObjectChanged as exc:
                error = exc
            except TranscodeError as exc:
                error.add_note(f"The source was not found again: {exc}")
        raise self.with_manifest(error, results) from None

    async def _publish(self, results: tuple[TaskResult, ...]) -> Manifest:
        with span("deliver", {"transcode.folder": self.folder}):
            return await self._make_visible(results)

    async def _make_visible(self, results: tuple[TaskResult, ...]) -> Manifest:
        token, commit = self.journal.token, self.journal.commit
        # Each file lies where its attempt has put it.
        made = [
            (self._token_of(one), attempt_name(one.task_id, last.number), one.produced)
            for one in results
            if one.kind not in PARTS and one.produced and has_succeeded(one)
            for last in one.attempts[-1:]
        ]
        uris = {
            artifact.path: self.target.uri(
                self.folder, artifact.path, name=name, token=of
            )
            for of, name, produced in made
            for artifact in produced.artifacts
        }
        manifest = succeeded(
            self.plan,
            (*self.before, *results),
            ending_of("succeeded", self.started),
            uri=uris.__getitem__,
            location=self.target.uri(self.folder, name=made[0][1], token=made[0][0]),
        ).model_copy(update={"depth": self.order.source.depth})
        try:
            await self._refuse_change()
            manifest = await self.target.publish(
                self.folder,
                manifest,
                made=[name for of, name, _ in made if of == token],
                token=token,
                page=self._page(),
                commit=commit,
            )
        except ObjectExists:
            # Two runs of one job: the store decided, and the loser's answer is ours.
            winner = await self.target.find(self.folder)
            if winner is None:
                raise
            self.listen(AlreadyDone(winner))
            return winner
        except TranscodeError as exc:
            raise self.with_manifest(exc, results) from exc
        self.listen(Published(manifest))
        return manifest

    def _page(self) -> bytes | None:
        if not has_page(self.plan.tasks[0].task):
            return None
        # Of what no other job has use for.
        from .deliver.page import page  # noqa: PLC0415

        return page().body

    def _token_of(self, result: TaskResult) -> str:
        """Of the try that made it."""
        kept = self.kept.get(result.task_id)
        if kept is not None and result.attempts[-1] == kept.attempt:
            return token_of(kept.claim)
        return self.journal.token

    async def _refuse_change(self) -> None:
        """What was read must be what was planned for."""
        text, settings = self.order.request.source, self.wiring.settings
        await refuse_change(self.plan.source, text, settings)

    def with_manifest(
        self, error: TranscodeError, results: tuple[TaskResult, ...]
    ) -> TranscodeError:
        return refusal_of(self.plan, (*self.before, *results), error, self.started)


def refusal_of(
    plan: Plan, results: tuple[TaskResult, ...], error: TranscodeError, started: float
) -> TranscodeError:
    """*error* with a manifest of the failure, *results* on its bill."""
    error.manifest = failed(
        plan,
        results,
        ending_of(status_of(error), started),
        failure=error.describe(),
    )
    return error


def _recorded(
    engine: Engine,
    target: Destination,
    folder: str,
    token: str,
    *,
    always: bool = False,
) -> Callable[[str], str | None]:
    """Where the records of an attempt lie, by its name; nowhere where nobody asks."""

    def records(name: str) -> str | None:
        if engine.shares_scratch and not always:
            return None
        return target.records(folder, name, token=token)

    return records


def _refused(order: ResolvedRequest, error: TranscodeError, started: float) -> Manifest:
    """The manifest of what failed before there was a plan."""
    source, profile, platform = order.source, order.profile, order.platform
    return refused(
        order.job_id,
        SourceRecord(
            uri=source.uri, bytes=source.bytes, etag=source.etag, version=source.version
        ),
        ProfileRef(name=profile.name, digest=profile.digest),
        PlatformRef(name=platform.name, price_table=platform.price_table.isoformat()),
        engine=order.request.engine,
        currency=platform.currency,
        ending=ending_of(status_of(error), started),
        failure=error.describe(),
    )


async def _probe(
    source: Source, wiring: Wiring, *, accept_partial: bool = False
) -> Media:
    limits = ProbeLimits(
        wall_seconds=wiring.settings.probe_seconds,
        fence_required=wiring.settings.fence == "required",
    )
    with span("probe") as one:
        media = await probe(source, limits=limits, accept_partial=accept_partial)
        one.mark(
            {
                "transcode.container": media.container,
                "transcode.duration_seconds": media.duration_seconds,
            }
        )
    return media


async def _probe_and_prepare(
    source: Source, wiring: Wiring, constraints: Constraints
) -> Media:
    """The probe waits for another process; what the plan needs is read meanwhile."""
    helper = ThreadPoolExecutor(max_workers=1)
    try:
        ready = helper.submit(wiring.prepare)
        partial = constraints.accept_partial
        media = await _probe(source, wiring, accept_partial=partial)
        await anyio.to_thread.run_sync(ready.result)
    finally:
        helper.shutdown(wait=False, cancel_futures=True)
    return media
