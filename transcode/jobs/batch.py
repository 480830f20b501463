"""Many sources at once: which are meant, and jobs made of them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import anyio

from ..contract.job import JobReport
from ..errors import SourceNotFound
from ..hooks import Listener
from ..request import look_up
from ..settings import Settings
from ..store.open import bucket
from ..wiring import Wiring
from .ingest import Rule, rule_for
from .runner import Runner
from .service import JobService

_POLL_SECONDS = 0.5
"""How often a job that somebody else works on is looked at."""


async def expand(named: Sequence[str], settings: Settings) -> tuple[str, ...]:
    """
    *named* with every `*` and `?` in the last part of an s3 address resolved.

    Raises `SourceNotFound` for a pattern that nothing matches. Local patterns are the
    shell's.
    """
    found: list[str] = []
    for text in named:
        folder, _, pattern = text.rpartition("/")
        if not text.startswith("s3://") or not set(pattern) & set("*?"):
            found.append(text)
            continue
        async with bucket(folder, settings) as objects:
            matching = [
                objects.uri(entry.key)
                async for entry in objects.entries()
                if fnmatchcase(entry.key, pattern) and "/" not in entry.key
            ]
        if not matching:
            raise SourceNotFound(f"Nothing matches {text!r}.", uri=text)
        found += matching
    return tuple(dict.fromkeys(found))


async def submit_all(
    wiring: Wiring,
    rule: Rule,
    sources: Sequence[str],
    *,
    wait: bool,
    listen: Listener,
) -> tuple[JobReport, ...]:
    """
    A job for each source, in order; with *wait*, where each stands at its end.

    All sources are looked up before the first is kept, so that a mistyped one leaves
    nothing behind. While waiting, the jobs are worked on here, too.
    """
    rule_for(wiring, rule)
    to = rule.request.to
    async with JobService.open(wiring, to=to) as service:
        requests = [
            rule.request.model_copy(update={"source": text}) for text in sources
        ]
        orders = [await look_up(request, wiring) for request in requests]
        kept = [
            await service.submit(
                request, tags=rule.tags, priority=rule.priority, order=order
            )
            for request, order in zip(requests, orders, strict=True)
        ]
        reports = [report for report, _ in kept]
        if not wait:
            return tuple(reports)
        concurrency = max(1, wiring.machine.milli_cpus // 1000) + 1
        runner = Runner(service, concurrency, listen)
        async with anyio.create_task_group() as group:
            group.start_soon(runner.work)
            ended = [await _until_over(service, runner, report) for report in reports]
            group.cancel_scope.cancel()
    return tuple(ended)


async def _until_over(
    service: JobService, runner: Runner, report: JobReport
) -> JobReport:
    while not report.over:
        await runner.add(report.job_id, priority=report.submission.priority)
        await runner.idle()
        report = await service.report(report.job_id)
        if not report.over:
            await anyio.sleep(_POLL_SECONDS)
    return report
