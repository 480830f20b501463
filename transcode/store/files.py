"""Files that appear and change as a whole, and last."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".transcode-partial-"
"""Begins the name of a file that is not an object yet; listings leave it out."""


@contextlib.contextmanager
def partial(aim: Path) -> Iterator[Path]:
    """An empty file beside *aim*, to be filled and shown by `appear`."""
    path = begin(aim)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def begin(aim: Path) -> Path:
    """Like `partial`, for those who clean up themselves."""
    path = aim.with_name(PARTIAL + secrets.token_hex(8))
    # Another process may remove the folder as empty between the two.
    for _ in range(100):
        aim.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.touch(exist_ok=False)
            return path
    raise FileNotFoundError(errno.ENOENT, "the folder keeps vanishing", str(aim))


def appear(path: Path, aim: Path, *, only_new: bool) -> os.stat_result:
    """
    Make what was written durable and give it its name; returns what it is then.

    With *only_new*, raises `FileExistsError`: of several, the kernel picks one.
    """
    status = path.stat()
    # The kernel's clock ticks every few milliseconds: two writes of one size within
    # a tick would have one etag. Earlier by less than a millisecond, never later.
    earlier = status.st_mtime_ns - secrets.randbelow(10**6)
    os.utime(path, ns=(status.st_atime_ns, earlier))
    sync(path)
    status = path.stat()
    if only_new:
        os.link(path, aim)
    else:
        path.rename(aim)
    sync(aim.parent)
    return status


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
