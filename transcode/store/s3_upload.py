"""Results on their way to S3: files leave as they are finished."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from ..errors import TranscodeError
from .s3_bucket import S3Bucket

_AT_ONCE = 8
_AT_ONCE_BESIDE = 2
"""While an encoder wants the machine."""
_LOOK_SECONDS = 0.5
_WITHDRAW_SECONDS = 30
"""For removing garbage; what is left then is left."""

Identity = tuple[int, int, int]


class Sending:
    """
    The objects of one attempt: what went, and what may have gone.

    A file that is no longer what was sent is sent again, so that sending early is
    never wrong, only sometimes in vain.
    """

    def __init__(self) -> None:
        self._sent: dict[str, Identity] = {}
        self._touched: dict[str, None] = {}
        self._enough = anyio.Event()

    async def send_all(
        self, bucket: S3Bucket, folder: Path, marks: Mapping[str, str]
    ) -> None:
        """What of *folder* has not gone yet, and remove what went and is not in it."""
        paths = await anyio.to_thread.run_sync(_files, folder)
        failures = await self._send(bucket, folder, paths, marks, beside=False)
        if failures:
            # Out of a task group it would come as a group.
            raise failures[0]
        wanted = {path.relative_to(folder).as_posix() for path in paths}
        for key in [key for key in self._touched if key not in wanted]:
            await bucket.delete(key)
            del self._touched[key]

    @asynccontextmanager
    async def beside(
        self, bucket: S3Bucket, folder: Path, marks: Mapping[str, str]
    ) -> AsyncIterator[None]:
        """Send finished segments below *folder* while the block runs, once."""
        raised: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow, bucket, folder, marks)
            try:
                yield
                # What is under way would only be sent again.
                self._enough.set()
            except Exception as exc:  # noqa: BLE001  raised below, out of the group
                raised = exc
                group.cancel_scope.cancel()
        if raised is not None:
            raise raised

    async def withdraw(self, bucket: S3Bucket) -> None:
        """Remove what went and nobody is to name, as far as the store lets us."""
        with anyio.move_on_after(_WITHDRAW_SECONDS, shield=True):
            for key in self._touched:
                with contextlib.suppress(TranscodeError):
                    await bucket.delete(key)

    async def _follow(
        self, bucket: S3Bucket, folder: Path, marks: Mapping[str, str]
    ) -> None:
        while not self._enough.is_set():
            with anyio.move_on_after(_LOOK_SECONDS):
                await self._enough.wait()
            # What fails now is sent again at the end, and fails there if it must.
            paths = await anyio.to_thread.run_sync(_finished, folder)
            await self._send(bucket, folder, paths, marks, beside=True)

    async def _send(
        self,
        bucket: S3Bucket,
        folder: Path,
        paths: list[Path],
        marks: Mapping[str, str],
        *,
        beside: bool,
    ) -> list[Exception]:
        limit = anyio.CapacityLimiter(_AT_ONCE_BESIDE if beside else _AT_ONCE)
        failures: list[Exception] = []

        async def send(path: Path) -> None:
            key = path.relative_to(folder).as_posix()
            async with limit:
                if failures or (beside and self._enough.is_set()):
                    return
                try:
                    is_now = _identity(path)
                    if self._sent.get(key) == is_now:
                        return
                    self._sent.pop(key, None)
                    self._touched[key] = None
                    await bucket.upload(key, path, metadata=marks)
                    self._sent[key] = is_now
                except (TranscodeError, OSError) as exc:
                    failures.append(exc)

        async with anyio.create_task_group() as group:
            for path in paths:
                group.start_soon(send, path)
        return failures


class S3Files:
    """One attempt's folder on its way to a place of S3; see `staging.Staged`."""

    def __init__(
        self, objects: S3Bucket, folder: Path, marks: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self._objects, self._marks = objects, marks
        self._sending = Sending()
        self._kept = False

    def sending(self) -> AbstractAsyncContextManager[None]:
        return self._sending.beside(self._objects, self.folder, self._marks)

    async def keep(self) -> None:
        await self._sending.send_all(self._objects, self.folder, self._marks)
        self._kept = True

    async def close(self) -> None:
        """Nobody is to find what was not kept."""
        if not self._kept:
            await self._sending.withdraw(self._objects)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if _is_file(path))


def _finished(folder: Path) -> list[Path]:
    """
    Segments that have a successor: the packager writes one after another and returns to
    none.
    """
    rows: dict[Path, list[Path]] = {}
    with contextlib.suppress(OSError):
        for path in sorted(folder.rglob("*.m4s")):
            if _is_file(path):
                rows.setdefault(path.parent, []).append(path)
    return [path for row in rows.values() for path in row[:-1]]


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _identity(path: Path) -> Identity:
    status = path.lstat()
    return status.st_ino, status.st_size, status.st_mtime_ns
