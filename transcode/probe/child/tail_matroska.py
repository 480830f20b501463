"""
Matroska and WebM: an element that reaches past the end, and what libav does not tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from .reader import CountingReader
from .tail_riff import beyond

_SEGMENT = 0x18538067
CLUSTER = 0x1F43B675
_TRACKS = 0x1654AE6B
_TRACK_ENTRY = 0xAE
_TRACK_TYPE = 0x83
_CODEC_DELAY = 0x56AA
_SOUND = 2
_NANOSECONDS = 1_000_000_000
_NAMES = {_SEGMENT: "its Segment", CLUSTER: "its last Cluster"}
_MASTERS = {_SEGMENT, CLUSTER}
_UNSIZED = {_SEGMENT, CLUSTER}
"""Elements whose size a live writer leaves open (RFC 8794 §6.2)."""


def matroska(reader: CountingReader) -> str | None:
    """
    The Segment states its size; where it is left open (a live recording), each element
    inside is asked in turn, as far as the bytes already read or the budget reach.
    """
    at = 0
    found = False
    while (one := element(reader, at)) is not None:
        kind, body, size = one
        found = found or kind == _SEGMENT
        if size is None:
            if kind not in _UNSIZED:
                return None
            at = body
            continue
        if body + size > reader.size:
            return beyond(reader, body + size, _NAMES.get(kind, "its last element"))
        at = body + size
        if kind == _SEGMENT:
            return None
    if reader.spent or not found:
        return None
    return None if at >= reader.size else "its last element has no whole header"


def codec_delays(reader: CountingReader) -> list[float]:
    """Of each soundtrack, in the order of the file: seconds that prime its decoder."""
    at = 0
    while (one := element(reader, at)) is not None:
        kind, body, size = one
        if kind == _TRACKS and size is not None:
            return [
                delay
                for entry, it, length in within(reader, body, size)
                if entry == _TRACK_ENTRY and (delay := _delay(reader, it, length)) >= 0
            ]
        if kind == CLUSTER or (size is None and kind != _SEGMENT):
            break
        at = body if kind == _SEGMENT else body + (size or 0)
    return []


def _delay(reader: CountingReader, at: int, size: int) -> float:
    """Of one TrackEntry; -1 where it is not sound."""
    sound, delay = False, 0.0
    for kind, body, length in within(reader, at, size):
        if kind in (_TRACK_TYPE, _CODEC_DELAY):
            value = int.from_bytes(reader.at(body, min(length, 8)), "big")
            if kind == _TRACK_TYPE:
                sound = value == _SOUND
            else:
                delay = value / _NANOSECONDS
    return delay if sound else -1.0


def within(
    reader: CountingReader, at: int, size: int
) -> Iterator[tuple[int, int, int]]:
    """(id, start of its body, size) of what a master element holds."""
    end = at + size
    while at < end and (one := element(reader, at)) is not None:
        kind, body, length = one
        if length is None or body + length > end:
            return
        yield kind, body, length
        at = body + length


def elements(reader: CountingReader) -> Iterator[tuple[int, int, int, int | None]]:
    """
    (id, start, start of its body, size or None where left open) of one after another.

    What has no size of its own is entered. Ends where the bytes make no sense.
    """
    at = 0
    while (one := element(reader, at)) is not None:
        kind, body, size = one
        yield kind, at, body, size
        if size is None and kind not in _UNSIZED:
            return
        at = body if size is None else body + size


def element(reader: CountingReader, at: int) -> tuple[int, int, int | None] | None:
    """(id, offset of its body, size or None where left open); None at the end."""
    head = reader.at(at, 16)
    if not head or not head[0]:
        return None
    width = 9 - head[0].bit_length()
    if width > 4 or len(head) <= width or not head[width]:  # noqa: PLR2004  RFC 8794
        return None
    kind = int.from_bytes(head[:width], "big")
    length = 9 - head[width].bit_length()
    data = head[width : width + length]
    if len(data) < length:
        return None
    size = int.from_bytes(data, "big") & ((1 << 7 * length) - 1)
    body = at + width + length
    return kind, body, None if size == (1 << 7 * length) - 1 else size
