"""A bucket in memory that keeps to the contract of the real ones."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from anyio.lowlevel import checkpoint

from transcode.errors import ObjectExists, ObjectMissing
from transcode.store.bucket import Entry, refuse_key


@dataclass
class Memory:
    """
    Each operation happens at one moment. As in S3, times are whole seconds.

    *conditional* false is a store that takes `create` for `put`: what must not be
    built on, and what a test of exactly-once must find out.
    """

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    conditional: bool = True
    objects: dict[str, tuple[bytes, Entry]] = field(default_factory=dict)
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def uri(self, key: str = "") -> str:
        return f"memory://{key}"

    async def head(self, key: str) -> Entry:
        return (await self.read(key))[1]

    async def read(self, key: str) -> tuple[bytes, Entry]:
        self._refuse(key)
        await checkpoint()
        if key not in self.objects:
            raise ObjectMissing(f"There is no {self.uri(key)!r}.", uri=self.uri(key))
        return self.objects[key]

    async def read_part(self, key: str, first: int, last: int) -> bytes:
        body, _ = await self.read(key)
        return body[first : last + 1]

    async def create(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Entry:
        await checkpoint()
        if self.conditional and key in self.objects:
            raise ObjectExists(f"{self.uri(key)!r} exists already.", uri=self.uri(key))
        return self._write(key, body, metadata)

    async def put(
        self, key: str, body: bytes, *, metadata: Mapping[str, str] | None = None
    ) -> Entry:
        await checkpoint()
        return self._write(key, body, metadata)

    def _write(
        self, key: str, body: bytes, metadata: Mapping[str, str] | None
    ) -> Entry:
        self._refuse(key)
        digest = hashlib.sha256(body).hexdigest()[:8]
        entry = Entry(
            key=key,
            bytes=len(body),
            etag=f"{digest}-{next(self._count)}",
            modified=self.clock().replace(microsecond=0),
            metadata=dict(metadata or {}),
        )
        self.objects[key] = (body, entry)
        return entry

    async def upload(
        self,
        key: str,
        body: Path | AsyncIterator[bytes],
        *,
        metadata: Mapping[str, str] | None = None,
        only_new: bool = False,
    ) -> Entry:
        if isinstance(body, Path):
            whole = await anyio.Path(body).read_bytes()
        else:
            whole = b"".join([part async for part in body])
        write = self.create if only_new else self.put
        return await write(key, whole, metadata=metadata)

    async def copy(self, key: str, to: str) -> Entry:
        body, entry = await self.read(key)
        return await self.put(to, body, metadata=entry.metadata)

    async def delete(self, key: str) -> None:
        self._refuse(key)
        self.objects.pop(key, None)

    async def entries(
        self, prefix: str = "", *, after: str = ""
    ) -> AsyncIterator[Entry]:
        self._refuse(prefix)
        for key in sorted(self.objects):
            if key.startswith(prefix) and key > after and key in self.objects:
                # A listing does not know metadata.
                yield replace(self.objects[key][1], metadata={})

    async def folders(self, prefix: str = "") -> frozenset[str]:
        await checkpoint()
        rest = (k.removeprefix(prefix) for k in self.objects if k.startswith(prefix))
        return frozenset(key.partition("/")[0] for key in rest if "/" in key)

    async def sign(self, key: str, *, seconds: int, version: str | None = None) -> str:
        assert seconds
        assert version is None
        body, _ = await self.read(key)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(body)
        return file.name

    async def now(self) -> datetime:
        return self.clock().replace(microsecond=0)

    async def stamp(self, prefix: str = "") -> str | None:
        return None

    async def is_conditional(self) -> bool:
        return self.conditional

    async def collect(self, *, older_than: timedelta) -> int:
        assert older_than is not None
        return 0

    def _refuse(self, key: str) -> None:
        refuse_key(key, self.uri(key))
