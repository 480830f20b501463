"""Results in a folder: staged beside it, then shown all at once."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from ..contract import Manifest
from ..errors import (
    DestinationUnwritable,
    ObjectExists,
    OutOfDisk,
)
from .destination import (
    FIRST,
    MANIFEST_NAME,
    PAGE_NAME,
    RECORDS,
    Commit,
    freely,
    naming,
)
from .files import HIDDEN, sync
from .folder_source import absolute

_PREPARED = "prepared"


class FolderDestination:
    """
    Results in a folder of the local file system.

    Attempts write to `.transcode-<job>.<token>.<random>/<name>` inside it, so that
    publishing is one `rename(2)` on one file system: readers see the whole job or
    nothing, and all of it of one try.
    """

    in_place = False

    def __init__(self, text: str) -> None:
        self._root = absolute(text)
        # What a process that was killed has left stands in nobody's way.
        self._own = secrets.token_hex(4)

    def uri(
        self,
        folder: str,
        path: str = "",
        *,
        name: str = "",  # noqa: ARG002 - see class
        token: str = FIRST,  # noqa: ARG002 - see class
    ) -> str:
        return str(self._root / folder / path)

    async def find(self, folder: str) -> Manifest | None:
        try:
            text = (self._root / folder / MANIFEST_NAME).read_bytes()
        except OSError:
            # What stands in the way of reading stands in the way of writing too,
            # and `prepare` says it better.
            return None
        return Manifest.from_json(text)

    async def prepare(self, folder: str, *, token: str = FIRST) -> Path:
        if (self._root / folder).exists():
            # Published folders always hold a manifest; this one is not ours.
            raise DestinationUnwritable(
                f"{str(self._root / folder)!r} exists already and is not a finished "
                "job; move it away or choose another --to.",
                path=str(self._root / folder),
            )
        staging = self._staging(folder, token)
        try:
            staging.mkdir(parents=True)
            # A listing knows no empty folder: whoever tidies up after us finds this.
            (staging / _PREPARED).touch()
        except OSError as exc:
            raise _unwritable(self._root, exc) from exc
        if not os.access(staging, os.W_OK | os.X_OK):
            raise DestinationUnwritable(
                f"Nothing may be written to {str(self._root)!r}.", path=str(self._root)
            )
        return staging

    def place(self, folder: str, name: str, *, token: str = FIRST) -> str:
        return str(self._staging(folder, token) / name)

    def records(self, folder: str, name: str, *, token: str = FIRST) -> str:
        return str(self._root / RECORDS / folder / token / name)

    async def discard(self, folder: str, *, token: str = FIRST) -> None:
        staging = self._staging(folder, token)
        records = self._root / RECORDS / folder / token
        for path in (staging, records):
            await anyio.to_thread.run_sync(shutil.rmtree, path, True)
        self._tidy(records)

    async def publish(  # noqa: PLR0913 - what is shown, and by whom
        self,
        folder: str,
        manifest: Manifest,
        *,
        made: Sequence[str],
        token: str = FIRST,
        page: bytes | None = None,
        commit: Commit = freely,
    ) -> Manifest:
        if page is not None:
            manifest = naming(manifest, self.uri(folder, PAGE_NAME), page)
        text = manifest.to_json(indent=1) + "\n"
        root = self._staging(folder, token)
        try:
            staging = _gather([root / name for name in made])
            if page is not None:
                with (staging / PAGE_NAME).open("xb") as shown:
                    shown.write(page)
                    shown.flush()
                    os.fsync(shown.fileno())
            with (staging / MANIFEST_NAME).open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            sync(staging)
            with anyio.CancelScope(shield=True):
                await commit()
            _rename(staging, self._root / folder)
            sync(self._root)
        except OSError as exc:
            if exc.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise ObjectExists(
                    f"{self.uri(folder)!r} was published by somebody else meanwhile.",
                    path=self.uri(folder),
                ) from exc
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfDisk(
                    f"No space is left in {str(self._root)!r} to publish the results.",
                    path=str(self._root),
                ) from exc
            raise _unwritable(self._root, exc) from exc
        return manifest

    def _staging(self, folder: str, token: str) -> Path:
        return self._root / f"{HIDDEN}{folder}.{token}.{self._own}"

    def _tidy(self, records: Path) -> None:
        """Leave no empty folder behind; others may be at work in them."""
        for path in records.parents:
            try:
                path.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            if path == self._root:
                return


def _gather(folders: Sequence[Path]) -> Path:
    """One folder with the files of all; renames, no copies."""
    first, *others = folders
    for folder in others:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                aim = first / path.relative_to(folder)
                aim.parent.mkdir(parents=True, exist_ok=True)
                path.rename(aim)
    return first


def _unwritable(root: Path, exc: OSError) -> DestinationUnwritable | OutOfDisk:
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfDisk(f"No space is left in {str(root)!r}.", path=str(root))
    return DestinationUnwritable(
        f"Nothing can be written to {str(root)!r}: {(exc.strerror or str(exc)).lower()}"
        ". Choose another --to.",
        path=str(root),
    )


def _rename(staging: Path, final: Path) -> None:
    staging.rename(final)
