"""`bench quality`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .registry import FILES, measures

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import Found
    from ....bench.telling import Tell
    from ....wiring import Wiring


@measures("quality", "Rate and VMAF of codecs and presets; what one saves.", repeat=0)
@FILES
@click.option(
    "--way",
    "ways",
    multiple=True,
    metavar="CODEC:PRESET",
    default=("h264:veryfast", "h264:medium", "hevc:fast", "av1:10"),
    show_default="h264:veryfast h264:medium hevc:fast av1:10",
    help="How it is encoded; may be repeated. Others are set beside the first.",
)
def quality(
    *, wired: Wiring, tell: Tell, files: tuple[Path, ...], ways: tuple[str, ...]
) -> Found:
    """
    Encode in several ways at four rate factors each: curves, and BD-rate.

    \b
    Examples:
      transcode bench quality film.mov --page curves.html
      transcode bench quality film.mov --way h264:veryfast --way av1:8
    """
    from ....bench.quality import quality as measured
    from ....bench.quality import way_of

    return measured(files, [way_of(it) for it in ways], wired=wired, tell=tell)
