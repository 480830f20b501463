"""The server's life: the job service, a runner, and a door for callers."""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from ..hooks import (
    AttemptEnded,
    Ended,
    Event,
    Listener,
    Planned,
    Published,
    Taken,
    TakenOver,
)
from ..jobs.ingest import Ingest, Rule
from ..jobs.runner import Runner, working
from ..jobs.service import JobService
from ..ledger.index import Index
from ..store.open import state_name
from ..wiring import Wiring
from .access import Access
from .api import Counter, app
from .files import place_of_uploads
from .health import Health
from .listener import answering
from .listing import Listing
from .live import Live
from .metrics import JOBS, QUEUE, TAKEOVERS, Metrics, Sample, of_event, of_told

_REMEMBERED = 10_000
"""Jobs whose end was counted: a failed one is looked at again while it is told of."""


@dataclass
class Feed:
    """Adds up for `/metrics` what happens, and passes it on."""

    metrics: Metrics
    platform: str
    onward: Listener
    live: Live = field(default_factory=Live)
    changed: Callable[[], None] = lambda: None
    """Told where a job came to be, or to another state."""
    _counted: OrderedDict[tuple[str, int], None] = field(default_factory=OrderedDict)

    def __call__(self, event: Event) -> None:
        if isinstance(event, AttemptEnded | Published):
            self.metrics.add(of_event(event, platform=self.platform))
        elif isinstance(event, TakenOver):
            self.metrics.add([Sample(TAKEOVERS, 1)])
        elif isinstance(event, Ended):
            self._ended(event)
        if isinstance(event, Taken | TakenOver | Planned | Published | Ended):
            self.changed()
        self.live(event)
        self.onward(event)

    def _ended(self, event: Ended) -> None:
        report = event.report
        # A success was counted as it was published, here or by another.
        if not report.over or report.status == "succeeded":
            return
        key = (report.job_id, report.tries)
        if key in self._counted:
            return
        self._counted[key] = None
        if len(self._counted) > _REMEMBERED:
            self._counted.popitem(last=False)
        self.metrics.add([Sample(JOBS, 1, (report.status,))])


async def serve(  # noqa: PLR0913 - what to serve, where, for whom
    wiring: Wiring,
    rule: Rule,
    listener: socket.socket,
    *,
    sources: Sequence[str] | None,
    concurrency: int,
    listen: Listener,
) -> None:
    """
    Take events and submissions, and work on the jobs, until cancelled.

    Then connections are accepted no more, what is being answered is answered, and what
    is being worked on is handed back.
    """
    metrics = Metrics()
    platform = wiring.platform_of(rule.request.engine, rule.request.platform)
    feed = Feed(metrics, platform.name, listen)
    async with (
        wiring.announcer(lambda told: metrics.add(of_told(told))) as tells,
        JobService.open(wiring, to=rule.request.to, tells=tells) as service,
        _indexed(wiring, service) as index,
        anyio.create_task_group() as group,
    ):
        listing = Listing(index, service.bucket, feed)
        feed.changed = listing.changed
        runner = Runner(service, concurrency, feed)

        def queue() -> None:
            for status, count in runner.counts().items():
                metrics.add([Sample(QUEUE, count, (status,))])

        counter = Counter(
            service,
            Ingest(service, rule),
            runner,
            metrics,
            queue,
            sources,
            Access(wiring.settings.tokens, wiring.settings.host_names),
            Health(service.repository.now),
            feed,
            feed.live,
            listing,
            images=wiring.settings.profiles_dir,
            uploads_to=place_of_uploads(sources),
        )
        group.start_soon(listing.keep_fresh)
        group.start_soon(_until_the_end, feed.live)
        await group.start(answering, app(counter), listener)
        group.start_soon(working, service, runner)


@asynccontextmanager
async def _indexed(wiring: Wiring, service: JobService) -> AsyncIterator[Index]:
    with Index.open(
        wiring.index_folder, state_name(service.bucket, wiring.settings)
    ) as index:
        yield index


async def _until_the_end(live: Live) -> None:
    """Streams end first: the server waits for what is being answered."""
    try:
        await anyio.sleep_forever()
    finally:
        live.close()
