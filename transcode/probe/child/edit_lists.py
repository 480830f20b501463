"""Shortens a large index, so that libav needs to read only the beginning of it."""

from __future__ import annotations

from .boxes import Mp4Box, children, u32
from .reader import CountingReader

LARGE = 384 * 1024
"""Bytes of an index (moov) above which it is shortened: about 20 minutes of video."""
_LARGE_TABLE = 16 * 1024
_ENTRIES = 1024
_MOST_OTHER = 64 * 1024
"""Bytes of anything else that is kept: cover art in user data may have megabytes."""
_NESTED = frozenset({"trak", "mdia", "minf", "stbl"})
_ENTRY_BYTES = {"stts": 8, "ctts": 8, "stss": 4, "stco": 4, "co64": 8}


def shorten(reader: CountingReader, moov: Mp4Box) -> None:
    """
    Make `reader` show `moov` with the first entries of its sample tables only.

    It keeps its place and length, since sample offsets count from the file's start;
    what was cut is a `free` box. Codec parameters, rotation and colour are untouched;
    counts and durations have to come from the tables themselves (`read_index`).
    """
    content = _container(reader, moov)
    length = moov.end - moov.start
    rest = length - len(content)
    reader.overlay(moov.start, content + rest.to_bytes(4, "big") + b"free", length)


def _container(reader: CountingReader, box: Mp4Box) -> bytes:
    parts = []
    for child in children(reader, box.body, box.end):
        if child.kind in _NESTED:
            parts.append(_container(reader, child))
        elif child.kind == "stsc":
            parts.append(_chunks(reader, child))
        elif child.kind in _ENTRY_BYTES and child.end - child.start > _LARGE_TABLE:
            parts.append(_table(reader, child, _ENTRY_BYTES[child.kind], fixed=8))
        elif child.kind == "stsz" and child.end - child.start > _LARGE_TABLE:
            parts.append(_table(reader, child, 4, fixed=12))
        elif child.end - child.start <= _MOST_OTHER:
            parts.append(reader.at(child.start, child.end - child.start))
    return _box(box.kind, b"".join(parts))


def _table(reader: CountingReader, box: Mp4Box, entry: int, *, fixed: int) -> bytes:
    """`fixed` bytes end with the number of entries of `entry` bytes that follow."""
    data = reader.at(box.body, fixed + entry * _ENTRIES)
    count = min(u32(data, fixed - 4), (len(data) - fixed) // entry)
    head = data[: fixed - 4] + count.to_bytes(4, "big")
    return _box(box.kind, head + data[fixed : fixed + entry * count])


def _chunks(reader: CountingReader, box: Mp4Box) -> bytes:
    """Samples per chunk; libav refuses entries of chunks that were cut."""
    data = reader.at(box.body, 8 + 12 * _ENTRIES)
    rows = [data[at : at + 12] for at in range(8, len(data) - 11, 12)]
    kept = [row for row in rows[: u32(data, 4)] if u32(row, 0) <= _ENTRIES]
    return _box(box.kind, data[:4] + len(kept).to_bytes(4, "big") + b"".join(kept))


def _box(kind: str, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind.encode("latin-1") + body
