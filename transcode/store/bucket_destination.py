"""Results under an address of objects: they come first, the manifest last."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

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
from .bucket import Bucket
from .destination import (
    FIRST,
    MANIFEST_NAME,
    PAGE_NAME,
    RECORDS,
    Commit,
    Marks,
    freely,
    naming,
    provenance,
)

HTML = "text/html; charset=utf-8"

_WITHDRAW_SECONDS = 30
"""For removing garbage; what is left then is left."""


class BucketDestination:
    """
    Results in a bucket, under *address*; *opened* connects to it.

    Everything a manifest names was uploaded under `<folder>/<token>.<attempt>/` by the
    attempt that made it, before the manifest `<folder>/manifest.json`, which is created
    with `If-None-Match: *`: readers who start at the manifest see all or nothing, and
    of two tries at one job one wins. A try that lost its claim and knows nothing of it
    can never mix its objects into another's result, since no two have the same token;
    what it wrote is garbage that no manifest names, and goes when it is discarded.
    """

    in_place = True

    def __init__(
        self, address: str, opened: Callable[[], AbstractAsyncContextManager[Bucket]]
    ) -> None:
        self._address = address
        self._opened = opened
        self._given: dict[tuple[str, str], set[str]] = defaultdict(set)
        """Places that attempts of a try may have written to, and no manifest names."""
        self._told: set[tuple[str, str]] = set()
        """Tries whose attempts have records."""

    def uri(self, folder: str, path: str = "", *, name: str, token: str = FIRST) -> str:
        return f"{self._address}/{folder}/{token}.{name}/{path}"

    async def find(self, folder: str) -> Manifest | None:
        try:
            async with self._opened() as bucket:
                body, _ = await bucket.read(f"{folder}/{MANIFEST_NAME}")
        except ObjectMissing:
            return None
        except SourceUnreadable as exc:
            raise self._unwritable(exc) from exc
        return Manifest.from_json(body)

    async def prepare(self, folder: str, *, token: str = FIRST) -> None:
        probe = f"{folder}/{token}/.write-test-{secrets.token_hex(4)}"
        async with self._opened() as bucket:
            await bucket.put(probe, b"")
            await bucket.delete(probe)

    def place(self, folder: str, name: str, *, token: str = FIRST) -> str:
        self._given[folder, token].add(name)
        return f"{self._address}/{folder}/{token}.{name}"

    def records(self, folder: str, name: str, *, token: str = FIRST) -> str:
        self._told.add((folder, token))
        return f"{self._address}/{RECORDS}/{folder}/{token}/{name}"

    async def discard(self, folder: str, *, token: str = FIRST) -> None:
        given = self._given.pop((folder, token), ())
        told = (folder, token) in self._told
        self._told.discard((folder, token))
        if not given and not told:
            return
        with (
            contextlib.suppress(TranscodeError),
            anyio.move_on_after(_WITHDRAW_SECONDS, shield=True),
        ):
            async with self._opened() as bucket:
                for name in sorted(given):
                    await self._withdraw(bucket, folder, f"{token}.{name}")
                if told:
                    under = f"{RECORDS}/{folder}/{token}/"
                    for key in [e.key async for e in bucket.entries(under)]:
                        await bucket.delete(key)

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
        marks = provenance(manifest.job_id, manifest.profile.name)
        key = f"{folder}/{MANIFEST_NAME}"
        async with self._opened() as bucket:
            # From here on a failure may still have made the manifest visible, and what
            # it names has to stay. Nor is it cut short: a request that was given up
            # could still arrive after the job was told to be cancelled.
            self._given[folder, token] -= {*made}
            try:
                with anyio.CancelScope(shield=True):
                    await commit()
                    if page is not None:
                        # No sooner: whoever has not said that it publishes leaves
                        # nothing that nobody would clean up.
                        found = await self._page(bucket, folder, page, marks)
                        uri = bucket.uri(f"{folder}/{PAGE_NAME}")
                        manifest = naming(manifest, uri, found)
                    text = manifest.to_json(indent=1) + "\n"
                    await bucket.create(key, text.encode(), metadata=marks)
            except LeaseLost:
                self._given[folder, token] |= {*made}
                raise
            except ObjectExists as exc:
                self._given[folder, token] |= {*made}
                raise ObjectExists(
                    f"{bucket.uri(folder)!r} was published by somebody else meanwhile.",
                    uri=bucket.uri(folder),
                ) from exc
        return manifest

    async def _page(
        self, bucket: Bucket, folder: str, page: bytes, marks: Marks
    ) -> bytes:
        """
        The page as it stands there. Where a try before has left one it stays, though
        another release made it: what a manifest names is never replaced.
        """
        key = f"{folder}/{PAGE_NAME}"
        try:
            await bucket.create(key, page, metadata=marks, content_type=HTML)
        except ObjectExists:
            body, there = await bucket.read(key)
            if {**there.metadata} != {**marks}:
                raise DestinationUnwritable(
                    f"{bucket.uri(key)!r} is there and not of this job; move it away "
                    "or choose another --to.",
                    uri=bucket.uri(key),
                ) from None
            return body
        return page

    async def _withdraw(self, bucket: Bucket, folder: str, place: str) -> None:
        keys = [e.key async for e in bucket.entries(f"{folder}/{place}/")]
        if not keys:
            return
        try:
            text, _ = await bucket.read(f"{folder}/{MANIFEST_NAME}")
        except ObjectMissing:
            text = b""
        # The same token twice is a caller's mistake, not a reader's loss. Whether a
        # manifest names them may not be known: garbage harms less.
        names = json.dumps(bucket.uri(f"{folder}/{place}/"), ensure_ascii=False)
        if names.rstrip('"').encode() in text:
            return
        for key in keys:
            with contextlib.suppress(TranscodeError):
                await bucket.delete(key)

    def _unwritable(self, exc: TranscodeError) -> DestinationUnwritable:
        return DestinationUnwritable(
            f"Nothing can be written to {self._address!r}: {exc.message}",
            uri=self._address,
        )
