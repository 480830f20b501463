"""
One call of a function that does the whole job, in its own spec and remaining time.

    event → uploads → jobs → work until shortly before the end → what became of each

The platforms' own words are in `handlers/`; nothing here knows which one calls.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

from ..contract import Attempt, Spec, StoreRequests, Upload, Usage
from ..contract.job import JobReport
from ..errors import EventError, StoreDown, TranscodeError
from ..event.envelopes import batch
from ..event.parse import parse
from ..event.verdict import Ignored
from ..hooks import AttemptEnded, Event, Taken
from ..jobs.deliveries import Deliveries
from ..jobs.documents import as_ours, became, passed_over, shown, stands
from ..jobs.ingest import Ingest, open_jobs
from ..jobs.service import JobService
from ..jobs.turns import take_turns
from ..meter import Meter, metering
from ..platforms.requests import SOURCE_GETS
from ..store.connections import keep_open
from ..store.counting import Tally, counting
from ..tracing.spans import flush, span
from ..wiring import own_mib
from .beside import enter_beside
from .runtime import LOCAL, Function
from .task import go_on, perform_task, task_of

_VERDICT_SECONDS = 1.5
"""Before the platform's kill, whatever hangs, what was found out is returned: the
platform has it a second before."""
_WORTH_SECONDS = 2.0
"""In less, a worker does not even start."""
_PLAN_MIB = 96
"""Of one job that is planned: the process that opens its source, 60 to 80 MiB."""
_PLANS = 8
"""More wait for one processor anyway; each has connections of its own."""
_APART = "functiongraph"
"""What a function has for itself is the same on every platform."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a platform says of one call."""

    id: str
    seconds_left: float | None
    """None where it does not tell: then the work is not cut short."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of everything that an event told of."""

    document: Mapping[str, Any]
    again: tuple[str, ...]
    """Messages of a queue that are to be delivered again."""
    trouble: TranscodeError | None
    """Why the whole is worth repeating: a store that does not answer."""


def is_timer(event: object) -> bool:
    """Whether a clock calls, of FunctionGraph or EventBridge: then it is a sweep."""
    return isinstance(event, Mapping) and (
        event.get("trigger_type") == "TIMER"
        or event.get("detail-type") == "Scheduled Event"
        or event.get("transcode") == "sweep"
    )


def is_turn(event: object) -> bool:
    """Whether a task has made room, and jobs are to be begun that wait for some."""
    return isinstance(event, Mapping) and event.get("transcode") == "turn"


async def answer(function: Function, event: object, invocation: Invocation) -> Answer:
    """
    Keep a job for every upload, do what there is time for, and say what became of it.

    Work that does not fit into the remaining time is handed back: the job waits for
    the next call. A clock's event carries on with whatever waits. Raises nothing that
    is foreseen.
    """
    records = task_of(event)
    if records is not None:
        return await _carry_out(function, records, invocation)
    left = invocation.seconds_left
    hard = None if left is None else max(left - _VERDICT_SECONDS, 0)
    call = _Call(function, invocation)
    with (
        metering() as meter,
        counting() as call.tally,
        anyio.move_on_after(hard) as scope,
    ):
        try:
            async with keep_open():
                with span("event"):
                    await call.run(event, meter)
                await anyio.to_thread.run_sync(flush)
        except Exception as exc:  # noqa: BLE001 - the outermost edge; it is answered
            call.failed(exc)
    if scope.cancelled_caught:
        call.failed(StoreDown("The store did not answer before our time was over."))
    return call.answer()


async def _carry_out(
    function: Function, records: str, invocation: Invocation
) -> Answer:
    """One task of somebody else's job, in the spec that was chosen for it."""
    document: dict[str, Any] = {"uploads": [], "ignored": [], "jobs": [], "errors": []}
    before, meter = function.take_unbilled(), Meter()
    try:
        async with keep_open():
            ours = await perform_task(
                records,
                function.wiring,
                given=function.spec,
                before_seconds=before,
                seconds_left=invocation.seconds_left,
                invocation=invocation.id,
            )
            if ours:
                before, meter = 0.0, Meter()
            rest = _Rest(function, invocation, meter, before, requests=1 - ours)
            report = await go_on(records, function.wiring, rest.enter)
            if report is not None:
                document["jobs"] = [stands(report)]
    except Exception as exc:  # noqa: BLE001 - the outermost edge; it is answered
        error = as_ours(exc)
        document["errors"] = [shown(error.describe())]
        # What cannot succeed is not called again.
        return Answer(document, (), error if error.mendable else None)
    return Answer(document | {"task": records, "ours": ours}, (), None)


@dataclass(frozen=True, slots=True)
class _Rest:
    """
    What a task's call takes after its attempt, of which the report is written by then;
    all of it, where somebody else has done the task.
    """

    function: Function
    invocation: Invocation
    meter: Meter
    before_seconds: float
    requests: int

    async def enter(self, service: JobService, report: JobReport, asked: Tally) -> None:
        spec = self.function.spec
        if spec is None:
            return
        used = self.meter.read()
        more = {
            "wall_seconds": used.wall_seconds + self.before_seconds,
            # The kernel adds up the bytes of children that ended: not ours alone.
            "read_bytes": None,
            "written_bytes": None,
            "requests": self.requests,
        }
        await enter_beside(
            service,
            [report],
            used.model_copy(update=more),
            store=StoreRequests(puts=asked.puts, gets=asked.gets, counted=True),
            platform=self.function.platform,
            spec=spec,
            call=self.invocation.id,
        )


def plans_at_once(spec: Spec | None) -> int:
    """How many jobs a function of this spec plans side by side; pure."""
    if spec is None:
        return 1
    room = spec.memory_mib - own_mib(_APART)
    return min(max(room // _PLAN_MIB, 1), _PLANS)


def _collecting(ended: list[str]) -> Callable[[str], Awaitable[None]]:
    async def later(job: str) -> None:
        ended.append(job)

    return later


@dataclass
class _Call:
    function: Function
    invocation: Invocation
    started: float = field(default_factory=time.monotonic)
    uploads: list[dict[str, Any]] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    errors: list[TranscodeError] = field(default_factory=list)
    jobs: dict[str, JobReport] = field(default_factory=dict)
    worked: list[str] = field(default_factory=list)
    """Of those, for which this call has done something."""
    asked: dict[str, set[str]] = field(default_factory=dict)
    """Message of a queue → the jobs that it became."""
    again: set[str] = field(default_factory=set)
    untold: set[str] = field(default_factory=set)
    """Messages of whose uploads it is not known whether they are kept."""
    attempts: list[Attempt] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    """What the call has asked of the store so far."""

    async def run(self, event: object, meter: Meter) -> None:
        function = self.function
        told = not is_timer(event) and not is_turn(event)
        found, owners = self._parse(event) if told else ([], {})
        async with JobService.open(
            function.wiring, to=function.rule.request.to
        ) as service:
            ingest = Ingest(service, function.rule)
            if is_timer(event):
                await self._sweep(service, ingest)
            for upload, one in await ingest.take_each(found):
                self._told(upload, one, owners.get(upload.uri, set()))
            self.untold.clear()
            ended: list[str] = []
            service.later = _collecting(ended)
            if is_turn(event):
                await self._take_turns(service)
            else:
                await self._work(service)
            await self._tell(service, ended)
            await self._enter(service, meter)

    def _parse(self, event: object) -> tuple[list[Upload], dict[str, set[str]]]:
        """The uploads, and which messages told of each."""
        only = self.function.rule.only
        queued = batch(event) if isinstance(event, Mapping) else ()
        messages = queued or (("", event),)
        found: list[Upload] = []
        owners: dict[str, set[str]] = {}
        for name, message in messages:
            try:
                parsed = parse(message, only=only)  # type: ignore[arg-type]
            except EventError as exc:
                # Only its dead-letter queue keeps what nobody understands.
                self.errors.append(exc)
                self.again |= {name} - {""}
                continue
            found += parsed.uploads
            self.ignored += parsed.ignored
            for upload in parsed.uploads:
                owners.setdefault(upload.uri, set()).update({name} - {""})
        self.untold = set[str]().union(*owners.values())
        return found, owners

    def _told(self, upload: Upload, one: Taken | Exception, names: set[str]) -> None:
        self.uploads.append(became(upload.uri, one))
        if isinstance(one, Exception):
            self.errors.append(as_ours(one))
            self.again |= names
        elif one.report is not None:
            self.jobs[one.report.job_id] = one.report
            for name in names:
                self.asked.setdefault(name, set()).add(one.report.job_id)

    async def _sweep(self, service: JobService, ingest: Ingest) -> None:
        sources = self.function.wiring.settings.sources or ""
        for source in sources.split():
            async for group in ingest.look(source):
                for one in group:
                    if isinstance(one, Taken):
                        self.uploads.append(became(one.uri, one))
                    else:
                        self.errors.append(one.error)
        async for submission in open_jobs(service):
            job = submission.job_id
            self.jobs[job] = await service.report(job)

    async def _take_turns(self, service: JobService) -> None:
        width = plans_at_once(self.function.spec)
        for report in await take_turns(
            service, width, self.errors.append, listen=self._hear
        ):
            self.jobs[report.job_id] = report
            self.worked.append(report.job_id)

    async def _work(self, service: JobService) -> None:
        """
        The highest priority first, and of one priority who has waited longest. Jobs
        whose tasks are calls of their own are planned side by side, as many as there is
        memory for; then those that are done here.
        """
        waiting = [job for job, report in self.jobs.items() if not report.over]
        asked = {job: self.jobs[job].submission for job in waiting}
        waiting.sort(key=lambda job: (-asked[job].priority, asked[job].submitted_at))
        apart = [it for it in waiting if self.jobs[it].submission.engine != LOCAL]
        here = [it for it in waiting if self.jobs[it].submission.engine == LOCAL]
        planning = iter(apart)
        async with anyio.create_task_group() as group:
            for _ in range(min(plans_at_once(self.function.spec), len(apart))):
                group.start_soon(self._each, service, planning)
        await self._each(service, iter(here))

    async def _each(self, service: JobService, jobs: Iterator[str]) -> None:
        """While there is time, the next of *jobs*, which others may take from, too."""
        margin = self.function.wiring.settings.margin_seconds
        for job in jobs:
            left = self._seconds_left()
            if left is not None and left - margin < _WORTH_SECONDS:
                break
            before = self.jobs[job]
            try:
                # Asked once: of a store that takes no notice of conditions, nobody
                # would look whether somebody else has claimed the job.
                await service.bucket.is_conditional()
                if self.jobs[job].submission.engine != LOCAL:
                    # Each of its tasks is a call of its own; nobody waits for them.
                    self.jobs[job] = await service.start(job, listen=self._hear)
                else:
                    self.jobs[job] = await service.perform(
                        job,
                        listen=self._hear,
                        seconds_left=None if left is None else left - margin,
                    )
                after = self.jobs[job]
                if after.over or after.tries != before.tries:
                    self.worked.append(job)
            except Exception as exc:  # noqa: BLE001 - one job must not end the others
                self.errors.append(as_ours(exc))

    async def _tell(self, service: JobService, ended: Sequence[str]) -> None:
        """
        All at once, after the work and within what is left: a destination that hangs
        holds up no job, and is told by the next call or sweep.
        """
        left = self._seconds_left()
        margin = self.function.wiring.settings.margin_seconds
        telling = Deliveries(service.tell, self._hear)
        with anyio.move_on_after(None if left is None else max(left - margin, 0)):
            async with anyio.create_task_group() as group:
                group.start_soon(telling.work)
                for job in ended:
                    await telling.add(job)
                await telling.once()
                group.cancel_scope.cancel()

    def _hear(self, event: Event) -> None:
        if isinstance(event, AttemptEnded):
            self.attempts.append(event.attempt)

    def _seconds_left(self) -> float | None:
        given = self.invocation.seconds_left
        return None if given is None else given - (time.monotonic() - self.started)

    async def _enter(self, service: JobService, meter: Meter) -> None:
        """
        What this call took beside its attempts, in equal parts for the jobs that it has
        worked on: a sweep may see a thousand others.
        """
        spec, platform = self.function.spec, self.function.platform
        if spec is None or not self.jobs:
            return
        used = _beside(meter.read(), self.attempts, self.function.take_unbilled())
        await enter_beside(
            service,
            [self.jobs[it] for it in self.worked or list(self.jobs)[:1]],
            used,
            store=self._asked(),
            platform=platform,
            spec=spec,
            call=self.invocation.id,
        )

    def _asked(self) -> StoreRequests | None:
        """What the call asked of the store beside what its attempts did."""
        own = self.tally
        counted = [
            it.measured.store
            for it in self.attempts
            if it.measured and it.measured.store and it.measured.store.counted
        ]
        # The encoder's reading of a source is on an attempt's bill, and not counted.
        puts = own.puts - sum(it.puts for it in counted)
        gets = own.gets - sum(it.gets - SOURCE_GETS for it in counted)
        if not own:
            return None
        return StoreRequests(puts=max(puts, 0), gets=max(gets, 0), counted=True)

    def failed(self, exc: BaseException) -> None:
        self.errors.append(as_ours(exc))
        self.again |= self.untold

    def answer(self) -> Answer:
        trouble = next((e for e in self.errors if not isinstance(e, EventError)), None)
        for name, jobs in self.asked.items():
            # The message is our reminder of a job that is not over.
            if any(not self.jobs[job].over for job in jobs):
                self.again.add(name)
        document = {
            "uploads": self.uploads,
            "ignored": passed_over(self.ignored),
            "jobs": [stands(report) for report in self.jobs.values()],
            "errors": [shown(error.describe()) for error in self.errors],
        }
        return Answer(document, tuple(sorted(self.again)), trouble)


def _beside(used: Usage, attempts: list[Attempt], before: float) -> Usage:
    """*used* without what is on the bill as attempts, and with what came before."""
    measured = [a.measured for a in attempts if a.measured is not None]
    wall = used.wall_seconds - sum(m.wall_seconds for m in measured)
    cpu = used.cpu_seconds - sum(m.cpu_seconds for m in measured)
    return used.model_copy(
        update={
            "wall_seconds": max(wall, 0.0) + before,
            "cpu_seconds": max(cpu, 0.0),
            # The kernel adds up the bytes of children that ended: not ours alone.
            "read_bytes": None,
            "written_bytes": None,
            "requests": 0 if measured else 1,
        }
    )
