"""Sources and results on S3-compatible storage."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio

from ..contract import Manifest, Source
from ..errors import (
    DestinationUnwritable,
    ObjectExists,
    ObjectMissing,
    SourceNotFound,
    SourceUnreadable,
    TranscodeError,
    UsageError,
)
from ..settings import Settings
from .s3_bucket import S3Bucket
from .s3_objects import split

MANIFEST_NAME = "manifest.json"
_SIGNED_SECONDS = 12 * 3600
"""How long a worker may go on reading; longer than any platform's time limit but
FunctionGraph's, whose credentials expire after 24 h anyway."""
_UPLOADS_AT_ONCE = 8


async def locate(text: str, settings: Settings) -> Source:
    """One version of an object, with a signed address that a worker can read."""
    name, key = split(text)
    if not key:
        raise UsageError(f"{text!r} names no object; write s3://bucket/key.", uri=text)
    async with S3Bucket.open(f"s3://{name}", settings) as bucket:
        try:
            found = await bucket.head(key)
        except ObjectMissing as exc:
            raise SourceNotFound(
                f"There is no object {text!r}. Check bucket and key.", uri=text
            ) from exc
        location = await bucket.sign(
            key, seconds=_SIGNED_SECONDS, version=found.version
        )
    return Source(
        uri=text,
        bytes=found.bytes,
        etag=found.etag,
        version=found.version,
        location=location,
        marks={
            name: text
            for name, text in found.metadata.items()
            if name.startswith("transcode-")
        },
    )


class S3Destination:
    """
    Results under a prefix.

    Everything a manifest names is uploaded before the manifest, which is created
    with `If-None-Match: *`: readers who start at the manifest see all or nothing,
    and of two runs of one job one wins.
    """

    def __init__(self, text: str, settings: Settings) -> None:
        name, prefix = split(text)
        self._text = f"s3://{name}/{prefix.strip('/')}".rstrip("/")
        self._settings = settings

    def uri(self, folder: str, path: str = "") -> str:
        return f"{self._text}/{folder}/{path}"

    async def find(self, folder: str) -> Manifest | None:
        try:
            async with self._open() as bucket:
                body, _ = await bucket.read(f"{folder}/{MANIFEST_NAME}")
        except ObjectMissing:
            return None
        except SourceUnreadable as exc:
            raise self._unwritable(exc) from exc
        return Manifest.from_json(body)

    async def prepare(self, folder: str) -> Path:
        """Proves by a write that results can be delivered, before any is made."""
        probe = f"{folder}/.write-test-{secrets.token_hex(4)}"
        async with self._open() as bucket:
            await bucket.put(probe, b"")
            await bucket.delete(probe)
        return Path(tempfile.mkdtemp(prefix="transcode-", dir=self._settings.scratch))

    async def discard(self, staging: Path) -> None:
        shutil.rmtree(staging, ignore_errors=True)

    async def publish(self, folder: str, staging: Path, manifest: Manifest) -> None:
        marks = _provenance(manifest)
        async with self._open() as bucket:
            await _upload(bucket, folder, staging, marks=marks)
            try:
                await bucket.create(
                    f"{folder}/{MANIFEST_NAME}",
                    (manifest.to_json(indent=1) + "\n").encode(),
                    metadata=marks,
                )
            except ObjectExists as exc:
                raise ObjectExists(
                    f"{self.uri(folder)!r} was published by somebody else meanwhile.",
                    uri=self.uri(folder),
                ) from exc

    def _open(self) -> AbstractAsyncContextManager[S3Bucket]:
        return S3Bucket.open(self._text, self._settings)

    def _unwritable(self, exc: TranscodeError) -> DestinationUnwritable:
        return DestinationUnwritable(
            f"Nothing can be written to {self._text!r}: {exc.message}", uri=self._text
        )


async def _upload(
    bucket: S3Bucket, folder: str, staging: Path, *, marks: Mapping[str, str]
) -> None:
    limit = anyio.CapacityLimiter(_UPLOADS_AT_ONCE)
    failures: list[Exception] = []

    async def put(path: Path) -> None:
        async with limit:
            if failures:
                return
            key = f"{folder}/{path.relative_to(staging).as_posix()}"
            try:
                await bucket.upload(key, path, metadata=marks)
            except (TranscodeError, OSError) as exc:
                # Raised below: out of a task group it would come as a group.
                failures.append(exc)

    async with anyio.create_task_group() as group:
        for path in _files(staging):
            group.start_soon(put, path)
    if failures:
        raise failures[0]


def _files(staging: Path) -> list[Path]:
    return sorted(path for path in staging.rglob("*") if path.is_file())


def _provenance(manifest: Manifest) -> dict[str, str]:
    """Marks our outputs, so that they are never taken for uploads."""
    return {
        "transcode-job": manifest.job_id,
        "transcode-profile": manifest.profile.name,
    }
