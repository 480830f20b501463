"""`bench overhead`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .registry import FILES, measures, profiles_option

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import Found
    from ....bench.telling import Tell
    from ....wiring import Wiring


@measures("overhead", "Beside the best command written by hand.", repeat=5)
@FILES
@profiles_option("hls", "mp4")
def overhead(
    *,
    wired: Wiring,
    tell: Tell,
    files: tuple[Path, ...],
    profiles: tuple[str, ...],
    repeat: int,
) -> Found:
    """
    `transcode run` beside one ffmpeg and Shaka Packager, written by hand.

    \b
    Examples:
      transcode bench overhead
      transcode bench overhead clip.mov --profile mp4 --repeat 9
    """
    from ....bench.overhead import overhead as measured

    for name in profiles:
        wired.catalog.profile(name)
    return measured(files, profiles, repeat=repeat, wired=wired, tell=tell)
