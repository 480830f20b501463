"""Commands for jobs that nobody waits for: submit, watch, sweep, cancel, retry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from ..job_options import (
    concurrency_option,
    log_option,
    prefix_option,
    priority_option,
    rule_of,
    settle_option,
    tag_option,
    to_option,
)
from ..options import (
    JOB,
    Duration,
    Text,
    engine_option,
    output_options,
    planning_options,
)
from .info import wiring

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ...contract.job import JobReport
    from ...hooks import Listener
    from ...jobs.ingest import Rule
    from ...jobs.service import JobService


@click.command(short_help="Keep jobs to be done by whoever watches, or wait for them.")
@click.argument("sources", type=Text("SOURCE"), nargs=-1)
@click.option(
    "--from",
    "listing",
    type=click.File(encoding="utf-8"),
    help="A file with one SOURCE a line; - for standard input.",
)
@to_option
@planning_options
@engine_option
@tag_option
@priority_option
@click.option("--wait", is_flag=True, help="Work on them here, and wait for the end.")
@output_options
def submit(  # noqa: PLR0913 - one argument per option
    *,
    sources: tuple[str, ...],
    listing: Any,
    to: str,
    tags: tuple[tuple[str, str], ...],
    priority: int,
    wait: bool,
    as_json: bool,
    **planning: Any,
) -> None:
    """
    Keep a job for each SOURCE; `transcode watch` or `sweep` on the same --to does them.

    The same version of a source under the same profile is one job, however often it
    is submitted. A * in the last part of an s3:// address means all that match.

    \b
    Examples:
      transcode submit in/*.mov --to s3://results/videos --tag customer=42
      transcode submit s3://uploads/in/*.mp4 --profile mp4 --wait
      transcode submit --from list.txt --priority 10
    """
    from ...jobs.batch import expand, submit_all
    from ...signals import run_to_the_end

    named = [*sources, *(line.strip() for line in listing or () if line.strip())]
    if not named:
        raise click.UsageError("Give at least one SOURCE, or --from a file of them.")
    wired = wiring()
    rule = rule_of(to, planning, tags=tags, priority=priority)

    async def work() -> tuple[JobReport, ...]:
        each = await expand(named, wired.settings)
        return await submit_all(wired, rule, each, wait=wait, listen=say)

    reports = run_to_the_end(work)
    _show(reports, as_json=as_json, to=to)
    click.get_current_context().exit(_exit_code(reports) if wait else 0)


@click.command(short_help="Take uploads as they come, and do them.")
@click.argument("sources", type=Text("SOURCE"), nargs=-1, required=True)
@to_option
@planning_options
@engine_option
@tag_option
@priority_option
@prefix_option
@click.option(
    "--every",
    type=Duration(),
    default=5.0,
    show_default="5s",
    help="How often to look: 5, 30s, 1m.",
)
@settle_option(10.0)
@concurrency_option
@log_option
def watch(  # noqa: PLR0913 - one argument per option
    *,
    sources: tuple[str, ...],
    to: str,
    tags: tuple[tuple[str, str], ...],
    priority: int,
    suffixes: tuple[str, ...],
    every: float,
    settle: float,
    concurrency: int | None,
    log_format: Any,
    **planning: Any,
) -> None:
    """
    Watch SOURCE, a folder or s3://bucket/prefix, and do what arrives there, for ever.

    Jobs that were submitted, or that another process left unfinished, are done too.
    A file counts when nobody writes to it any more. Ctrl-C or SIGTERM hands back what
    is being worked on; the next to watch carries on. SIGTERM ends with 0.

    \b
    Examples:
      transcode watch in --to out
      transcode watch s3://uploads/in/ --to s3://results/videos --profile mp4
    """
    from ...jobs.runner import watch as run_service
    from ...signals import run_to_the_end
    from ..log import warn_of_root, writing

    rule = rule_of(
        to,
        planning,
        tags=tags,
        priority=priority,
        suffixes=suffixes,
        settle_seconds=settle,
    )
    warn_of_root(log_format)
    listen = writing(log_format)
    run_to_the_end(
        lambda: _at_desk(run_service, rule, sources, concurrency, listen, every=every),
        serves=True,
    )


@click.command(short_help="One round: find what was missed or left, and do it.")
@click.argument("sources", type=Text("SOURCE"), nargs=-1)
@to_option
@planning_options
@engine_option
@tag_option
@priority_option
@prefix_option
@settle_option(2.0)
@concurrency_option
@log_option
@output_options
def sweep(  # noqa: PLR0913 - one argument per option
    *,
    sources: tuple[str, ...],
    to: str,
    tags: tuple[tuple[str, str], ...],
    priority: int,
    suffixes: tuple[str, ...],
    settle: float,
    concurrency: int | None,
    log_format: Any,
    as_json: bool,
    **planning: Any,
) -> None:
    """
    Find uploads in SOURCE without a job and jobs that were left, and do them all.

    What a cron job runs where events may be lost. Without SOURCE, only known jobs are
    looked at. A second sweep right after has nothing to do.

    \b
    Examples:
      transcode sweep s3://uploads/in/ --to s3://results/videos
      transcode sweep --to out
    """
    from ...jobs.runner import sweep as run_sweep
    from ...signals import run_to_the_end
    from ..log import writing

    rule = rule_of(
        to,
        planning,
        tags=tags,
        priority=priority,
        suffixes=suffixes,
        settle_seconds=settle,
    )
    listen = writing(log_format)
    swept = run_to_the_end(
        lambda: _at_desk(run_sweep, rule, sources, concurrency, listen)
    )
    if as_json:
        click.echo(swept.to_json(indent=2))
        return
    ended = ", ".join(f"{count} {status}" for status, count in swept.ended.items())
    click.echo(
        f"{swept.uploads_taken} new uploads; {ended or 'no job to do'}; "
        f"{swept.left} left for later"
    )


@click.command(short_help="Have a job stopped.")
@click.argument("job", type=JOB)
@to_option
@output_options
def cancel(*, job: str, to: str, as_json: bool) -> None:
    """
    Stop JOB: its id, the first digits of it, or its folder of results.

    A worker that is at it notices within a third of TRANSCODE_LEASE_SECONDS, ends its
    encoder and removes what it made. `transcode retry` takes it back.

    \b
    Examples:
      transcode cancel 9f2c41 --to out
    """
    _one(lambda service, found: service.cancel(found), job, to, as_json=as_json)


@click.command(short_help="Have a failed or cancelled job tried again.")
@click.argument("job", type=JOB)
@click.option(
    "--task",
    type=Text("TASK"),
    help="Only where this task, as `transcode show` names it, is what failed.",
)
@to_option
@output_options
def retry(*, job: str, task: str | None, to: str, as_json: bool) -> None:
    """
    Open JOB again: its id, the first digits of it, or its folder of results.

    It gets as many tries as a new one, and all of it is done again; `transcode watch`
    or `sweep` does it.

    \b
    Examples:
      transcode retry 9f2c41 --to out
      transcode retry 9f2c41 --task chunk-2 --to out
    """
    _one(
        lambda service, found: service.retry(found, task=task), job, to, as_json=as_json
    )


def _one(
    act: Callable[[JobService, str], Awaitable[JobReport]],
    job: str,
    to: str,
    *,
    as_json: bool,
) -> None:
    from ...jobs.service import JobService
    from ...signals import run_to_the_end

    wired = wiring()

    async def work() -> JobReport:
        async with JobService.open(wired, to=to) as service:
            return await act(service, await service.find(job))

    _show((run_to_the_end(work),), as_json=as_json, to=to, single=True)


async def _at_desk(
    call: Any,
    rule: Rule,
    sources: tuple[str, ...],
    concurrency: int | None,
    listen: Listener,
    **more: float,
) -> Any:
    """What `watch` and `sweep` share: a service, an ingest, no overlap."""
    from ...jobs.ingest import Ingest, refuse_overlap, rule_for
    from ...jobs.service import JobService

    wired = wiring()
    rule_for(wired, rule)
    for source in sources:
        refuse_overlap(source, rule.request.to)
    async with JobService.open(wired, to=rule.request.to) as service:
        cores = max(1, wired.machine.milli_cpus // 1000)
        named = {f"{name}_seconds": value for name, value in more.items()}
        return await call(
            service,
            Ingest(service, rule),
            sources,
            concurrency=concurrency or cores + 1,
            listen=listen,
            **named,
        )


def say(event: object) -> None:
    """One line on stderr for what an operator wants to see go by."""
    from ..show.job_reports import line

    text = line(event)
    if text is not None:
        click.echo(text, err=True)


def _show(
    reports: tuple[JobReport, ...], *, as_json: bool, to: str, single: bool = False
) -> None:
    from ..show.job_reports import reports_text

    if not as_json:
        click.echo(reports_text(reports, to))
        return
    texts = ",\n".join(report.to_json(indent=2) for report in reports)
    click.echo(texts if single else f"[{texts}]")


def _exit_code(reports: tuple[JobReport, ...]) -> int:
    """The worst of them, each as `transcode run` would have ended."""
    return max((_code(report) for report in reports), default=0)


def _code(report: JobReport) -> int:
    from ...errors import TranscodeError, revive

    if report.status == "succeeded":
        return 0
    error = report.manifest.error if report.manifest else None
    return revive(error).exit_code if error else TranscodeError.exit_code
