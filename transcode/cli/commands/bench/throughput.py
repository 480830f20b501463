"""`bench throughput`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...options import engine_option
from .registry import FILES, measures, platform_option, profiles_option

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import Found
    from ....bench.telling import Tell
    from ....wiring import Wiring


@measures("throughput", "Jobs, minutes and money an hour, from a queue.")
@FILES
@profiles_option("mp4")
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    multiple=True,
    help="Jobs side by side; may be repeated. Default: 1, 2, 4 … up to the cores.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="How many a queue has; FILES are taken in turn.",
)
@click.option(
    "--load",
    type=click.FloatRange(0, 0.95),
    default=0.7,
    show_default=True,
    help="How busy arrivals keep the machine, for their latency; 0: no arrivals.",
)
@platform_option()
@engine_option
@click.option(
    "--optimize",
    type=click.Choice(("balanced", "cost", "time")),
    default="balanced",
    show_default=True,
    help="As of `sweep` and `watch`.",
)
def throughput(  # noqa: PLR0913 - one argument per option
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profiles: tuple[str, ...],
    at_once: tuple[int, ...],
    jobs: int,
    load: float,
    platform: str | None,
    engine: str,
    optimize: str,
    repeat: int,
) -> Found:
    """
    Work off a queue of FILES, and take arrivals, as `sweep` and `watch` do.

    Told are jobs and output minutes an hour, CPU seconds and money for a minute of
    output, how busy the cores were, and the latency of uploads that arrive at random.
    Without FILES the bench makes a clip of 6 s at 720p.

    \b
    Examples:
      transcode bench throughput
      transcode bench throughput in/*.mp4 --profile hls --profile mp4 --at-once 2
      transcode bench throughput --platform functiongraph --json fg.json
    """
    from ....bench.throughput import Throughput
    from ....bench.throughput import throughput as measured

    for name in profiles:
        wired.catalog.profile(name)
    options = [f"--engine={engine}", f"--optimize={optimize}"]
    if platform is not None:
        options.append(f"--platform={platform}")
    asked = Throughput(
        profiles=profiles,
        side_by_side=at_once,
        jobs=jobs,
        repeat=repeat,
        load=load,
        options=tuple(options),
    )
    return measured(files, asked, wired, tell)
