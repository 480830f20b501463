"""`transcode serve`: the HTTP server."""

from __future__ import annotations

from typing import Any

import click

from ..job_options import (
    concurrency_option,
    log_option,
    prefix_option,
    priority_option,
    rule_of,
    tag_option,
    to_option,
)
from ..options import Text, engine_option, planning_options
from .info import wiring

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported


@click.command(short_help="Take events and jobs over HTTP, and do them.")
@to_option
@planning_options
@engine_option
@tag_option
@priority_option
@prefix_option
@click.option(
    "--source",
    "sources",
    type=Text("URI"),
    multiple=True,
    help="Take uploads only from this folder, prefix or web address; may be "
    "repeated. Without it, from any s3:// address.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0 for a free one, which is said on stderr.",
)
@concurrency_option
@log_option
def serve(  # noqa: PLR0913 - one argument per option
    *,
    to: str,
    tags: tuple[tuple[str, str], ...],
    priority: int,
    suffixes: tuple[str, ...],
    sources: tuple[str, ...],
    host: str,
    port: int,
    concurrency: int | None,
    log_format: Any,
    **planning: Any,
) -> None:
    """
    Serve POST /events, POST /jobs and GET /metrics, and work on the jobs, for ever.

    Buckets, buses and queues post their events to /events; `docs/http.md` has every
    address. With TRANSCODE_TOKEN set, callers must present it; without, nobody but this
    machine is served. Ctrl-C or SIGTERM stops accepting and hands back what is being
    worked on; SIGTERM ends with 0.

    \b
    Examples:
      transcode serve --to s3://results/videos
      transcode serve --to out --source /srv/in --port 9000 --at-once 2
    """
    from ...jobs.ingest import refuse_overlap, rule_for
    from ...serve import serve as run_server
    from ...serve.listener import bind
    from ...signals import run_to_the_end
    from ...store.watched_folder import refuse_missing
    from ..log import announce, warn_of_root, writing

    wired = wiring()
    rule = rule_of(to, planning, tags=tags, priority=priority, suffixes=suffixes)
    taken_from = sources or ("s3://",)
    rule = rule_for(wired, rule.model_copy(update={"sources": taken_from}))
    for source in sources:
        refuse_overlap(source, to)
        if "://" not in source or source.startswith("file://"):
            refuse_missing(source)
    cores = max(1, wired.machine.milli_cpus // 1000)
    with bind(host, port, private=not wired.settings.tokens) as listener:
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{listener.getsockname()[1]}", log_format)
        warn_of_root(log_format)
        run_to_the_end(
            lambda: run_server(
                wired,
                rule,
                listener,
                sources=taken_from,
                concurrency=concurrency or cores + 1,
                listen=writing(log_format),
            ),
            serves=True,
        )
