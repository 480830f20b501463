"""A folder as a bucket: an object is a file that appears and changes as a whole."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

import anyio.to_thread

from ..errors import (
    DestinationUnwritable,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    OutOfDisk,
    SourceUnreadable,
    StoreError,
    TranscodeError,
)
from .bucket import Entry
from .folder import path_of

Result = TypeVar("Result")

_PARTIAL = ".transcode-partial-"
"""Begins the name of a file that is not an object yet; listings leave it out."""


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
        yield cls(path_of(text).absolute())

    def uri(self, key: str = "") -> str:
        return str(self._root / key)

    async def head(self, key: str) -> Entry:
        return await self._do(lambda: self._head(key), key)

    async def read(self, key: str) -> tuple[bytes, Entry]:
        def read() -> tuple[bytes, Entry]:
            with self._path(key).open("rb") as file:
                return file.read(), self._entry(key, os.fstat(file.fileno()))

        return await self._do(read, key)

    async def read_range(
        self, key: str, start: int, length: int, *, etag: str | None = None
    ) -> bytes:
        def read() -> bytes:
            with self._path(key).open("rb") as file:
                now = self._entry(key, os.fstat(file.fileno()))
                if etag not in (None, now.etag):
                    raise ObjectChanged(
                        f"{self.uri(key)!r} is no longer the file that was looked at.",
                        uri=self.uri(key),
                    )
                return os.pread(file.fileno(), length, start)

        return await self._do(read, key)

    async def create(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - see class
    ) -> Entry:
        def create() -> Entry:
            with self._partial(key) as partial:
                _write(partial, body)
                os.link(partial, self._path(key))
                _sync(self._path(key).parent)
                return self._head(key)

        return await self._do(create, key, writes=True)

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - see class
    ) -> Entry:
        def put() -> Entry:
            with self._partial(key) as partial:
                _write(partial, body)
                partial.rename(self._path(key))
                _sync(self._path(key).parent)
                return self._head(key)

        return await self._do(put, key, writes=True)

    async def upload(
        self,
        key: str,
        body: Path | AsyncIterator[bytes],
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - see class
    ) -> Entry:
        with self._partial(key) as partial:
            if isinstance(body, Path):
                await self._do(lambda: _copy(body, partial), key, writes=True)
            else:
                async with await anyio.open_file(partial, "wb") as file:
                    async for part in body:
                        await file.write(part)

            def finish() -> Entry:
                _sync(partial)
                partial.rename(self._path(key))
                _sync(self._path(key).parent)
                return self._head(key)

            return await self._do(finish, key, writes=True)

    async def copy(self, key: str, to: str) -> Entry:
        return await self.upload(to, self._path(key))

    async def delete(self, key: str) -> None:
        def delete() -> None:
            path = self._path(key)
            path.unlink(missing_ok=True)
            # A folder is no object: an empty one would never be seen again.
            with contextlib.suppress(OSError):
                while path.parent != self._root:
                    path = path.parent
                    path.rmdir()

        await self._do(delete, key, writes=True)

    async def entries(
        self, prefix: str = "", *, after: str = ""
    ) -> AsyncIterator[Entry]:
        for entry in await self._do(lambda: self._list(prefix, after), prefix):
            yield entry

    async def sign(self, key: str, *, seconds: int) -> str:  # noqa: ARG002 - a path
        return str(self._path(key))

    async def now(self) -> datetime:
        """By the file system's clock, which on a network drive is the server's."""

        def now() -> datetime:
            with self._partial("now") as partial:
                partial.touch()
                return _utc(partial.stat().st_mtime_ns)

        return await self._do(now, "", writes=True)

    async def is_conditional(self) -> bool:
        """Always: `link(2)` refuses a name that exists."""
        return True

    def _path(self, key: str) -> Path:
        return self._root / key

    def _head(self, key: str) -> Entry:
        return self._entry(key, self._path(key).stat())

    def _entry(self, key: str, status: os.stat_result) -> Entry:
        return Entry(
            key=key,
            bytes=status.st_size,
            etag=f"{status.st_size:x}-{status.st_mtime_ns:x}",
            modified=_utc(status.st_mtime_ns),
        )

    @contextlib.contextmanager
    def _partial(self, key: str) -> Iterator[Path]:
        aim = self._path(key)
        partial = aim.with_name(_PARTIAL + secrets.token_hex(8))
        # Another process may remove the folder as empty between the two.
        for _ in range(100):
            aim.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                partial.touch()
                break
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    def _list(self, prefix: str, after: str) -> list[Entry]:
        folder = self._path(prefix[: prefix.rfind("/") + 1])
        found = []
        for parent, _, names in os.walk(folder):
            for name in names:
                key = str(Path(parent, name).relative_to(self._root))
                if not name.startswith(_PARTIAL) and key.startswith(prefix):
                    found.append(key)
        entries = []
        for key in sorted(key for key in found if key > after):
            with contextlib.suppress(FileNotFoundError):
                entries.append(self._head(key))
        return entries

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


def _typed(exc: OSError, uri: str, *, writes: bool) -> TranscodeError:
    why = (exc.strerror or str(exc)).lower()
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfDisk(f"No space is left to write {uri!r}.", uri=uri)
    if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        if writes:
            return DestinationUnwritable(f"{uri!r} cannot be written: {why}.", uri=uri)
        return SourceUnreadable(f"{uri!r} may not be read: {why}.", uri=uri)
    return StoreError(f"{uri!r}: {why}.", uri=uri)


def _copy(path: Path, to: Path) -> None:
    shutil.copyfile(path, to)


def _write(path: Path, body: bytes) -> None:
    with path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _utc(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
