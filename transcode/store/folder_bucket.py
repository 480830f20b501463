"""A folder as a bucket: an object is a file that appears and changes as a whole."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

import anyio.to_thread

from ..errors import (
    DestinationUnwritable,
    ObjectExists,
    ObjectMissing,
    OutOfDisk,
    SourceUnreadable,
    StoreError,
    TranscodeError,
    UsageError,
)
from . import files
from .bucket import Entry, refuse_key
from .folder_source import absolute
from .stamps import folder_stamp

Result = TypeVar("Result")

_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
_NO_OBJECTS = {errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
"""Names that lead nowhere, whoever put them there: as good as not there."""


class FolderBucket:
    """
    Keys are paths under a root. Metadata is not kept: files have nowhere for it.

    A new object is written beside its place, made durable, and linked or renamed
    there: readers see a whole file or none, and of two creators the kernel picks one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @classmethod
    @asynccontextmanager
    async def open(cls, text: str) -> AsyncIterator[Self]:
        yield cls(absolute(text))

    def uri(self, key: str = "") -> str:
        return str(self._root / key)

    async def head(self, key: str) -> Entry:
        return await self._do(lambda: self._head(key), key)

    async def read(self, key: str) -> tuple[bytes, Entry]:
        def read() -> tuple[bytes, Entry]:
            with self._path(key).open("rb") as file:
                return file.read(), self._entry(key, os.fstat(file.fileno()))

        return await self._do(read, key)

    async def read_part(self, key: str, first: int, last: int) -> bytes:
        def read() -> bytes:
            with self._path(key).open("rb") as file:
                file.seek(first)
                return file.read(last - first + 1)

        return await self._do(read, key)

    async def create(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - see class
        content_type: str | None = None,  # noqa: ARG002 - see class
    ) -> Entry:
        def create() -> Entry:
            with files.partial(self._path(key)) as partial:
                partial.write_bytes(body)
                return self._appear(partial, key, only_new=True)

        return await self._do(create, key, writes=True)

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - see class
    ) -> Entry:
        def put() -> Entry:
            with files.partial(self._path(key)) as partial:
                partial.write_bytes(body)
                return self._appear(partial, key, only_new=False)

        return await self._do(put, key, writes=True)

    async def upload(
        self,
        key: str,
        body: Path | AsyncIterator[bytes],
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - see class
        only_new: bool = False,
    ) -> Entry:
        partial = await self._do(lambda: files.begin(self._path(key)), key, writes=True)

        def write(part: bytes) -> None:
            with partial.open("ab") as file:
                file.write(part)

        def finish() -> Entry:
            return self._appear(partial, key, only_new=only_new)

        try:
            if isinstance(body, Path):
                await self._do(
                    functools.partial(shutil.copyfile, body, partial), key, writes=True
                )
            else:
                async for part in body:
                    await self._do(functools.partial(write, part), key, writes=True)
            return await self._do(finish, key, writes=True)
        finally:
            partial.unlink(missing_ok=True)

    async def copy(self, key: str, to: str) -> Entry:
        def copy() -> Entry:
            # Opened first: a name that is replaced meanwhile leaves this file whole.
            with (
                self._path(key).open("rb") as file,
                files.partial(self._path(to)) as partial,
            ):
                with partial.open("wb") as aim:
                    shutil.copyfileobj(file, aim, 2**20)
                return self._appear(partial, to, only_new=False)

        return await self._do(copy, key, writes=True)

    async def delete(self, key: str) -> None:
        def delete() -> None:
            path = self._path(key)
            path.unlink(missing_ok=True)
            # A folder is no object: an empty one would never be seen again.
            with contextlib.suppress(OSError):
                while path.parent != self._root and _rid(path.parent):
                    path = path.parent

        await self._do(delete, key, writes=True)

    async def entries(
        self, prefix: str = "", *, after: str = ""
    ) -> AsyncIterator[Entry]:
        for entry in await self._do(lambda: self._list(prefix, after), prefix):
            yield entry

    async def folders(self, prefix: str = "") -> frozenset[str]:
        refuse_key(prefix, self.uri(prefix))

        def names() -> frozenset[str]:
            with os.scandir(self._root / prefix) as listing:
                return frozenset(one.name for one in listing if one.is_dir())

        try:
            return await self._do(names, "")
        except ObjectMissing:
            return frozenset()

    async def stamp(self, prefix: str = "") -> str | None:
        refuse_key(prefix, self.uri(prefix))
        return await self._do(lambda: folder_stamp(self._root, prefix), prefix)

    async def sign(
        self,
        key: str,
        *,
        seconds: int,  # noqa: ARG002 - a path
        version: str | None = None,  # noqa: ARG002 - folders keep none
    ) -> str:
        return str(self._path(key))

    async def now(self) -> datetime:
        """By the file system's clock, which on a network drive is the server's."""

        def now() -> datetime:
            with files.partial(self._path("now")) as partial:
                partial.touch()
                return _utc(partial.stat().st_mtime_ns)

        return await self._do(now, "", writes=True)

    async def is_conditional(self) -> bool:
        """Always: `link(2)` refuses a name that exists."""
        return True

    async def collect(self, *, older_than: timedelta) -> int:
        limit = await self.now() - older_than

        def collect() -> int:
            found = 0
            for path in self._root.rglob(f"{files.PARTIAL}*"):
                with contextlib.suppress(FileNotFoundError):
                    if _utc(path.stat().st_mtime_ns) < limit:
                        path.unlink()
                        found += 1
            # Of a try whose last worker came when all else had been tidied up.
            for path in self._root.glob(f"{files.HIDDEN}*/"):
                with contextlib.suppress(OSError):
                    if _utc(path.stat().st_mtime_ns) < limit:
                        found += _rid(path)
            return found

        return await self._do(collect, "", writes=True)

    def _path(self, key: str) -> Path:
        refuse_key(key, self.uri(key))
        if "" in key.split("/") or files.PARTIAL in key:
            raise UsageError(
                f"{self.uri(key)!r} cannot be a file: a part of its name is empty or "
                f"begins with {files.PARTIAL!r}.",
                key=key,
            )
        return self._root / key

    def _head(self, key: str) -> Entry:
        return self._entry(key, self._path(key).stat())

    def _entry(self, key: str, status: os.stat_result) -> Entry:
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", key)
        return Entry(
            key=key,
            bytes=status.st_size,
            etag=f"{status.st_size:x}-{status.st_mtime_ns:x}",
            modified=_utc(status.st_mtime_ns),
        )

    def _appear(self, partial: Path, key: str, *, only_new: bool) -> Entry:
        status = files.appear(partial, self._path(key), only_new=only_new)
        return self._entry(key, status)

    def _list(self, prefix: str, after: str) -> list[Entry]:
        refuse_key(prefix, self.uri(prefix))
        root = os.fspath(self._root)
        above, _, rest = prefix.rpartition("/")
        top = os.path.join(root, above) if above else root  # noqa: PTH118 - see below
        found: list[Entry] = []
        # Of 50,000 objects; as `Path`s it took ten times as long.
        for parent, folders, names in os.walk(top, onerror=_refuse):
            under = parent[len(root) :].lstrip("/")
            under = f"{under}/" if under else ""
            if parent == top:
                folders[:] = [name for name in folders if name.startswith(rest)]
            for name in names:
                key = under + name
                if (
                    name.startswith(files.PARTIAL)
                    or not key.startswith(prefix)
                    or key <= after
                ):
                    continue
                try:
                    found.append(self._entry(key, os.stat(f"{parent}/{name}")))  # noqa: PTH116
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError as exc:
                    if exc.errno not in _NO_OBJECTS:
                        raise
        return sorted(found, key=lambda entry: entry.key)

    async def _do(
        self, call: Callable[[], Result], key: str, *, writes: bool = False
    ) -> Result:
        """Off the loop; the one place where this store's `OSError` becomes ours."""
        try:
            return await anyio.to_thread.run_sync(call)
        except TranscodeError:
            raise
        except FileExistsError as exc:
            raise ObjectExists(
                f"{self.uri(key)!r} exists already.", uri=self.uri(key)
            ) from exc
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise ObjectMissing(
                f"There is no {self.uri(key)!r}.", uri=self.uri(key)
            ) from exc
        except OSError as exc:
            raise _typed(exc, self.uri(key), writes=writes) from exc


def _refuse(exc: OSError) -> None:
    """A folder that cannot be listed is not an empty one: records may lie in it."""
    if not isinstance(exc, (FileNotFoundError, NotADirectoryError)):
        raise exc


def _typed(exc: OSError, uri: str, *, writes: bool) -> TranscodeError:
    why = (exc.strerror or str(exc)).lower()
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfDisk(f"No space is left to write {uri!r}.", uri=uri)
    if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        if writes:
            return DestinationUnwritable(f"{uri!r} cannot be written: {why}.", uri=uri)
        return SourceUnreadable(f"{uri!r} may not be read: {why}.", uri=uri)
    return StoreError(f"{uri!r}: {why}.", uri=uri)


def _rid(folder: Path) -> bool:
    """
    Remove *folder* where there is no file in it, however deep: whoever was killed may
    have made folders and nothing else. Whether it is gone.

    Looks no further than the first file. Raises OSError.
    """
    with os.scandir(folder) as listing:
        for one in listing:
            if not one.is_dir(follow_symlinks=False) or not _rid(Path(one.path)):
                return False
    folder.rmdir()
    return True


def _utc(nanoseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        # A file's clock goes further than any calendar; what is later stays later.
        return _LAST if nanoseconds > 0 else _FIRST
