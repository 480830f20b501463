"""A watched folder as it is: files that may be uploads, and what stands in the way of
others. It is only ever read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import anyio.to_thread

from ..errors import (
    EventError,
    SourceNotFound,
    SourceUnreadable,
    StoreError,
    TranscodeError,
)
from .destination import MANIFEST_NAME
from .folder_source import absolute
from .open_files import being_written

_BATCH = 256
"""Entries that are looked at between two turns of the event loop."""
_RESULTS = re.compile(rb'"schema"\s*:\s*"transcode/manifest/')
_SCHEMA_BYTES = 512
"""A manifest of ours names its schema first."""

Identity = tuple[int, int]
"""Device and inode: the same folder or file, whatever path or mount leads to it."""


@dataclass(frozen=True, slots=True)
class WatchedFile:
    """A regular file, as `stat` describes it."""

    key: str
    """Its path under the watched folder."""
    path: str
    bytes: int
    modified_ns: int
    changed_ns: int
    """When content, name or rights were last changed: a mended right shows here."""
    identity: Identity

    @property
    def etag(self) -> str:
        """As the folder store gives it."""
        return f"{self.bytes:x}-{self.modified_ns:x}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """An entry that cannot be an upload as it is; its neighbours are none the worse."""

    name: str
    """Its path, in characters that can be printed."""
    error: TranscodeError


def identity_of(path: str | Path) -> Identity | None:
    """Of a file or folder, behind links and mounts; None where there is none."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def is_inside(path: str, folder: str) -> bool:
    """
    Whether *path* is *folder* or lies in it, by any of their names: compared are
    device and inode of *path* and of every folder above it, so a bind mount hides
    nothing. What does not exist yet is judged by the nearest folder that does.
    """
    wanted = identity_of(folder)
    real = Path(os.path.realpath(path))
    return wanted is not None and any(
        identity_of(step) == wanted for step in (real, *real.parents)
    )


async def scan(
    source: str,
    *,
    leave_out: Callable[[str], bool] = lambda _name: False,
    never: frozenset[Identity] = frozenset(),
) -> AsyncIterator[list[WatchedFile | Blocked]]:
    """
    Everything in the folder *source*, in groups, sorted within each folder.

    Folders whose name *leave_out* takes, those in *never*, and those that hold results
    of ours are not looked into; nor is any folder twice, whatever mounts lead to it.
    Links are not followed: uploads are files. Raises `SourceNotFound` where there is
    no such folder, and `StoreError` where it cannot be listed at all: both may pass.
    """
    found = _walk(absolute(source), leave_out, never)
    while group := await anyio.to_thread.run_sync(lambda: list(islice(found, _BATCH))):
        yield group


def refuse_missing(source: str) -> None:
    """Raise `SourceNotFound` or `SourceUnreadable` where *source* is no folder."""
    root = absolute(source)
    try:
        status = root.stat()
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise SourceNotFound(
            f"There is no folder {str(root)!r}. Check the path, or create it.",
            path=str(root),
        ) from exc
    except OSError as exc:
        raise _typed(exc, root) from exc
    if not stat.S_ISDIR(status.st_mode):
        raise SourceUnreadable(
            f"{str(root)!r} is not a folder; give the folder that uploads arrive in.",
            path=str(root),
        )


async def whole(files: list[WatchedFile]) -> list[WatchedFile]:
    """Those of *files* that no process here has open for writing."""
    if not files:
        return files
    wanted = frozenset(file.identity for file in files)
    written = await anyio.to_thread.run_sync(being_written, wanted)
    return [file for file in files if file.identity not in written]


def _walk(
    root: Path, leave_out: Callable[[str], bool], never: frozenset[Identity]
) -> Iterator[WatchedFile | Blocked]:
    refuse_missing(str(root))
    seen: set[Identity] = set(never)
    todo = [root]
    while todo:
        folder = todo.pop()
        found = _inside(folder)
        if isinstance(found, TranscodeError):
            if folder == root:
                raise found
            yield Blocked(_printable(folder), found)
            continue
        deeper: list[Path] = []
        for entry in found:
            known = _entry(root, entry)
            if not isinstance(known, Path):
                if known is not None:
                    yield known
            elif not leave_out(known.name):
                identity = identity_of(known)
                if identity is None or identity not in seen:
                    seen |= {identity} if identity else set()
                    deeper.append(known)
        todo += reversed(deeper)


def _inside(folder: Path) -> list[os.DirEntry[str]] | TranscodeError:
    """What lies in *folder*, by name, or why it is not looked into."""
    try:
        with os.scandir(folder) as listing:
            found = sorted(listing, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []  # gone since it was listed
    except OSError as exc:
        return _typed(exc, folder)
    if any(one.name == MANIFEST_NAME for one in found) and _holds_results(folder):
        name = _printable(folder)
        return EventError(f"{name!r} holds results of ours; it is not looked into.")
    return found


def _entry(root: Path, entry: os.DirEntry[str]) -> WatchedFile | Blocked | Path | None:
    """A file, why it is none, a folder to look into, or None for what is neither."""
    path = Path(entry.path)
    name = _printable(path)
    if name != entry.path:
        why = f"{name!r} has a name that is not UTF-8; rename it."
        return Blocked(name, EventError(why))
    if entry.is_symlink():
        why = f"{name!r} is a link; put the file itself, or a hard link, there."
        return Blocked(name, EventError(why))
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as exc:
        gone = isinstance(exc, FileNotFoundError)
        return None if gone else Blocked(name, _typed(exc, path))
    if not stat.S_ISREG(status.st_mode):
        return path if stat.S_ISDIR(status.st_mode) else None
    return WatchedFile(
        key=str(path.relative_to(root)),
        path=entry.path,
        bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
        identity=(status.st_dev, status.st_ino),
    )


def _holds_results(folder: Path) -> bool:
    try:
        with (folder / MANIFEST_NAME).open("rb") as file:
            return _RESULTS.search(file.read(_SCHEMA_BYTES)) is not None
    except OSError:
        return False


def _typed(exc: OSError, path: Path) -> TranscodeError:
    why = (exc.strerror or str(exc)).lower()
    name = _printable(path)
    if isinstance(exc, PermissionError):
        return SourceUnreadable(f"{name!r} may not be read: {why}.", path=name)
    return StoreError(f"{name!r} cannot be read: {why}.", path=name)


def _printable(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode()
