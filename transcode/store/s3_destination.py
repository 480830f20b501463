"""Results in a bucket: objects first, the manifest last."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio

from ..contract import Manifest
from ..errors import (
    DestinationUnwritable,
    LeaseLost,
    ObjectExists,
    ObjectMissing,
    SourceUnreadable,
    TranscodeError,
)
from ..settings import Settings
from .destination import FIRST, Commit, Marks, freely, provenance
from .s3_bucket import S3Bucket
from .s3_objects import split
from .s3_upload import Sending

MANIFEST_NAME = "manifest.json"


class S3Destination:
    """
    Results under a prefix.

    Everything a manifest names is uploaded under `<folder>/<token>/` before the
    manifest `<folder>/manifest.json`, which is created with `If-None-Match: *`:
    readers who start at the manifest see all or nothing, and of two tries at one job
    one wins. A try that lost its claim and knows nothing of it can never mix its
    objects into another's result, since no two have the same token; what it wrote is
    garbage that no manifest names, and goes when its staging is discarded.
    """

    def __init__(self, text: str, settings: Settings) -> None:
        name, prefix = split(text)
        self._text = f"s3://{name}/{prefix.strip('/')}".rstrip("/")
        self._settings = settings
        self._ways: dict[Path, tuple[str, Sending]] = {}

    def uri(self, folder: str, path: str = "", *, token: str = FIRST) -> str:
        return f"{self._text}/{folder}/{token}/{path}"

    async def find(self, folder: str) -> Manifest | None:
        try:
            async with self._open() as bucket:
                body, _ = await bucket.read(f"{folder}/{MANIFEST_NAME}")
        except ObjectMissing:
            return None
        except SourceUnreadable as exc:
            raise self._unwritable(exc) from exc
        return Manifest.from_json(body)

    async def prepare(self, folder: str, *, token: str = FIRST) -> Path:
        """Proves by a write that results can be delivered, before any is made."""
        probe = f"{folder}/{token}/.write-test-{secrets.token_hex(4)}"
        async with self._open() as bucket:
            await bucket.put(probe, b"")
            await bucket.delete(probe)
        return Path(tempfile.mkdtemp(prefix="transcode-", dir=self._settings.scratch))

    @asynccontextmanager
    async def sending(
        self, folder: str, staging: Path, *, token: str = FIRST, marks: Marks
    ) -> AsyncIterator[None]:
        sending = self._sending(folder, staging, token)
        async with self._open() as bucket, sending.beside(bucket, staging, marks):
            yield

    async def discard(self, staging: Path) -> None:
        """Also of the store: what was uploaded and no manifest names."""
        shutil.rmtree(staging, ignore_errors=True)
        folder, sending = self._ways.pop(staging, ("", None))
        if sending is None or sending.settled or sending.is_empty:
            return
        with contextlib.suppress(TranscodeError):
            async with self._open() as bucket:
                await sending.withdraw(bucket, f"{folder}/{MANIFEST_NAME}")

    async def publish(
        self,
        folder: str,
        staging: Path,
        manifest: Manifest,
        *,
        token: str = FIRST,
        commit: Commit = freely,
    ) -> None:
        marks = provenance(manifest.job_id, manifest.profile.name)
        text = manifest.to_json(indent=1) + "\n"
        key = f"{folder}/{MANIFEST_NAME}"
        sending = self._sending(folder, staging, token)
        async with self._open() as bucket:
            await sending.send_all(bucket, staging, marks)
            # From here on a failure may still have made the manifest visible, and what
            # it names has to stay. Nor is it cut short: a request that was given up
            # could still arrive after the job was told to be cancelled.
            sending.settled = True
            try:
                with anyio.CancelScope(shield=True):
                    await commit()
                    await bucket.create(key, text.encode(), metadata=marks)
            except LeaseLost:
                sending.settled = False
                raise
            except ObjectExists as exc:
                sending.settled = False
                raise ObjectExists(
                    f"{bucket.uri(folder)!r} was published by somebody else meanwhile.",
                    uri=bucket.uri(folder),
                ) from exc

    def _sending(self, folder: str, staging: Path, token: str) -> Sending:
        """That of the *staging* that `prepare` gave, or of a folder in it."""
        for known, (_, sending) in self._ways.items():
            if staging.is_relative_to(known):
                return sending
        sending = Sending(f"{folder}/{token}")
        self._ways[staging] = (folder, sending)
        return sending

    def _open(self) -> AbstractAsyncContextManager[S3Bucket]:
        return S3Bucket.open(self._text, self._settings)

    def _unwritable(self, exc: TranscodeError) -> DestinationUnwritable:
        return DestinationUnwritable(
            f"Nothing can be written to {self._text!r}: {exc.message}", uri=self._text
        )
