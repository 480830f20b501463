"""FLV: when its picture and its sound end, by the last tags of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .reader import CountingReader

_KINDS = {8: "audio", 9: "video"}
_HEADER = 11
"""Bytes before what a tag carries; four behind it say how long it was."""
_FIRST = 13
"""Where the first tag begins."""
_WALKED = 384 * 1024
_REORDERED = 16
"""Pictures of which one may be shown after the last in the file."""
_TIMED_CODECS = frozenset({7, 12})
"""AVC, and HEVC as it is put there without a standard: a picture's tag says how much
later it is shown."""
_ENHANCED = 0x80
_TIMED = frozenset({b"avc1", b"hvc1", b"vvc1"})
"""Likewise where the codec is told by four letters."""
_FRAMES, _END_OF_SEQUENCE = 1, 2
"""Packet types, old and enhanced alike (Enhanced RTMP v2)."""


class _Tag(NamedTuple):
    kind: int
    milliseconds: int
    head: bytes
    """What it carries begins with these, up to eight."""


def flv_ends(reader: CountingReader) -> dict[str, float]:
    """
    "video" and "audio" → seconds on its clock where the last one begins.

    Of neither where its tags are not found within the last 384 KiB.
    """
    latest: dict[str, int] = {}
    pictures = 0
    for tag in _backwards(reader):
        kind = _KINDS.get(tag.kind)
        if kind is None or (shown := _shown(tag)) is None:
            continue
        pictures += kind == "video"
        latest[kind] = max(latest.get(kind, 0), shown)
        if pictures >= _REORDERED and "audio" in latest:
            break
    return {kind: milliseconds / 1000 for kind, milliseconds in latest.items()}


def _backwards(reader: CountingReader) -> Iterator[_Tag]:
    end = reader.size
    while reader.size - end < min(_WALKED, reader.budget - reader.bytes_read):
        length = int.from_bytes(reader.at(end - 4, 4), "big")
        start = end - 4 - length
        if length < _HEADER or start < _FIRST:
            return
        data = reader.at(start, _HEADER + 8)
        if int.from_bytes(data[1:4], "big") + _HEADER != length:
            return
        time = int.from_bytes(data[4:7], "big") | data[7] << 24
        yield _Tag(data[0] & 0x1F, time, data[_HEADER : _HEADER + 8])
        end = start


def _shown(tag: _Tag) -> int | None:
    """Milliseconds; None of what says how pictures are coded, or that they end."""
    head = tag.head
    if tag.kind != 9 or len(head) < 8:  # noqa: PLR2004  a picture
        return tag.milliseconds
    if head[0] & _ENHANCED:
        packet, later = head[0] & 0x0F, head[5:8] if head[1:5] in _TIMED else b""
    elif head[0] & 0x0F in _TIMED_CODECS:
        packet, later = head[1], head[2:5]
    else:
        return tag.milliseconds
    if packet in {0, _END_OF_SEQUENCE}:
        return None
    offset = int.from_bytes(later, "big", signed=True) if packet == _FRAMES else 0
    return tag.milliseconds + offset
