"""What the kernel says this process used → Usage → bill."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from .contract import Money, Spec, Usage
from .platforms.platform import Platform
from .platforms.price import bill, billed_milliseconds

_SAMPLE_SECONDS = 0.05
_STATUS = Path("/proc/self/status")
_IO = "/proc/self/io"
_PAGE = 4096
"""More than they take."""


class Meter:
    """
    A running measurement of this process and of the children it waited for.

    For what runs in this process: probing, planning, publishing, and a task inside a
    platform's function. An attempt of the local engine is weighed from outside, where
    a kill can be survived.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._cpu = _cpu_seconds()
        self._moved = _moved_bytes()
        self._peak = 0

    def sample(self) -> None:
        """Look at memory now; the highest value seen is the peak."""
        self._peak = max(self._peak, _anonymous_bytes())

    def read(self) -> Usage:
        """
        What was used since the start.

        `peak_memory_bytes` is this process's anonymous memory as sampled: children are
        not in it. CPU counts children once they were waited for. Bytes are those of
        system calls, None where the kernel does not tell.
        """
        self.sample()
        moved = _moved_bytes()
        read = written = None
        if moved is not None and self._moved is not None:
            read, written = (
                now - then for now, then in zip(moved, self._moved, strict=True)
            )
        return Usage(
            wall_seconds=time.monotonic() - self._started,
            cpu_seconds=_cpu_seconds() - self._cpu,
            peak_memory_bytes=self._peak or None,
            read_bytes=read,
            written_bytes=written,
        )


@contextmanager
def metering() -> Iterator[Meter]:
    """Weigh what happens inside the block; memory is sampled twenty times a second."""
    meter = Meter()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            meter.sample()

    watcher = threading.Thread(target=watch, name="transcode-meter", daemon=True)
    watcher.start()
    try:
        yield meter
    finally:
        over.set()
        watcher.join()


def settle(platform: Platform, spec: Spec, usage: Usage) -> tuple[Usage, Money]:
    """Usage with the milliseconds a platform bills for it, and what they cost."""
    billed = billed_milliseconds(platform, usage.wall_seconds)
    weighed = usage.model_copy(update={"billed_milliseconds": billed})
    return weighed, bill(platform, spec, weighed).total


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _anonymous_bytes() -> int:
    fields = _pairs(_STATUS)
    return sum(
        int(fields[name].split()[0]) * 1024
        for name in ("RssAnon", "RssShmem")
        if name in fields
    )


@cache
def open_counters() -> int | None:
    """
    What `Meter` reads bytes from, opened once; None where the kernel does not let us.

    To be called before a process that is not root keeps itself private: from then on
    its own counters may be read, but no longer opened.
    """
    try:
        return os.open(_IO, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _moved_bytes() -> tuple[int, int] | None:
    counters = open_counters()
    text = b"" if counters is None else os.pread(counters, _PAGE, 0)
    fields = _fields(text.decode("ascii"))
    if "rchar" not in fields or "wchar" not in fields:
        return None
    return int(fields["rchar"]), int(fields["wchar"])


def _pairs(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return _fields(text)


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in lines}
