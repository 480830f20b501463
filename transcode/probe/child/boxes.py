"""Reads the boxes of an ISO base media file (MP4, MOV, CMAF) without its samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .reader import CountingReader
from .sample_tables import TrackTables

_MOST_TABLE_BYTES = 32 * 1024 * 1024
TOP_LEVEL = frozenset(
    [
        "ftyp",
        "styp",
        "moov",
        "moof",
        "mdat",
        "free",
        "skip",
        "wide",
        "sidx",
        "ssix",
        "prft",
        "emsg",
        "mfra",
        "uuid",
        "meta",
        "pnot",
        "udta",
        "bloc",
        "pdin",
        "imda",
    ]
)
_HEADER = 8


class Mp4Box(NamedTuple):
    kind: str
    start: int
    body: int
    end: int


@dataclass(slots=True)
class BoxIndex:
    """What the boxes of a file tell."""

    brand: str = ""
    moov: Mp4Box | None = None
    fragments: int = 0
    complete: bool = True
    """Everything was read; else counts and durations are of a part."""
    first_media: int | None = None
    tracks: list[TrackTables] = field(default_factory=list)
    tables: dict[int, dict[str, Mp4Box]] = field(default_factory=dict)
    """Track id → its sample tables."""
    timescale: int = 0
    matrix: tuple[int, ...] = ()
    sidx_seconds: float = 0.0
    sidx_missing_seconds: float = 0.0
    cut_bytes: int = 0
    """How far the last box reaches beyond the end of the file."""
    end: int = 0
    """Behind the last box that makes sense."""
    media_bytes: int = 0
    """In all `mdat` boxes."""
    repeated: int | None = None
    """Where the header stands once more: what follows must go on where it was."""
    last_kind: str = ""
    """Of that box; empty where it is of no kind that a file is made of."""
    protected: bool = False
    """Something in it speaks of encryption."""

    @property
    def fragmented(self) -> bool:
        return self.fragments > 0


def looks_like(head: bytes) -> bool:
    """True for the first bytes of something that has boxes at its top level."""
    return len(head) >= _HEADER and head[4:8].decode("latin-1") in TOP_LEVEL


def children(reader: CountingReader, start: int, end: int) -> Iterator[Mp4Box]:
    """
    The boxes between two offsets; stops where they make no sense.

    The last one may claim to end beyond `end`: its own `end` says so.
    """
    at = start
    while at + _HEADER <= end:
        head = reader.at(at, 16)
        if len(head) < _HEADER:
            return
        size = u32(head, 0)
        body = at + _HEADER
        if size == 1:
            size, body = u64(head, 8), at + 16
        elif size == 0:
            size = end - at
        if size < body - at:
            return
        yield Mp4Box(head[4:8].decode("latin-1"), at, body, at + size)
        at += size


def u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "big")


def body(reader: CountingReader, box: Mp4Box, limit: int = _MOST_TABLE_BYTES) -> bytes:
    return reader.at(box.body, min(box.end - box.body, limit))
