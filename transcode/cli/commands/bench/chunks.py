"""`bench chunks`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .registry import FILES, measures, profile_option

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import Found
    from ....bench.telling import Tell
    from ....wiring import Wiring


@measures("chunks", "In chunks beside one piece: what it costs and brings.")
@FILES
@profile_option("hls")
@click.option(
    "--count",
    "counts",
    type=click.IntRange(min=2),
    multiple=True,
    default=(2,),
    show_default="2",
    help="How many chunks; may be repeated.",
)
@click.option(
    "--memory",
    "memory_mib",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="MiB of every task, on functiongraph.",
)
def chunks(  # noqa: PLR0913 - one argument per option
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profile: str,
    counts: tuple[int, ...],
    memory_mib: int,
    repeat: int,
) -> Found:
    """
    The same job in chunks and in one piece, each task in the same spec.

    \b
    Examples:
      transcode bench chunks film.mov --count 2 --count 4
    """
    from ....bench.chunks import chunks as measured

    return measured(
        files,
        counts,
        profile=profile,
        memory_mib=memory_mib,
        repeat=repeat,
        wired=wired,
        tell=tell,
    )
