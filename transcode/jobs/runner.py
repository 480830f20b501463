"""Watching for uploads and working on jobs, for ever or for one round."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import anyio

from ..contract import Value
from ..contract.job import JobReport
from ..contract.status import OPEN
from ..errors import TranscodeError, UsageError
from ..hooks import Ended, Event, Listener, Taken, Troubled, Weaker
from ..retry import RetryPolicy
from .deliveries import Deliveries
from .documents import as_ours
from .finalize import room_needed_mib
from .ingest import Ingest, open_jobs
from .service import JobService
from .source_look import refuse_source

_AGAIN = RetryPolicy(1, maximum_interval_seconds=60)
"""While a store does not answer."""

_BROKEN_OFF = timedelta(days=1)
"""No upload of one object takes so long."""
_LOOKS = 2
"""Further ones of a round, for files that are in the making."""


class Swept(Value):
    """What a round found and did."""

    uploads_taken: int
    """New jobs made of uploads that nobody had told us of."""
    ended: Mapping[str, int]
    """Jobs that came to their end, by status."""
    left: int
    """Jobs that others work on, or that wait for another try."""


@dataclass
class Runner:
    """Works on jobs, some at a time: the highest priority first, then the oldest."""

    service: JobService
    concurrency: int
    listen: Listener
    left: dict[str, str] = field(default_factory=dict)
    """Jobs that could not be brought to their end here and now → how they stand."""
    cramped: dict[str, JobReport] = field(default_factory=dict)
    """Jobs that ended here for want of scratch: opened again once there is room."""
    deliveries: Deliveries = field(init=False)
    """Tells of what has ended, beside the work."""
    _said: dict[str, str | None] = field(default_factory=dict)
    """Jobs that are open → what was said of each last."""
    _queue: list[tuple[int, int, str]] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _count: int = 0
    _news: anyio.Condition = field(default_factory=anyio.Condition)

    def __post_init__(self) -> None:
        self.deliveries = Deliveries(self.service.tell, self.listen)

    async def add(self, job: str, *, priority: int = 0) -> None:
        """Have *job* worked on; one that is queued or in work is not queued again."""
        async with self._news:
            if job not in self._known:
                self._known.add(job)
                self._count += 1
                heapq.heappush(self._queue, (-priority, self._count, job))
                self._news.notify()

    def counts(self) -> dict[str, int]:
        """Jobs that we know of and that have not ended, by state."""
        counts = dict.fromkeys(map(str, OPEN), 0)
        counts["waiting"] += len(self._queue)
        counts["running"] += len(self._known) - len(self._queue)
        for job in self.left.keys() - self._known:
            # What could not be looked at waits for whoever can.
            counts[self.left[job] if self.left[job] in counts else "waiting"] += 1
        counts["telling"] = len(self.deliveries)
        return counts

    def knows(self, job: str) -> bool:
        """Whether *job* is queued, in work or being told of."""
        return job in self._known or self.deliveries.knows(job)

    async def idle(self) -> None:
        """Wait until nothing is queued or in work, and every end was told once."""
        async with self._news:
            while self._known:
                await self._news.wait()
        await self.deliveries.once()

    async def work(self) -> None:
        """For ever; cancelled, it hands back what it works on."""
        self.service.later = self.deliveries.add
        self.service.sharing = lambda: max(1, len(self._known))
        try:
            async with anyio.create_task_group() as group:
                for _ in range(self.concurrency):
                    group.start_soon(self._work_next)
                group.start_soon(self.deliveries.work)
        finally:
            self.service.later = None
            self.service.sharing = lambda: 1

    async def _work_next(self) -> None:
        while True:
            async with self._news:
                while not self._queue:
                    await self._news.wait()
                _, _, job = heapq.heappop(self._queue)
            self.left.pop(job, None)
            try:
                report = await self.service.perform(job, listen=self.listen)
                self._known.discard(job)
                self._say(report)
                if not report.over:
                    self.left[job] = report.status
                elif room_needed_mib(report):
                    self.cramped[job] = report
            except Exception as exc:  # noqa: BLE001 - one job must not end the others
                # The job is as open as before; the next patrol finds it again.
                error = as_ours(exc)
                self.left[job] = error.message
                self.listen(Troubled(error, self.service.wiring.settings.lease_seconds))
            async with self._news:
                self._known.discard(job)
                self._news.notify_all()

    def forget(self, job: str) -> None:
        """It is not ours to bring to its end any more."""
        self.left.pop(job, None)
        self._said.pop(job, None)

    def _say(self, report: JobReport) -> None:
        """A job that waits is looked at once a lease, and is news where it changed."""
        job = report.job_id
        if report.over:
            self._said.pop(job, None)
        elif self._said.get(job) == report.detail:
            return
        else:
            self._said[job] = report.detail
        self.listen(Ended(report))


async def requeue_open(service: JobService, runner: Runner) -> None:
    """Queue every job that is not over, whoever took it in and whatever befell it."""
    lease = service.wiring.settings.lease_seconds
    found = set()
    for job, report in tuple(runner.cramped.items()):
        if service.has_room(report):
            runner.cramped.pop(job, None)
            # As it is now: others may have seen to it.
            await service.reopen(await service.report(job))

    def known(job: str) -> bool:
        found.add(job)
        return runner.knows(job)

    def troubled(error: TranscodeError) -> None:
        runner.listen(Troubled(error, lease))

    async for submission in open_jobs(service, troubled, known=known):
        await runner.add(submission.job_id, priority=submission.priority)
    for job in runner.left.keys() - found:
        runner.forget(job)  # somebody else ended it


async def sweep(
    service: JobService,
    ingest: Ingest,
    sources: Sequence[str],
    *,
    concurrency: int,
    listen: Listener,
) -> Swept:
    """
    One round: take uploads without a job, carry on with every job that is not over.

    Returns when nothing is left that can be done now. A second round right after it
    does nothing. Raises what the store raises.
    """
    await _refuse_sources(service, sources, listen)
    await _ask_for_conditions(service, listen)
    await service.bucket.collect(older_than=_BROKEN_OFF)
    ended: Counter[str] = Counter()

    def heard(event: Event) -> None:
        if isinstance(event, Ended) and event.report.over:
            ended[event.report.status] += 1
        listen(event)

    runner = Runner(service, concurrency, heard)
    failures: list[Exception] = []
    taken = 0
    async with anyio.create_task_group() as group:
        group.start_soon(runner.work)
        for source in sources:
            try:
                taken += await _look_patiently(ingest, source, runner)
            except Exception as exc:  # noqa: BLE001 - raised below; others go on
                failures.append(exc)
        try:
            await requeue_open(service, runner)
        except Exception as exc:  # noqa: BLE001 - out of a task group it were a group
            failures.append(exc)
        await runner.idle()
        group.cancel_scope.cancel()
    for failure in failures:
        raise failure
    return Swept(uploads_taken=taken, ended=dict(ended), left=len(runner.left))


async def watch(  # noqa: PLR0913 - what to watch, for whom, how often
    service: JobService,
    ingest: Ingest,
    sources: Sequence[str],
    *,
    every_seconds: float,
    concurrency: int,
    listen: Listener,
) -> None:
    """
    Take uploads as they come and work on jobs, until cancelled.

    What another process left unfinished is carried on as soon as its lease is over. A
    store that does not answer, a full disk or a key that has expired is waited for.
    Raises where a source or the place of results is wrong from the start.
    """
    await _refuse_sources(service, sources, listen)
    runner = Runner(service, concurrency, listen)
    async with anyio.create_task_group() as group:
        group.start_soon(working, service, runner)
        for source in sources:
            group.start_soon(_watching, ingest, source, every_seconds, runner)


async def working(service: JobService, runner: Runner) -> None:
    """
    Work and patrol, for ever, once it is known what the store can promise.

    Nothing is claimed before: of a store that takes no notice of conditions, nobody
    would look whether somebody else has.
    """
    for retry in itertools.count(1):
        try:
            await _ask_for_conditions(service, runner.listen)
            break
        except UsageError:
            raise  # it was set up like this
        except Exception as exc:  # noqa: BLE001 - said, and tried again
            await _wait(retry, exc, runner.listen)
    async with anyio.create_task_group() as group:
        group.start_soon(runner.work)
        group.start_soon(requeueing, service, runner)


async def _refuse_sources(
    service: JobService, sources: Sequence[str], listen: Listener
) -> None:
    """Raise for one that is wrong; one that does not answer now is waited for."""
    for source in sources:
        try:
            await refuse_source(source, service.wiring.settings)
        except UsageError:
            raise
        except TranscodeError as exc:
            listen(Troubled(exc, _AGAIN.interval_seconds(1)))


async def _ask_for_conditions(service: JobService, listen: Listener) -> None:
    """Find out, and say where the store cannot promise them."""
    if not await service.bucket.is_conditional():
        listen(Weaker(service.bucket.uri()))


async def _watching(
    ingest: Ingest, source: str, every_seconds: float, runner: Runner
) -> None:
    retry = 0
    while True:
        try:
            await _look(ingest, source, runner)
            retry = 0
            await anyio.sleep(every_seconds)
        except Exception as exc:  # noqa: BLE001 - said, and tried again
            retry += 1
            await _wait(retry, exc, runner.listen)


async def _wait(retry: int, exc: Exception, listen: Listener) -> None:
    listen(Troubled(as_ours(exc), _AGAIN.interval_seconds(retry)))
    await anyio.sleep(_AGAIN.wait_seconds(retry, random.random()))  # noqa: S311


async def requeueing(service: JobService, runner: Runner) -> None:
    """`requeue_open`, once a lease, for ever; a store that is down is waited for."""
    while True:
        try:
            await requeue_open(service, runner)
        except Exception as exc:  # noqa: BLE001 - said, and tried again
            lease = service.wiring.settings.lease_seconds
            runner.listen(Troubled(as_ours(exc), lease))
        await anyio.sleep(service.wiring.settings.lease_seconds)


async def _look(ingest: Ingest, source: str, runner: Runner) -> int:
    """How many new jobs there are; the runner begins with the first of them at once."""
    taken = 0
    async for group in ingest.look(source):
        for event in group:
            runner.listen(event)
            if isinstance(event, Taken):
                taken += event.new
                report = event.report
                if report is not None and not report.over:
                    await runner.add(report.job_id, priority=report.submission.priority)
    return taken


async def _look_patiently(ingest: Ingest, source: str, runner: Runner) -> int:
    """As `_look`, but what was put there this moment is waited for, for a few looks."""
    taken = await _look(ingest, source, runner)
    for _ in range(_LOOKS):
        if not ingest.places[source].unsettled:
            break
        await anyio.sleep(ingest.rule.settle_seconds)
        taken += await _look(ingest, source, runner)
    return taken
