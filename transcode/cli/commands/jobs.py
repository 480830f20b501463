"""The commands that say what became of jobs: `jobs` and `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..job_options import TagPair
from ..options import JOB, output_options, state_option

# Imported late, as in `commands`.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from ...contract.status import JobStatus
    from ...ledger.index import Index
    from ...ledger.reading import IndexReader
    from ...store.bucket import Bucket
    from ..show.jobs import JobDetails

# As `transcode.contract.status.STATUSES`; that module is not loaded for `--help`.
STATUSES = (
    *("waiting", "running", "lost", "retrying"),
    *("succeeded", "rejected", "failed", "cancelled"),
)


@click.command(short_help="List jobs: where they stand, what they cost.")
@state_option
@click.option(
    "--status",
    type=click.Choice(STATUSES),
    multiple=True,
    help="Only jobs that stand so; may be given several times.",
)
@click.option(
    "--tag",
    "tags",
    type=TagPair(),
    multiple=True,
    help="Only jobs with this tag; with all of them where there are several.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many to list, the newest first.",
)
@output_options
def jobs(
    *,
    to: str,
    status: tuple[JobStatus, ...],
    tags: tuple[tuple[str, str], ...],
    limit: int,
    as_json: bool,
) -> None:
    """
    List the jobs whose results go to --to, the newest first.

    \b
    waiting     nobody works on it yet
    running     somebody does, and says so from time to time
    lost        somebody did, and is silent; it will be taken over
    retrying    a try failed; there will be another
    succeeded   the results are there
    rejected    the source cannot be transcoded
    failed      every try failed
    cancelled   somebody asked to stop

    \b
    Examples:
      transcode jobs
      transcode jobs --to s3://media/out --status failed --status rejected
      transcode jobs --tag customer=acme --json
    """
    from datetime import UTC, datetime
    from itertools import islice

    from ...ledger.job_filter import JobFilter
    from ..columns import columns
    from ..show.job_list import JobListing, jobs_json, jobs_text
    from ..state import ask_list

    now = datetime.now(UTC)
    wanted = JobFilter(frozenset(status), tags, now=now)

    def question(index: IndexReader) -> list[JobListing]:
        found = islice(index.lines(wanted), limit)
        return [JobListing(line, index.spent(line.job_id)) for line in found]

    found = ask_list(to, question)
    click.echo(jobs_json(found) if as_json else jobs_text(found, to, width=columns()))


def destination_of(job: str, to: str) -> str:
    """
    Where *job* is to be looked for: beside its folder, where it is one, unless --to
    was given.
    """
    from pathlib import Path

    source = click.get_current_context().get_parameter_source("to")
    if source is click.core.ParameterSource.COMMANDLINE:
        return to
    above, slash, _ = job.rstrip("/").rpartition("/")
    if slash:
        return above or "/"
    return "." if (Path(job) / "manifest.json").is_file() else to


@click.command(short_help="Show one job: every attempt, its cost, its failure.")
@click.argument("job", type=JOB)
@state_option
@output_options
def show(*, job: str, to: str, as_json: bool) -> None:
    """
    Show what became of one job: every attempt with what was predicted and what was
    measured, its cost, and why it failed where it did.

    JOB is the beginning of a job's id, or the folder of its results, wherever that
    lies. What `transcode run` made is shown, too.

    \b
    Examples:
      transcode show 0261d3f6ac5e
      transcode show transcoded/clip.hls.0261d3f6ac5e
      transcode show s3://media/out/clip.hls.0261d3f6ac5e
    """
    from ..columns import columns
    from ..show.jobs import gather, shown_json, shown_text
    from ..state import ask

    to = destination_of(job, to)

    async def question(index: Index, store: Bucket) -> JobDetails:
        return await gather(index, store, job, to=to)

    found = ask(to, question)
    click.echo(shown_json(found) if as_json else shown_text(found, width=columns()))
