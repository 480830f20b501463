"""`bench accuracy`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .registry import FILES, KEEP, RUNS, measures, platform_option, profiles_option

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import Found
    from ....bench.telling import Tell
    from ....wiring import Wiring


@measures("accuracy", "Predictions beside what files took.", repeat=0)
@FILES
@profiles_option("preview", "mp4")
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    multiple=True,
    default=(512, 1024, 2048),
    show_default="512 1024 2048",
    help="MiB of the specs; may be repeated.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=6.0,
    show_default=True,
    help="Of each file, from its beginning.",
)
@platform_option("functiongraph")
@click.option(
    "--sample/--no-sample", default=True, show_default=True, help="Take one of each."
)
@KEEP
@RUNS
def accuracy(  # noqa: PLR0913 - one argument per option
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profiles: tuple[str, ...],
    memory: tuple[int, ...],
    seconds: float,
    platform: str,
    sample: bool,
    keep: Path | None,
    runs_file: Path | None,
) -> Found:
    """
    Run FILES in several specs, and set what they took beside the predictions.

    \b
    Examples:
      transcode bench accuracy *.mp4 --keep runs.json
      transcode bench accuracy --runs runs.json
    """
    from ....bench import accuracy as bench_
    from ....bench.clips import clips_for

    if runs_file is not None:
        return bench_.accuracy(bench_.read(runs_file), wired)
    with clips_for(files, wired.settings) as given:
        cells = [
            bench_.Cell(
                file=file,
                profile=profile,
                memory=mib,
                milli_cpus=0,
                platform=platform,
                seconds=seconds,
                sample=sample,
                settings=wired.settings,
            )
            for file in given
            for profile in profiles
            for mib in memory
        ]
        runs = bench_.measure(cells, seen=bench_.kept(keep), milli_cpus=None, tell=tell)
    return bench_.accuracy(runs, wired)
