"""A local file as the source: found once, by its real place."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..access.address import path_of
from ..access.beneath import open_real
from ..contract import Source
from ..errors import (
    SourceNotFound,
    SourceUnreadable,
)


def absolute(text: str) -> Path:
    """
    Where *text* leads, from anywhere, by one name for each folder.

    `../in/clip.mov` and `clip.mov` are one source, and so one job.
    """
    path = Path(path_of(text)).absolute()
    if ".." not in path.parts:
        return path
    if path.name == "..":
        return Path(os.path.realpath(path))
    # What a link is called stays: `..` alone has to be followed as the kernel does.
    return Path(os.path.realpath(path.parent), path.name)


def locate(text: str) -> Source:
    """
    One version of a local file; its etag is size and modification time.

    Links are followed here and now, and by nobody afterwards: `location` has none, and
    is opened so (`access.beneath`).
    """
    path = absolute(text)
    real = os.path.realpath(path)
    try:
        descriptor = open_real(real)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise SourceNotFound(
            f"There is no file {str(path)!r}. Check the path.", path=str(path)
        ) from exc
    except OSError as exc:
        raise SourceUnreadable(
            f"{str(path)!r} may not be read by this user: {exc.strerror}.",
            path=str(path),
        ) from exc
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise SourceUnreadable(
            f"{str(path)!r} is {kind}; give one media file.", path=str(path)
        )
    return Source(
        uri=str(path),
        bytes=status.st_size,
        etag=f"{status.st_size:x}-{status.st_mtime_ns:x}",
        location=real,
    )
