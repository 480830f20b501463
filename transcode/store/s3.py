"""S3-compatible storage: the only module that says a word of S3."""

from __future__ import annotations

import mimetypes
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiobotocore.session
import anyio
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from ..contract import Manifest, Source
from ..errors import (
    DestinationUnwritable,
    ObjectExists,
    SourceNotFound,
    SourceUnreadable,
    StoreError,
    TranscodeError,
    UsageError,
)
from ..settings import Settings

MANIFEST_NAME = "manifest.json"
_SIGNED_SECONDS = 12 * 3600
"""How long a worker may go on reading; longer than any platform's time limit but
FunctionGraph's, whose credentials expire after 24 h anyway."""
_UPLOADS_AT_ONCE = 8
_PART_BYTES = 16 * 2**20
"""10,000 parts at most, so objects up to 156 GiB."""
_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".m4s": "video/iso.segment",
    ".vtt": "text/vtt",
    ".mp4": "video/mp4",
}
_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


async def locate(text: str, settings: Settings) -> Source:
    """One version of an object, with a signed address that a worker can read."""
    bucket, key = _split(text)
    if not key:
        raise UsageError(f"{text!r} names no object; write s3://bucket/key.", uri=text)
    async with _client(settings, text) as client:
        try:
            head = await client.head_object(Bucket=bucket, Key=key)
        except ClientError as exc:
            if _code(exc) in _MISSING:
                raise SourceNotFound(
                    f"There is no object {text!r}. Check bucket and key.", uri=text
                ) from exc
            raise SourceUnreadable(
                f"{text!r} may not be read: {_why(exc)}.", uri=text
            ) from exc
        version = head.get("VersionId")
        params = {"Bucket": bucket, "Key": key}
        if version not in (None, "null"):
            params["VersionId"] = version
        location = await client.generate_presigned_url(
            "get_object", Params=params, ExpiresIn=_SIGNED_SECONDS
        )
    return Source(
        uri=text,
        bytes=head["ContentLength"],
        etag=head["ETag"].strip('"'),
        version=version if version != "null" else None,
        location=location,
        marks={
            name: text
            for name, text in head.get("Metadata", {}).items()
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
        self._bucket, prefix = _split(text)
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._settings = settings

    def uri(self, folder: str, path: str = "") -> str:
        return f"s3://{self._bucket}/{self._key(folder, path)}"

    def _key(self, folder: str, path: str) -> str:
        return f"{self._prefix}{folder}/{path}"

    async def find(self, folder: str) -> Manifest | None:
        async with _client(self._settings, self.uri(folder)) as client:
            try:
                reply = await client.get_object(
                    Bucket=self._bucket, Key=self._key(folder, MANIFEST_NAME)
                )
            except ClientError as exc:
                if _code(exc) == "NoSuchBucket":
                    raise self._unwritable(exc) from exc
                if _code(exc) in _MISSING:
                    return None
                raise self._unwritable(exc) from exc
            async with reply["Body"] as body:
                return Manifest.from_json(await body.read())

    async def prepare(self, folder: str) -> Path:
        """Proves by a write that results can be delivered, before any is made."""
        probe = self._key(folder, f".write-test-{secrets.token_hex(4)}")
        async with _client(self._settings, self.uri(folder)) as client:
            try:
                await client.put_object(Bucket=self._bucket, Key=probe, Body=b"")
                await client.delete_object(Bucket=self._bucket, Key=probe)
            except ClientError as exc:
                raise self._unwritable(exc) from exc
        return Path(tempfile.mkdtemp(prefix="transcode-", dir=self._settings.scratch))

    async def discard(self, staging: Path) -> None:
        shutil.rmtree(staging, ignore_errors=True)

    async def publish(self, folder: str, staging: Path, manifest: Manifest) -> None:
        async with _client(self._settings, self.uri(folder)) as client:
            try:
                await self._upload(client, folder, staging, manifest=manifest)
                await client.put_object(
                    Bucket=self._bucket,
                    Key=self._key(folder, MANIFEST_NAME),
                    Body=(manifest.to_json(indent=1) + "\n").encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                    Metadata=_provenance(manifest),
                )
            except ClientError as exc:
                if _code(exc) in _TAKEN:
                    raise ObjectExists(
                        f"{self.uri(folder)!r} was published by somebody else "
                        "meanwhile.",
                        uri=self.uri(folder),
                    ) from exc
                raise StoreError(
                    f"Uploading to {self.uri(folder)!r} failed: {_why(exc)}.",
                    uri=self.uri(folder),
                ) from exc

    async def _upload(
        self, client: Any, folder: str, staging: Path, *, manifest: Manifest
    ) -> None:
        marks = _provenance(manifest)
        limit = anyio.CapacityLimiter(_UPLOADS_AT_ONCE)
        failures: list[Exception] = []

        async def put(path: Path) -> None:
            async with limit:
                if failures:
                    return
                key = self._key(folder, str(path.relative_to(staging)))
                try:
                    await _put_file(client, self._bucket, key, path, marks=marks)
                except (ClientError, BotoCoreError, OSError) as exc:
                    # Raised below: out of a task group it would come as a group.
                    failures.append(exc)

        async with anyio.create_task_group() as group:
            for path in _files(staging):
                group.start_soon(put, path)
        if failures:
            raise failures[0]

    def _unwritable(self, exc: ClientError) -> DestinationUnwritable:
        where = f"s3://{self._bucket}/{self._prefix}"
        return DestinationUnwritable(
            f"Nothing can be written to {where!r}: {_why(exc)}.", uri=where
        )


async def _put_file(
    client: Any, bucket: str, key: str, path: Path, *, marks: Mapping[str, str]
) -> None:
    """One object, in parts where it is large; each part can be sent again."""
    about = {
        "Bucket": bucket,
        "Key": key,
        "ContentType": _content_type(path),
        "Metadata": dict(marks),
    }
    async with await anyio.open_file(path, "rb") as file:
        first = await file.read(_PART_BYTES)
        if len(first) < _PART_BYTES:
            await client.put_object(**about, Body=first)
            return
        upload = await client.create_multipart_upload(**about)
        named = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}
        try:
            parts: list[dict[str, Any]] = []
            while first:
                number = len(parts) + 1
                done = await client.upload_part(**named, PartNumber=number, Body=first)
                parts.append({"PartNumber": number, "ETag": done["ETag"]})
                first = await file.read(_PART_BYTES)
            await client.complete_multipart_upload(
                **named, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            # Parts that nobody completes or aborts are billed for ever.
            with anyio.CancelScope(shield=True):
                await client.abort_multipart_upload(**named)
            raise


def _files(staging: Path) -> list[Path]:
    return sorted(path for path in staging.rglob("*") if path.is_file())


def _provenance(manifest: Manifest) -> dict[str, str]:
    """Marks our outputs, so that they are never taken for uploads."""
    return {
        "transcode-job": manifest.job_id,
        "transcode-profile": manifest.profile.name,
    }


@asynccontextmanager
async def _client(settings: Settings, uri: str) -> AsyncIterator[Any]:
    """The one place where botocore's errors become ours."""
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path" if settings.s3_path_style else "auto"},
    )
    try:
        async with aiobotocore.session.get_session().create_client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            region_name=settings.s3_region,
            config=config,
        ) as client:
            yield client
    except TranscodeError:
        raise
    except NoCredentialsError as exc:
        raise UsageError(
            f"There are no credentials for {uri!r}: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE).",
            uri=uri,
        ) from exc
    except (BotoCoreError, OSError) as exc:
        raise StoreError(f"{uri!r} cannot be reached: {exc}.", uri=uri) from exc


def _split(text: str) -> tuple[str, str]:
    bucket, _, key = text.removeprefix("s3://").partition("/")
    if not bucket:
        raise UsageError(f"{text!r} names no bucket; write s3://bucket/key.", uri=text)
    return bucket, key


def _content_type(path: Path) -> str:
    known = _TYPES.get(path.suffix)
    return known or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _code(exc: ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", ""))


def _why(exc: ClientError) -> str:
    error = exc.response.get("Error", {})
    said = str(error.get("Message") or error.get("Code") or exc)
    return said.strip().rstrip(".")
