"""Objects in parts: uploads and copies that appear with their last request."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from ..errors import ObjectExists, ObjectMissing, TranscodeError
from ..platforms import requests
from .bucket import Entry
from .s3_objects import Objects, digest, entry, is_ours

PART_BYTES = requests.PART_BYTES
"""What a file is sent in, and what is held of one that comes in pieces."""
COPY_BYTES = 5 * 2**30
"""What S3 copies with one request."""

Part = dict[str, Any]


async def pieces(body: Path | AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """In pieces of `PART_BYTES`, the last one shorter."""
    if isinstance(body, Path):
        async with await anyio.open_file(body, "rb", opener=_as_it_is) as file:
            while part := await file.read(PART_BYTES):
                yield part
        return
    kept = bytearray()
    async for piece in body:
        kept += piece
        while len(kept) >= PART_BYTES:
            yield bytes(kept[:PART_BYTES])
            del kept[:PART_BYTES]
    if kept:
        yield bytes(kept)


def _as_it_is(path: str, flags: int) -> int:
    """No link is followed, and nobody waited for at a pipe: others made the file."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


async def upload(  # noqa: PLR0913  one call of S3 with everything it says
    objects: Objects,
    key: str,
    marks: Mapping[str, str],
    *,
    first: bytes,
    rest: AsyncIterator[bytes],
    only_new: bool,
) -> Entry:
    """Send one part after another; each can be sent again."""
    async with _begun(objects, key, marks) as named:
        done = [await _send(objects, key, named, number=1, body=first)]
        async for part in rest:
            number = len(done) + 1
            done.append(await _send(objects, key, named, number=number, body=part))
        condition = {"IfNoneMatch": "*"} if only_new else {}
        last = named | condition | {"MultipartUpload": {"Parts": done}}
        return await _complete(objects, key, last, marks)


async def copy(
    objects: Objects, key: str, to: str, marks: Mapping[str, str], *, size: int
) -> Entry:
    """Copy what is too large for one request."""
    origin = objects.where(key)
    async with _begun(objects, to, marks) as named:
        done: list[Part] = []
        for start in range(0, size, COPY_BYTES):
            asked = named | {"CopySource": origin, "PartNumber": len(done) + 1}
            last = min(start + COPY_BYTES, size) - 1
            asked["CopySourceRange"] = f"bytes={start}-{last}"
            done.append(await _send_copy(objects, to, asked))
        finish = named | {"MultipartUpload": {"Parts": done}}
        return await _complete(objects, to, finish, marks)


async def abort_older(objects: Objects, limit: datetime) -> int:
    """Abort uploads begun before *limit*; returns how many."""
    listed: dict[str, Any] = {"Bucket": objects.name, "Prefix": objects.prefix}

    async def find() -> list[dict[str, Any]]:
        reply = await objects.client.list_multipart_uploads(**listed)
        return [up for up in reply.get("Uploads", ()) if up["Initiated"] < limit]

    found = await objects.door.through(find, uri=objects.uri())
    for old in found:
        named = {"Bucket": objects.name, "Key": old["Key"], "UploadId": old["UploadId"]}
        await _abort(objects, named)
    return len(found)


@asynccontextmanager
async def _begun(
    objects: Objects, key: str, marks: Mapping[str, str]
) -> AsyncIterator[dict[str, Any]]:
    about = objects.about(key, marks)

    async def begin() -> str:
        reply = await objects.client.create_multipart_upload(**about)
        return str(reply["UploadId"])

    number = await objects.door.through(begin, uri=objects.uri(key), writes=True)
    named = objects.where(key) | {"UploadId": number}
    try:
        yield named
    except BaseException:
        # Parts that nobody completes or aborts are billed for ever.
        with anyio.CancelScope(shield=True), contextlib.suppress(TranscodeError):
            await _abort(objects, named)
        raise


async def _abort(objects: Objects, named: Mapping[str, Any]) -> None:
    async def abort() -> None:
        await objects.client.abort_multipart_upload(**named)

    with contextlib.suppress(ObjectMissing):
        await objects.door.through(abort, uri=objects.uri(), writes=True)


async def _send(
    objects: Objects, key: str, named: Mapping[str, Any], *, number: int, body: bytes
) -> Part:
    async def send() -> Part:
        reply = await objects.client.upload_part(
            **named, PartNumber=number, Body=body, **digest(body)
        )
        return {"PartNumber": number, "ETag": reply["ETag"]}

    return await objects.door.through(send, uri=objects.uri(key), writes=True)


async def _send_copy(objects: Objects, key: str, asked: Mapping[str, Any]) -> Part:
    async def send() -> Part:
        reply = await objects.client.upload_part_copy(**asked)
        etag = reply["CopyPartResult"]["ETag"]
        return {"PartNumber": asked["PartNumber"], "ETag": etag}

    return await objects.door.through(send, uri=objects.uri(key), writes=True)


async def _complete(
    objects: Objects, key: str, asked: Mapping[str, Any], marks: Mapping[str, str]
) -> Entry:
    async def complete() -> Entry:
        await objects.client.complete_multipart_upload(**asked)
        there = await objects.client.head_object(**objects.where(key))
        if "IfNoneMatch" in asked and not is_ours(there, marks):
            # SeaweedFS 4.48 tells two that complete at once that both were first.
            uri = objects.uri(key)
            raise ObjectExists(f"{uri!r} was made by somebody else.", uri=uri)
        return entry(key, there)

    async def look() -> Entry | None:
        return await objects.look(key, marks)

    try:
        return await objects.door.through(
            complete, uri=objects.uri(key), writes=True, look=look
        )
    except (ObjectExists, ObjectMissing):
        # The upload is gone where an answer was lost after it was completed.
        if found := await look():
            return found
        raise
