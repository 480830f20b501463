"""Files that appear and change as a whole, and last."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_HERE, _NO_REPLACE = -100, 1
"""AT_FDCWD and RENAME_NOREPLACE of Linux."""
HIDDEN = ".transcode-"
"""Begins the name of a folder beside results that a try writes to."""
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
        _link(path, aim)
    else:
        path.rename(aim)
    sync(aim.parent)
    return status


def _link(path: Path, aim: Path) -> None:
    """
    Give *path* the name *aim* as well, or instead, unless there is such a file.

    File systems without hard links (exFAT, FAT, many network drives) can rename
    without replacing, which the kernel decides as well: renameat2(2).
    """
    try:
        os.link(path, aim)
    except FileExistsError:
        raise
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        _rename_new(path, aim)


def _rename_new(path: Path, aim: Path) -> None:
    """Rename *path*; raises `FileExistsError` where *aim* is there."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    error = errno.ENOSYS
    if call is not None:
        names = os.fsencode(path), os.fsencode(aim)
        if call(_HERE, names[0], _HERE, names[1], _NO_REPLACE) == 0:
            return
        error = ctypes.get_errno()
    if error in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        why = "this file system has neither hard links nor renaming without replacing"
        raise OSError(errno.EOPNOTSUPP, why, str(aim))
    raise OSError(error, os.strerror(error), str(aim))


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
