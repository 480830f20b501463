"""A folder as the bucket: staging beside the results, published by one rename."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..contract import Source
from ..errors import (
    SourceNotFound,
    SourceUnreadable,
)


def path_of(text: str) -> Path:
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    return Path(text)


def absolute(text: str) -> Path:
    """
    Where *text* leads, from anywhere, by one name for each folder.

    `../in/clip.mov` and `clip.mov` are one source, and so one job.
    """
    path = path_of(text).absolute()
    if ".." not in path.parts:
        return path
    if path.name == "..":
        return Path(os.path.realpath(path))
    # What a link is called stays: `..` alone has to be followed as the kernel does.
    return Path(os.path.realpath(path.parent), path.name)


def locate(text: str) -> Source:
    """One version of a local file; its etag is size and modification time."""
    path = absolute(text)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise SourceNotFound(
            f"There is no file {str(path)!r}. Check the path.", path=str(path)
        ) from exc
    except OSError as exc:
        raise SourceUnreadable(
            f"{str(path)!r} may not be read: {exc.strerror}.", path=str(path)
        ) from exc
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise SourceUnreadable(
            f"{str(path)!r} is {kind}; give one media file.", path=str(path)
        )
    if not os.access(path, os.R_OK):
        raise SourceUnreadable(
            f"{str(path)!r} exists, but may not be read by this user.", path=str(path)
        )
    return Source(
        uri=str(path),
        bytes=status.st_size,
        etag=f"{status.st_size:x}-{status.st_mtime_ns:x}",
        location=str(path),
    )
