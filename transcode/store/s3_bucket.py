"""An S3 prefix as a bucket."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import anyio

from ..errors import ObjectExists, ObjectMissing, StoreError, TranscodeError
from ..settings import Settings
from . import s3_multipart
from .bucket import Entry, refuse_key
from .s3_client import StoreTimeouts, Unsure, code_of, date_of, door
from .s3_objects import (
    Objects,
    body_of,
    digest,
    entry,
    instant,
    listed,
    marks_of,
    split,
    written,
)

_PIECE_BYTES = 2**20
_NO_CONDITION = {"NotImplemented", "501", "InvalidArgument", "InvalidRequest"}
"""How a store says that it does not know `If-None-Match` on a write."""


class S3Bucket:
    """
    Objects under a prefix of an S3 bucket, each written with the mark of its call.

    A write without an answer is looked for by its mark before it is repeated: our own
    is success, somebody else's is `ObjectExists`. On a store that was found not to be
    conditional, `create` looks, writes and looks again, which two can win at once.
    """

    def __init__(self, objects: Objects, *, page: int = 1000) -> None:
        self._objects = objects
        self._door = objects.door
        self._client = objects.client
        self._page = page
        self._conditional: bool | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        text: str,
        settings: Settings,
        *,
        timeouts: StoreTimeouts | None = None,
        page: int = 1000,
    ) -> AsyncIterator[Self]:
        """Connect for the block; *page* is how many keys a listing asks for at once."""
        name, prefix = split(text)
        async with door(settings, text, timeouts=timeouts) as opened:
            yield cls(Objects(opened, name, prefix), page=page)

    def uri(self, key: str = "") -> str:
        return self._objects.uri(key)

    async def head(self, key: str) -> Entry:
        return entry(key, await self._objects.described(key))

    async def read(self, key: str) -> tuple[bytes, Entry]:
        where = self._objects.where(key)

        async def read() -> tuple[bytes, Entry]:
            reply = await self._client.get_object(**where)
            return await body_of(reply), entry(key, reply)

        return await self._door.through(read, uri=self.uri(key))

    async def read_part(self, key: str, first: int, last: int) -> bytes:
        where = self._objects.where(key)

        async def read() -> bytes:
            reply = await self._client.get_object(
                **where, Range=f"bytes={first}-{last}"
            )
            async with reply["Body"] as stream:
                body: bytes = await stream.read()
            if len(body) != reply["ContentLength"]:
                raise Unsure("the reply ended early")
            return body

        return await self._door.through(read, uri=self.uri(key))

    async def download(self, key: str, path: Path) -> None:
        """An object of any size into a file of this machine."""
        where = self._objects.where(key)

        async def download() -> None:
            reply = await self._client.get_object(**where)
            got = 0
            async with reply["Body"] as stream:
                with path.open("wb") as file:
                    while piece := await stream.read(_PIECE_BYTES):
                        got += file.write(piece)
            if got != reply["ContentLength"]:
                raise Unsure("the reply ended early")

        await self._door.through(download, uri=self.uri(key))

    async def create(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Entry:
        told = {} if content_type is None else {"ContentType": content_type}
        if self._conditional is False:
            return await self._create_unguarded(key, body, metadata, told)
        marks = marks_of(metadata, body)
        try:
            return await self._put(key, body, marks, IfNoneMatch="*", **told)
        except ObjectExists:
            # A lost answer and a repetition that met it, somewhere on the way.
            if found := await self._objects.look(key, marks):
                return found
            raise
        except StoreError as exc:
            if code_of(exc.__cause__) not in _NO_CONDITION:
                raise
        self._conditional = False
        return await self._create_unguarded(key, body, metadata, told)

    async def put(
        self, key: str, body: bytes, *, metadata: Mapping[str, str] | None = None
    ) -> Entry:
        return await self._put(key, body, marks_of(metadata, body))

    async def upload(
        self,
        key: str,
        body: Path | AsyncIterator[bytes],
        *,
        metadata: Mapping[str, str] | None = None,
        only_new: bool = False,
    ) -> Entry:
        async with contextlib.aclosing(s3_multipart.pieces(body)) as rest:
            first = await anext(rest, b"")
            if len(first) < s3_multipart.PART_BYTES:
                whole = self.create if only_new else self.put
                return await whole(key, first, metadata=metadata)
            return await s3_multipart.upload(
                self._objects,
                key,
                marks_of(metadata),
                first=first,
                rest=rest,
                only_new=only_new,
            )

    async def copy(self, key: str, to: str) -> Entry:
        there = await self._objects.described(key)
        marks = there.get("Metadata", {}) | marks_of({})
        if there["ContentLength"] > s3_multipart.COPY_BYTES:
            size = there["ContentLength"]
            return await s3_multipart.copy(self._objects, key, to, marks, size=size)
        asked = self._objects.about(to, marks) | {
            "CopySource": self._objects.where(key),
            "MetadataDirective": "REPLACE",
        }

        async def copy() -> Entry:
            await self._client.copy_object(**asked)
            where = self._objects.where(to)
            return entry(to, await self._client.head_object(**where))

        async def look() -> Entry | None:
            return await self._objects.look(to, marks)

        return await self._door.through(copy, uri=self.uri(to), writes=True, look=look)

    async def delete(self, key: str) -> None:
        where = self._objects.where(key)

        async def delete() -> None:
            await self._client.delete_object(**where)

        with contextlib.suppress(ObjectMissing):
            await self._door.through(delete, uri=self.uri(key), writes=True)

    async def entries(
        self, prefix: str = "", *, after: str = ""
    ) -> AsyncIterator[Entry]:
        base = self._objects.prefix
        asked: dict[str, Any] = {
            "Bucket": self._objects.name,
            "Prefix": base + prefix,
            "MaxKeys": self._page,
        }
        if after:
            asked["StartAfter"] = base + after

        async def page() -> dict[str, Any]:
            return dict(await self._client.list_objects_v2(**asked))

        more = True
        while more:
            reply = await self._door.through(page, uri=self.uri(prefix))
            for found in reply.get("Contents", ()):
                key = found["Key"].removeprefix(base)
                if key > after:
                    yield listed(key, found)
            more = bool(reply.get("IsTruncated"))
            asked["ContinuationToken"] = reply.get("NextContinuationToken")

    async def folders(self, prefix: str = "") -> frozenset[str]:
        refuse_key(prefix, self.uri(prefix))
        base = self._objects.prefix + prefix
        asked: dict[str, Any] = {
            "Bucket": self._objects.name,
            "Prefix": base,
            "Delimiter": "/",
            "MaxKeys": self._page,
        }

        async def page() -> dict[str, Any]:
            return dict(await self._client.list_objects_v2(**asked))

        found: set[str] = set()
        more = True
        while more:
            reply = await self._door.through(page, uri=self.uri())
            for one in reply.get("CommonPrefixes", ()):
                found.add(one["Prefix"].removeprefix(base).removesuffix("/"))
            more = bool(reply.get("IsTruncated"))
            asked["ContinuationToken"] = reply.get("NextContinuationToken")
        return frozenset(found)

    async def sign(self, key: str, *, seconds: int, version: str | None = None) -> str:
        where = self._objects.where(key)
        if version is not None:
            where["VersionId"] = version

        async def sign() -> str:
            return str(
                await self._client.generate_presigned_url(
                    "get_object", Params=where, ExpiresIn=seconds
                )
            )

        return await self._door.through(sign, uri=self.uri(key))

    async def now(self) -> datetime:
        """By the `Date` of an answer, to the second."""
        where = self._objects.where(".transcode/now")

        async def ask() -> str | None:
            reply = await self._client.head_object(**where)
            date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
            return None if date is None else str(date)

        try:
            date = await self._door.through(ask, uri=self.uri())
        except TranscodeError as exc:
            # Any answer tells the time; that there is no such object is the usual.
            date = date_of(exc.__cause__)
            if date is None:
                raise
        if date is None:
            raise StoreError(f"{self.uri()!r} does not tell the time.", uri=self.uri())
        return instant(date)

    async def stamp(self, prefix: str = "") -> str | None:  # noqa: ARG002 - no such thing
        return None

    async def is_conditional(self) -> bool:
        if self._conditional is None:
            key = f".transcode/conditional-{secrets.token_hex(8)}"
            try:
                await self.create(key, b"1")
                self._conditional = await self._refuses(key)
            finally:
                with anyio.CancelScope(shield=True):
                    await self.delete(key)
        return self._conditional

    async def collect(self, *, older_than: timedelta) -> int:
        limit = await self.now() - older_than
        return await s3_multipart.abort_older(self._objects, limit)

    async def _refuses(self, key: str) -> bool:
        if self._conditional is False:
            return False
        try:
            await self.create(key, b"2")
        except ObjectExists:
            return self._conditional is None
        return False

    async def _put(
        self, key: str, body: bytes, marks: Mapping[str, str], **more: str
    ) -> Entry:
        about = self._objects.about(key, marks) | more | digest(body)

        async def put() -> Entry:
            reply = await self._client.put_object(**about, Body=body)
            return written(key, len(body), reply, marks)

        async def look() -> Entry | None:
            return await self._objects.look(key, marks)

        return await self._door.through(put, uri=self.uri(key), writes=True, look=look)

    async def _create_unguarded(
        self,
        key: str,
        body: bytes,
        metadata: Mapping[str, str] | None,
        told: Mapping[str, str],
    ) -> Entry:
        taken = ObjectExists(f"{self.uri(key)!r} exists already.", uri=self.uri(key))
        with contextlib.suppress(ObjectMissing):
            await self.head(key)
            raise taken
        marks = marks_of(metadata, body)
        await self._put(key, body, marks, **told)
        if found := await self._objects.look(key, marks):
            return found
        raise taken
