"""
How long Matroska and WebM last that were recorded live: no length, no index.

A browser's recordings are, and most of what is written while it is watched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .reader import CountingReader
from .tail_matroska import CLUSTER, element, elements, within

_MARK = CLUSTER.to_bytes(4, "big")
_INFO = 0x1549A966
_TIMESTAMP_SCALE = 0x2AD7B1
_TIMESTAMP = 0xE7
_BLOCK_GROUP = 0xA0
_BLOCK = 0xA1
_SIMPLE_BLOCK = 0xA3
_USUAL_SCALE = 1_000_000
"""Nanoseconds per tick, where nothing else is said (RFC 9559 §5.1.2.9)."""
_WINDOW = 384 * 1024
"""Bytes at the end, among which the last cluster is looked for."""
_LEAST_PACE_SECONDS = 0.5


class Read(NamedTuple):
    """What was read of the beginning."""

    seconds: float
    bytes: int


def likely_end(reader: CountingReader, head: Read) -> float | None:
    """
    Seconds on its clock where it ends, about: the last block's time; where no cluster
    begins near the end, what all bytes take at the pace of the *head*.

    None where there is neither.
    """
    start = max(0, reader.size - min(_WINDOW, reader.budget - reader.bytes_read))
    data = reader.at(start, reader.size - start)
    at = data.rfind(_MARK)
    while at >= 0:
        times = list(_times(reader, start + at))
        if times:
            return max(times) * _scale(reader) / 1e9
        at = data.rfind(_MARK, 0, at)
    if head.seconds < _LEAST_PACE_SECONDS or not head.bytes:
        return None
    return head.seconds / head.bytes * reader.size


def _times(reader: CountingReader, at: int) -> Iterator[int]:
    """In ticks, of the blocks of what may be a cluster that begins there."""
    found = element(reader, at)
    if found is None:
        return
    at = found[1]
    base = None
    while (found := element(reader, at)) is not None:
        kind, body, size = found
        if size is None or body + size > reader.size:
            return
        if kind == _TIMESTAMP:
            base = int.from_bytes(reader.at(body, min(size, 8)), "big")
        elif base is None and kind in {_SIMPLE_BLOCK, _BLOCK_GROUP}:
            return
        elif base is not None and kind == _SIMPLE_BLOCK:
            yield base + _relative(reader, body)
        elif base is not None and kind == _BLOCK_GROUP:
            for inside, its, _ in within(reader, body, size):
                if inside == _BLOCK:
                    yield base + _relative(reader, its)
        at = body + size


def _relative(reader: CountingReader, body: int) -> int:
    """A block's time after its cluster's: behind the number of its track."""
    head = reader.at(body, 10)
    width = 9 - head[0].bit_length() if head else 0
    return int.from_bytes(head[width : width + 2], "big", signed=True)


def _scale(reader: CountingReader) -> int:
    for kind, _, body, size in elements(reader):
        if kind == CLUSTER:
            break
        if kind == _INFO and size is not None:
            for inside, its, length in within(reader, body, size):
                if inside == _TIMESTAMP_SCALE:
                    return int.from_bytes(reader.at(its, min(length, 8)), "big")
    return _USUAL_SCALE
