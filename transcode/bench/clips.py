"""What is measured where no file is named: short clips that ffmpeg makes itself."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from ..errors import SourceNotFound
from ..settings import Settings
from ..work.toolchain import find_ffmpeg
from .children import run
from .jobs import scratch

LONG_AGO = 86_400.0
"""Seconds; a file that was written just now is waited for."""


def own_clip(
    folder: Path, settings: Settings, *, seconds: float = 6.0, height: int = 720
) -> Path:
    """
    A clip in *folder*: moving pictures at 25 fps with grain, as a camera has, and a
    tone. It codes like a detailed live picture, not like a film.
    """
    path = folder / f"clip-{height}p-{seconds:g}s.mp4"
    # Even, as 4:2:0 wants it.
    width = round(height * 16 / 9 / 2) * 2
    picture = f"testsrc2=size={width}x{height}:rate=25,noise=alls=2:allf=t:all_seed=1"
    argv = [find_ffmpeg(settings), "-nostdin", "-v", "error", "-y"]
    argv += ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=frequency=440"]
    argv += ["-t", f"{seconds:g}", "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    # Open GOPs and a high rate: nothing of it may be copied, all has to be encoded.
    argv += ["-preset", "ultrafast", "-crf", "20", "-g", "50"]
    argv += ["-c:a", "aac", "-b:a", "128k"]
    run([*argv, "-movflags", "+faststart", str(path)])
    return path


def named(files: Sequence[Path]) -> list[Path]:
    """The files, absolute. Raises `SourceNotFound`."""
    for path in files:
        if not path.is_file():
            raise SourceNotFound(f"There is no file {str(path)!r}.", path=str(path))
    return [path.absolute() for path in files]


@contextmanager
def clips_for(files: Sequence[Path], settings: Settings) -> Iterator[list[Path]]:
    """The files; without any three clips of several sizes and lengths, while it lasts.

    Raises `SourceNotFound`.
    """
    with scratch() as folder:
        yield named(files) or [
            own_clip(folder, settings, seconds=seconds, height=height)
            for height, seconds in ((240, 3), (480, 6), (720, 8))
        ]


def queue(files: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """
    *count* uploads in *folder*, of the files in turn: each is a job of its own.

    Their times are of yesterday, so that nobody waits for them to be complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    long_ago = time.time() - LONG_AGO
    made = []
    for number, file in enumerate(islice(cycle(files), count)):
        # Copies: a link would share the times that are set here with somebody's file.
        path = folder / f"{number:04d}-{file.name}"
        shutil.copyfile(file, path)
        os.utime(path, (long_ago, long_ago))
        made.append(path)
    return made
