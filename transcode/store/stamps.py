"""
Whether anything has come into a folder, or gone, without listing it.

Light: a list of jobs that have not changed asks nothing else of the store.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_SETTLED_NANOSECONDS = 2_000_000_000
"""A folder's time of change moves in steps, of 10 ms and, on old network drives, of
whole seconds: what changed this shortly ago may change again and not show it."""


def folder_stamp(root: Path, prefix: str) -> str | None:
    """
    Of what stands directly in *prefix*, which ends with a slash or is empty: another
    text once a name came or went there, or a file was replaced as we replace them, by
    a rename. None where it has changed too shortly ago to tell.
    """
    try:
        status = os.stat(root / prefix)  # noqa: PTH116 - `Path.stat` is this and more
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:
        return None
    if time.time_ns() - status.st_mtime_ns < _SETTLED_NANOSECONDS:
        return None
    return f"{status.st_dev:x}-{status.st_ino:x}-{status.st_mtime_ns:x}"
