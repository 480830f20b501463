"""How S3 names and describes an object, and the mark that each of our calls leaves."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import Any

from ..errors import ObjectMissing, UsageError
from .bucket import Entry, refuse_key
from .s3_client import Door, Unsure

_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".m4s": "video/iso.segment",
    ".vtt": "text/vtt",
    ".mp4": "video/mp4",
    ".json": "application/json",
    ".webm": "video/webm",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".jpg": "image/jpeg",
}
_UNNAMED = "application/octet-stream"
"""Anything else, so that no browser takes it for a page or a script."""
_NONCE = "transcode-nonce"
"""Metadata: which call wrote an object. A call that got no answer finds itself."""
_SHA256 = "transcode-sha256"
"""Metadata: of the content, compared on every whole read."""


def split(text: str) -> tuple[str, str]:
    """Bucket and the rest of an `s3://` address; raises `UsageError`."""
    name, _, key = text.removeprefix("s3://").partition("/")
    if not name:
        raise UsageError(f"{text!r} names no bucket; write s3://bucket/key.", uri=text)
    return name, key


class Objects:
    """The objects under a prefix, as requests name them."""

    def __init__(self, door: Door, name: str, prefix: str) -> None:
        self.door = door
        self.client = door.client
        self.name = name
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def uri(self, key: str = "") -> str:
        return f"s3://{self.name}/{self.prefix}{key}"

    def where(self, key: str) -> dict[str, Any]:
        refuse_key(key, self.uri(key))
        return {"Bucket": self.name, "Key": self.prefix + key}

    def about(self, key: str, marks: Mapping[str, str]) -> dict[str, Any]:
        """What a request that makes an object says of it."""
        return self.where(key) | {
            "Metadata": dict(marks),
            "ContentType": _TYPES.get(PurePosixPath(key).suffix, _UNNAMED),
        }

    async def described(self, key: str) -> dict[str, Any]:
        """S3's own description; raises `ObjectMissing`."""
        where = self.where(key)

        async def head() -> dict[str, Any]:
            return dict(await self.client.head_object(**where))

        return await self.door.through(head, uri=self.uri(key))

    async def look(self, key: str, marks: Mapping[str, str]) -> Entry | None:
        """The object, if it is what the call with these *marks* wrote."""
        try:
            there = await self.described(key)
        except ObjectMissing:
            return None
        return entry(key, there) if is_ours(there, marks) else None


def is_ours(there: Mapping[str, Any], marks: Mapping[str, str]) -> bool:
    """Whether the call with these *marks* wrote what a HEAD tells of."""
    return bool(there.get("Metadata", {}).get(_NONCE) == marks[_NONCE])


def marks_of(
    metadata: Mapping[str, str] | None, body: bytes | None = None
) -> dict[str, str]:
    """Metadata with the mark of one call and, where it is known, the content's."""
    marks = dict(metadata or {}) | {_NONCE: secrets.token_hex(16)}
    if body is not None:
        marks[_SHA256] = hashlib.sha256(body).hexdigest()
    return marks


def digest(body: bytes) -> dict[str, str]:
    """Every store checks this one; newer checksums are unknown to some."""
    md5 = hashlib.md5(body, usedforsecurity=False).digest()
    return {"ContentMD5": b64encode(md5).decode()}


async def body_of(reply: Mapping[str, Any]) -> bytes:
    """What a reply carries, compared with what is known of it."""
    async with reply["Body"] as stream:
        body: bytes = await stream.read()
    if len(body) != reply["ContentLength"]:
        raise Unsure("the reply ended early")
    known = reply.get("Metadata", {}).get(_SHA256)
    if known not in (None, hashlib.sha256(body).hexdigest()):
        raise Unsure("what arrived is not what was written")
    return body


def entry(key: str, reply: Mapping[str, Any]) -> Entry:
    """From the reply to a GET or HEAD."""
    return Entry(
        key=key,
        bytes=reply["ContentLength"],
        etag=reply["ETag"].strip('"'),
        modified=reply["LastModified"].astimezone(UTC),
        version=_version(reply),
        metadata=_plain(reply.get("Metadata", {})),
        archived=_archived(reply),
    )


def written(
    key: str, size: int, reply: Mapping[str, Any], marks: Mapping[str, str]
) -> Entry:
    """From the reply to a PUT."""
    date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
    return Entry(
        key=key,
        bytes=size,
        etag=reply["ETag"].strip('"'),
        modified=instant(date) if date else datetime.now(UTC),
        version=_version(reply),
        metadata=_plain(marks),
    )


def listed(key: str, found: Mapping[str, Any]) -> Entry:
    """From a line of a listing."""
    return Entry(
        key=key,
        bytes=found["Size"],
        etag=found["ETag"].strip('"'),
        modified=found["LastModified"].astimezone(UTC),
    )


def instant(date: str) -> datetime:
    """The time in a `Date` header."""
    return parsedate_to_datetime(date).astimezone(UTC)


def _archived(reply: Mapping[str, Any]) -> bool:
    """
    Whether a HEAD's object cannot be read before it is restored.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: `Restore` says
    `ongoing-request="false"` while a copy is there. OBS says COLD.
    """
    kept_away = reply.get("StorageClass") in {"GLACIER", "DEEP_ARCHIVE", "COLD"}
    restored = 'ongoing-request="false"' in str(reply.get("Restore", ""))
    return bool(reply.get("ArchiveStatus")) or (kept_away and not restored)


def _version(reply: Mapping[str, Any]) -> str | None:
    version = reply.get("VersionId")
    return None if version == "null" else version


def _plain(metadata: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in metadata.items() if k not in (_NONCE, _SHA256)}
