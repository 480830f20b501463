"""`bench frontier`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .registry import FILES, KEEP, RUNS, measures, profiles_option

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import Found
    from ....bench.telling import Tell
    from ....wiring import Wiring


@measures("frontier", "Our choices beside the best of every file.", repeat=0)
@FILES
@profiles_option("preview")
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    multiple=True,
    help="MiB of the specs; may be repeated. Default: eleven of functiongraph's.",
)
@click.option(
    "--longest",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Predicted seconds; what takes longer is not run, and counts as late.",
)
@KEEP
@RUNS
def frontier(  # noqa: PLR0913 - one argument per option
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profiles: tuple[str, ...],
    memory: tuple[int, ...],
    longest: float,
    keep: Path | None,
    runs_file: Path | None,
) -> Found:
    """
    Every file in every spec, and what our choice cost over the best: regret.

    Takes long: files times specs. A quiet machine, or its neighbours are measured.

    \b
    Examples:
      transcode bench frontier *.mp4 --keep runs.json --page frontier.html
      transcode bench frontier --runs runs.json
    """
    from ....bench.accuracy import kept, read
    from ....bench.clips import clips_for
    from ....bench.frontier import Search, exhaust
    from ....bench.frontier import frontier as judged

    if runs_file is not None:
        return judged(read(runs_file), wired)
    asked = Search(profiles=profiles, memory=memory, longest=longest)
    with clips_for(files, wired.settings) as given:
        runs = exhaust(given, asked, wired, tell, seen=kept(keep))
    return judged(runs, wired)
