"""Who has a file open for writing: a copy in progress is no upload yet."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR


def being_written(wanted: Collection[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    """
    Those of *wanted*, each a device and inode, that a process has open for writing.

    All processes are looked at once, however many files are asked for. Linux only,
    from `/proc/*/fd` and `fdinfo`; processes of other users and writers on another
    host of a network drive are not seen.
    """
    found: set[tuple[int, int]] = set()
    for process in _numbered("/proc"):
        for descriptor in _numbered(f"{process}/fd"):
            with suppress(OSError, ValueError):
                status = os.stat(descriptor)  # noqa: PTH116 - thousands of them
                identity = status.st_dev, status.st_ino
                if identity in wanted and identity not in found:
                    number = descriptor.rpartition("/")[2]
                    if _flags(Path(f"{process}/fdinfo/{number}")) & _WRITING:
                        found.add(identity)
    return frozenset(found)


def _numbered(folder: str) -> list[str]:
    """What in *folder* has a number for a name; nothing where it may not be read."""
    with suppress(OSError), os.scandir(folder) as listing:
        return [entry.path for entry in listing if entry.name.isdecimal()]
    return []


def _flags(info: Path) -> int:
    for line in info.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            return int(value, 8)
    return 0
