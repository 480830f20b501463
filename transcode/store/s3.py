"""Sources and results on S3-compatible storage."""

from __future__ import annotations

import contextlib
import json
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
from . import FIRST
from .s3_bucket import S3Bucket
from .s3_objects import split

MANIFEST_NAME = "manifest.json"
_SIGNED_SECONDS = 12 * 3600
"""How long a worker may go on reading; longer than any platform's time limit but
FunctionGraph's, whose credentials expire after 24 h anyway."""
_UPLOADS_AT_ONCE = 8
_WITHDRAW_SECONDS = 30
"""For removing garbage; what is left then is left."""


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

    Everything a manifest names is uploaded under `<folder>/<token>/` before the
    manifest `<folder>/manifest.json`, which is created with `If-None-Match: *`:
    readers who start at the manifest see all or nothing, and of two tries at one job
    one wins. A try that lost its claim and knows nothing of it can never mix its
    objects into another's result, since no two have the same token; what it wrote is
    garbage that no manifest names, and is removed when it finds out.
    """

    def __init__(self, text: str, settings: Settings) -> None:
        name, prefix = split(text)
        self._text = f"s3://{name}/{prefix.strip('/')}".rstrip("/")
        self._settings = settings

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

    async def discard(self, staging: Path) -> None:
        shutil.rmtree(staging, ignore_errors=True)

    async def publish(
        self, folder: str, staging: Path, manifest: Manifest, *, token: str = FIRST
    ) -> None:
        marks = _provenance(manifest)
        text = manifest.to_json(indent=1) + "\n"
        key = f"{folder}/{MANIFEST_NAME}"
        async with self._open() as bucket:
            written: list[str] = []
            try:
                await _upload(
                    bucket, f"{folder}/{token}", staging, written, marks=marks
                )
            except BaseException:
                await _withdraw(bucket, key, written)
                raise
            # From here on a failure may still have made the manifest visible, and what
            # it names has to stay.
            try:
                await bucket.create(key, text.encode(), metadata=marks)
            except ObjectExists as exc:
                await _withdraw(bucket, key, written)
                raise ObjectExists(
                    f"{bucket.uri(folder)!r} was published by somebody else meanwhile.",
                    uri=bucket.uri(folder),
                ) from exc

    def _open(self) -> AbstractAsyncContextManager[S3Bucket]:
        return S3Bucket.open(self._text, self._settings)

    def _unwritable(self, exc: TranscodeError) -> DestinationUnwritable:
        return DestinationUnwritable(
            f"Nothing can be written to {self._text!r}: {exc.message}", uri=self._text
        )


async def _upload(
    bucket: S3Bucket,
    under: str,
    staging: Path,
    written: list[str],
    *,
    marks: Mapping[str, str],
) -> None:
    """Upload every staged file; *written* grows by the keys that may exist then."""
    limit = anyio.CapacityLimiter(_UPLOADS_AT_ONCE)
    failures: list[Exception] = []

    async def put(path: Path) -> None:
        async with limit:
            if failures:
                return
            key = f"{under}/{path.relative_to(staging).as_posix()}"
            written.append(key)
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


async def _withdraw(bucket: S3Bucket, manifest: str, written: list[str]) -> None:
    """Remove what no manifest will name, as far as the store lets us."""
    with anyio.move_on_after(_WITHDRAW_SECONDS, shield=True):
        try:
            text, _ = await bucket.read(manifest)
        except ObjectMissing:
            text = b""
        except TranscodeError:
            # Whether a manifest names them is not known: garbage harms less.
            return
        for key in written:
            # The same token twice is a caller's mistake, not a reader's loss.
            if json.dumps(bucket.uri(key), ensure_ascii=False).encode() in text:
                return
        for key in written:
            with contextlib.suppress(TranscodeError):
                await bucket.delete(key)


def _files(staging: Path) -> list[Path]:
    return sorted(path for path in staging.rglob("*") if path.is_file())


def _provenance(manifest: Manifest) -> dict[str, str]:
    """Marks our outputs, so that they are never taken for uploads."""
    return {
        "transcode-job": manifest.job_id,
        "transcode-profile": manifest.profile.name,
        "transcode-depth": str(manifest.depth),
    }
