"""An address → a folder where files are made, and those files → the address."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from pathlib import Path
from typing import Protocol

from ..errors import OutOfDisk, SettingsError, TranscodeError
from ..settings import Settings
from .destination import Marks

__all__ = ["Staged", "brought", "staged"]

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Staged(Protocol):
    """Where an attempt's files are made."""

    @property
    def folder(self) -> Path:
        """Of this machine, private; need not exist yet."""

    def sending(self) -> AbstractAsyncContextManager[None]:
        """Take finished files away, where that saves time, while the block makes more;
        what fails here is done again by `keep`."""

    async def keep(self) -> None:
        """Everything in the folder is to be found at the address."""


@asynccontextmanager
async def staged(
    place: str | None, settings: Settings, *, marks: Marks
) -> AsyncIterator[Staged]:
    """
    A folder for the files of *place*: itself, where the store is this disk; one that
    goes with the block, where they are for nobody.

    What was not kept when the block ends is removed from a store; files of this disk
    are whoever asked for the place's to remove.
    """
    if place is None:
        with _private(settings) as folder:
            yield _OnThisDisk(folder)
        return
    if not place.startswith("s3://"):
        yield _OnThisDisk(Path(place))
        return
    # botocore takes a second to import.
    from .s3_bucket import S3Bucket  # noqa: PLC0415
    from .s3_upload import S3Files  # noqa: PLC0415

    with _private(settings) as folder:
        async with S3Bucket.open(place, settings) as objects:
            files = S3Files(objects, folder, marks)
            try:
                yield files
            finally:
                await files.close()


@asynccontextmanager
async def brought(place: str, settings: Settings) -> AsyncIterator[Path]:
    """A folder of this machine with what lies at *place*, for as long as the block."""
    if not place.startswith("s3://"):
        yield Path(place)
        return
    from .s3_bucket import S3Bucket  # noqa: PLC0415  botocore takes a second

    with _private(settings) as folder:
        try:
            async with S3Bucket.open(place, settings) as objects:
                async for entry in objects.entries():
                    aim = folder / entry.key
                    aim.parent.mkdir(parents=True, exist_ok=True)
                    await objects.download(entry.key, aim)
        except OSError as exc:
            raise _no_room(exc) from exc
        yield folder


@contextmanager
def _private(settings: Settings) -> Iterator[Path]:
    """A new folder that goes with the block."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="transcode-", dir=settings.scratch))
    except OSError as exc:
        raise _no_room(exc) from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _no_room(exc: OSError) -> TranscodeError:
    kind = OutOfDisk if exc.errno in _FULL else SettingsError
    return kind(
        f"Cannot write in the folder for temporary files ({exc.strerror}): free some "
        "space, or name another in TRANSCODE_SCRATCH.",
        setting="TRANSCODE_SCRATCH",
    )


class _OnThisDisk:
    """Files are made where they stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def sending(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def keep(self) -> None:
        """They are there."""
