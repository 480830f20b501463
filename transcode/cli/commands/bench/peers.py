"""`bench peers`: its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .registry import FILES, measures

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ....bench.report import Found
    from ....bench.telling import Tell
    from ....wiring import Wiring


@measures("peers", "Beside shaka-streamer, where it is installed.")
@FILES
def peers(*, wired: Wiring, tell: Tell, files: tuple[Path, ...], repeat: int) -> Found:
    """
    The same ladder with the same preset, by another tool.

    \b
    Examples:
      transcode bench peers clip.mov
    """
    from ....bench.peers import peers as measured

    return measured(files, repeat=repeat, wired=wired, tell=tell)
