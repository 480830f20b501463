"""Who has a file open for writing: a copy in progress is no upload yet."""

from __future__ import annotations

import os
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR


def open_for_writing(path: Path) -> bool:
    """
    Whether a process that we may look at has *path* open for writing.

    Linux only, from `/proc/*/fd` and `fdinfo`; False where that cannot be told, for
    processes of other users and for writers on another host of a network drive.
    """
    try:
        wanted = path.stat()
    except OSError:
        return False
    for process in Path("/proc").glob("[0-9]*/fd"):
        try:
            descriptors = list(process.iterdir())
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                there = descriptor.stat()
                if (there.st_dev, there.st_ino) != (wanted.st_dev, wanted.st_ino):
                    continue
                if _flags(process.with_name("fdinfo") / descriptor.name) & _WRITING:
                    return True
            except OSError:
                continue
    return False


def _flags(info: Path) -> int:
    for line in info.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            return int(value, 8)
    return 0
