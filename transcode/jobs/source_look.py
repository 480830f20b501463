"""A source between two looks: what lies there, what rests, what was in the way."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread

from ..contract import Upload
from ..event.filter import Filter, in_nobodys_folder, is_nobodys_folder
from ..event.folder import from_file
from ..hooks import Taken
from ..settings import Settings
from ..store.bucket import Bucket, Entry, refuse_scheme
from ..store.folder_source import absolute
from ..store.open import bucket
from ..store.watched_folder import (
    Blocked,
    WatchedFile,
    identity_of,
    refuse_missing,
    scan,
)
from .settling import SettlingFile, Sighting, follow, is_due, put_off, rests, settle

_GROUP = 256
"""Objects that are passed on together."""
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", "~")
"""Endings under which programs write what they rename when it is whole."""


@dataclass(slots=True)
class Place:
    """What is known of one source between two looks at it."""

    tracks: dict[str, SettlingFile] = field(default_factory=dict)
    """Of the objects that were there, by key."""
    said: dict[str, str] = field(default_factory=dict)
    """Entries that cannot be uploads → why, which is said once."""
    unsettled: int = 0
    """Files that the last look found in the making."""


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """One entry of a source that may be an upload."""

    upload: Upload
    sighting: Sighting
    file: WatchedFile | None = None


@dataclass(slots=True)
class Look:
    """One look at a source: what it adds to what is known of the place."""

    place: Place
    now: float
    settle_seconds: float
    here: set[str] = field(default_factory=set)
    """Keys, and names of strange entries, that are still there."""
    unsettled: int = 0

    def strange(self, blocked: Sequence[tuple[str, str]]) -> tuple[Taken, ...]:
        """Those of them that nobody was told of."""
        said = self.place.said
        fresh = [(name, why) for name, why in blocked if said.get(name) != why]
        said.update(fresh)
        self.here |= {name for name, _ in blocked}
        return tuple(Taken(name, None, new=False, ignored=why) for name, why in fresh)

    def due(self, found: Mapping[str, SourceSeen]) -> dict[str, SourceSeen]:
        """Those that rest, and were not taken before."""
        tracks, settle_seconds = self.place.tracks, self.settle_seconds
        self.here |= found.keys()
        due = {}
        for key, seen in found.items():
            track = follow(
                tracks.get(key), seen.sighting, self.now, settle_seconds=settle_seconds
            )
            tracks[key] = track
            if not is_due(track, self.now):
                continue
            # An object appears when it is whole, a file while it is being written.
            if not seen.file or rests(track, self.now, settle_seconds=settle_seconds):
                due[key] = seen
            else:
                self.unsettled += 1
        return due

    def settle(self, key: str) -> None:
        self.place.tracks[key] = settle(self.place.tracks[key])

    def put_off(self, key: str) -> float | None:
        """Seconds until it is tried again, where nobody was told of its trouble."""
        before = self.place.tracks[key]
        self.place.tracks[key], pause = put_off(before, self.now)
        return None if before.failures else pause

    def end(self) -> None:
        """All of the place was seen: what is gone is forgotten."""
        place = self.place
        place.tracks = {k: v for k, v in place.tracks.items() if k in self.here}
        place.said = {k: v for k, v in place.said.items() if k in self.here}
        place.unsettled = self.unsettled


async def entries(
    source: str, only: Filter, *, to: str, settings: Settings
) -> AsyncIterator[tuple[dict[str, SourceSeen], list[tuple[str, str]]]]:
    """
    What lies in *source*, in groups: objects that count by name, by key, and entries
    that cannot be uploads, with why. Results in *to* are not looked into.
    """
    if source.startswith("s3://"):
        async with bucket(source, settings) as objects:
            async for some in _objects(objects, only):
                yield some, []
        return
    root, results = absolute(source), identity_of(absolute(to))
    never = frozenset({results} if results else ())
    async for group in scan(source, leave_out=is_nobodys_folder, never=never):
        files = [one for one in group if isinstance(one, WatchedFile)]
        found = {
            one.key: _of_file(one, root)
            for one in files
            if one.bytes > 0 and _counts(one.key, only, file=True)
        }
        blocked = [one for one in group if isinstance(one, Blocked)]
        yield found, [(one.name, one.error.message) for one in blocked]


async def _objects(
    objects: Bucket, only: Filter
) -> AsyncIterator[dict[str, SourceSeen]]:
    found: dict[str, SourceSeen] = {}
    async for entry in objects.entries():
        if entry.bytes > 0 and _counts(entry.key, only, file=False):
            found[entry.key] = _of_object(objects, entry)
        if len(found) == _GROUP:
            yield found
            found = {}
    yield found


def _counts(key: str, only: Filter, *, file: bool) -> bool:
    name = key.rpartition("/")[2]
    hidden = name.startswith(".") or in_nobodys_folder(key)
    unfinished = file and name.casefold().endswith(_UNFINISHED)
    return not hidden and not unfinished and only.takes(key)


def _of_file(file: WatchedFile, root: Path) -> SourceSeen:
    age = time.time() - file.modified_ns / 1e9
    return SourceSeen(
        upload=from_file(
            file.path,
            root=str(root),
            size=file.bytes,
            modified_ns=file.modified_ns,
        ),
        sighting=Sighting(
            file.etag, file.bytes, file.changed_ns, age if age >= 0 else None
        ),
        file=file,
    )


def _of_object(objects: Bucket, entry: Entry) -> SourceSeen:
    uri = objects.uri(entry.key)
    name, _, key = uri.removeprefix("s3://").partition("/")
    upload = Upload(
        provider="s3",
        bucket=name,
        key=key,
        uri=uri,
        etag=entry.etag,
        bytes=entry.bytes,
        event_time=entry.modified,
        event_name="found",
    )
    # A new version of the same content is told from the old one by its time.
    changed = int(entry.modified.timestamp())
    return SourceSeen(upload, Sighting(f"{entry.etag} {changed}", entry.bytes))


async def refuse_source(source: str, settings: Settings) -> None:
    """
    Raise `SourceNotFound` or `SourceUnreadable` where there is no such place to look
    at. Asked once, at the start: what goes away later is waited for.
    """
    if source.startswith("s3://"):
        async with bucket(source, settings) as objects:
            await anext(objects.entries(), None)
    else:
        refuse_scheme(source, "source", "a folder, file:// or s3://")
        await anyio.to_thread.run_sync(refuse_missing, source)
