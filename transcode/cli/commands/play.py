"""`play`: a result in a browser."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import click

from ..options import JOB, output_options, state_option
from .jobs import destination_of

# Imported late, as in `commands`.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from ...contract.job import JobReport
    from ...ledger.index import Index
    from ...store.bucket import Bucket


@click.command(short_help="Look at a result: player, renditions, bill.")
@click.argument("job", type=JOB)
@state_option
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Open a browser, or do not; by default where there is a display.",
)
@output_options
def play(*, job: str, to: str, opens: bool | None, as_json: bool) -> None:
    """
    Show one result as a page: a player with thumbnails, the renditions and the bill.

    The page is served to this machine alone, at a free port and behind a key that
    stands in the address, which is printed; Ctrl-C ends it. JOB is the beginning of a
    job's id, or the folder of its results, wherever that lies.

    \b
    Examples:
      transcode play 0261d3f6ac5e
      transcode play transcoded/clip.hls.0261d3f6ac5e
      transcode play s3://media/out/clip.hls.0261d3f6ac5e --no-open
    """
    from ...serve.listener import bind
    from ...serve.player import player, playing
    from ...signals import run_to_the_end
    from ...store.open import bucket
    from ..state import ask, known_settings

    to = destination_of(job, to)

    async def question(index: Index, store: Bucket) -> JobReport:
        return await _result(index, store, job, to)

    report = ask(to, question)
    import secrets

    key = secrets.token_urlsafe(24)
    with bind("127.0.0.1", 0, private=True) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/#{key}"
        told = {"url": url, "job_id": report.job_id}
        click.echo(json.dumps(told, indent=2) if as_json else url)

        async def serve() -> None:
            async with bucket(to, known_settings()) as objects:
                await playing(player(objects, report, key=key), listener)

        shown = {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
        with _opened(url) if opens or (opens is None and shown) else nullcontext():
            run_to_the_end(serve, serves=True)


@contextmanager
def _opened(url: str) -> Iterator[None]:
    """
    In a browser, by way of a file: what is started with stands in a list of processes,
    for everybody on this machine to read. Connections wait until they are answered.
    """
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={url}">'
    with NamedTemporaryFile("w", prefix="transcode-", suffix=".html") as file:
        file.write(page)
        file.flush()
        click.launch(file.name)
        yield


async def _result(index: Index, store: Bucket, job: str, to: str) -> JobReport:
    """The job with its manifest; raises `UsageError` where there is nothing to see."""
    from ...contract.job import JobReport
    from ...errors import UsageError
    from ..show.jobs import gather

    found = await gather(index, store, job, to=to)
    listed = found.listed
    if found.manifest is None or listed.status != "succeeded":
        raise UsageError(
            f"Job {listed.line.job_id[:12]} has nothing to play: it is "
            f"{listed.status}. `transcode show` says more.",
            job=job,
        )
    return JobReport(
        job_id=found.job.job_id,
        folder=found.job.submission.folder,
        status=listed.status,
        submission=found.job.submission,
        manifest=found.manifest,
    )
