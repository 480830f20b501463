"""Objects by key under one address: what job state, ledger and results are kept in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from ..access.address import is_local, path_of
from ..errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as the store describes it."""

    key: str
    """Under the bucket's prefix."""
    bytes: int
    etag: str
    """Changes with the content; without quotes."""
    modified: datetime
    """UTC, by the clock of the store; S3 knows whole seconds."""
    version: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Filled by `head` and `read`; a listing does not know it."""
    archived: bool = False
    """It has to be restored before it can be read; known to `head` alone."""


class Bucket(Protocol):
    """
    A folder or an S3 prefix. Every call either did its work or raises a typed error:

    `ObjectMissing`, `ObjectExists`, `ObjectChanged`; `SourceUnreadable` or
    `DestinationUnwritable` where reading or writing is refused; `OutOfDisk`; else
    `StoreError`. A write whose reply was lost is looked at before it is repeated.
    """

    def uri(self, key: str = "") -> str:
        """How a person or a manifest names *key*."""

    async def head(self, key: str) -> Entry:
        """What is there, metadata included."""

    async def read(self, key: str) -> tuple[bytes, Entry]:
        """A small object as a whole."""

    async def read_part(self, key: str, first: int, last: int) -> bytes:
        """Bytes *first* to *last*, both of them; fewer where the object ends before."""

    async def create(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Entry:
        """
        Create whole and durable, or raise `ObjectExists`; of several one wins.
        *content_type*: of what its name does not tell, for stores that keep it.
        """

    async def put(
        self, key: str, body: bytes, *, metadata: Mapping[str, str] | None = None
    ) -> Entry:
        """Create or replace, whole: readers see the old or the new."""

    async def upload(
        self,
        key: str,
        body: Path | AsyncIterator[bytes],
        *,
        metadata: Mapping[str, str] | None = None,
        only_new: bool = False,
    ) -> Entry:
        """Like `put`, or with *only_new* like `create`, for any size, in parts;
        nothing is visible before the last."""

    async def copy(self, key: str, to: str) -> Entry:
        """Within the bucket, without the bytes passing through here."""

    async def delete(self, key: str) -> None:
        """Remove; nothing there is fine."""

    def entries(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Entry]:
        """Keys that begin with *prefix*, in order, those after *after* only."""

    async def folders(self, prefix: str = "") -> frozenset[str]:
        """
        What stands between *prefix*, which ends with a slash, and the next slash of any
        key: a thousand in a request.
        """

    async def stamp(self, prefix: str = "") -> str | None:
        """
        Changes when an object directly under *prefix*, or what `folders` says of it,
        comes, goes or is replaced; None where that is not known for less than a list.
        """

    async def sign(self, key: str, *, seconds: int, version: str | None = None) -> str:
        """An address or path that reads *key* without credentials for a while."""

    async def now(self) -> datetime:
        """The store's own clock, UTC: what leases are measured by."""

    async def is_conditional(self) -> bool:
        """Whether `create` truly refuses what exists: tried once, with an object of
        its own, and remembered."""

    async def collect(self, *, older_than: timedelta) -> int:
        """Remove what writers left that died on the way to an object, and count it."""


def refuse_scheme(text: str, what: str, allowed: str) -> None:
    """Raise `UsageError` for an address that is neither a path nor one of ours."""
    scheme, found, _ = text.partition("://")
    if found and scheme != "file" and scheme.isalnum():
        raise UsageError(
            f"The {what} {text!r} has the scheme {scheme}://, which is not one of "
            f"ours: give {allowed}.",
            address=text,
        )
    if is_local(text):
        path_of(text, what)


def refuse_key(key: str, uri: str) -> None:
    """
    Raise `UsageError` for a key that could lead out of its bucket.

    File systems resolve `.` and `..`, and so do some servers.
    """
    if key.startswith("/") or "\0" in key or {".", ".."} & set(key.split("/")):
        raise UsageError(
            f"{uri!r} is no key: it may not begin with a slash, contain a zero byte or "
            "have '.' or '..' between slashes.",
            key=key,
        )
