"""Finds presentation times in MPEG transport and program streams, by bounded reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...media.demuxers import CLOCKED
from .reader import CountingReader

_SYNC = 0x47
_WRAP = 1 << 33
_PICTURES = range(0xE0, 0xF0)
_MIDDLES = 3
_END_BYTES = 256 * 1024
_MIDDLE_BYTES = 64 * 1024
"""Demuxers of streams whose clock may jump."""
CLOCK = 90_000
"""Ticks per second of every time in an MPEG stream (ISO 13818-1)."""


@dataclass(slots=True)
class TimeSpan:
    """Smallest and largest presentation time seen of one elementary stream."""

    low: int
    high: int
    start: int
    end: int
    """Where in the file the first and last of them were found."""
    code: int
    """`stream_id` of its packets: 0xC0 to 0xDF for sound, 0xE0 to 0xEF for video."""
    last_bytes: int = 0
    """What the one with the largest time carries, where it says so; of sound, which
    comes several packets at a time."""


def packet_size(head: bytes) -> tuple[int, int] | None:
    """(packet bytes, offset of the first sync byte) of a transport stream."""
    for size, lead in ((188, 0), (192, 4), (204, 0)):
        if len(head) > lead + 4 * size and all(
            head[lead + n * size] == _SYNC for n in range(4)
        ):
            return size, lead
    return None


def transport_spans(
    reader: CountingReader, offset: int, length: int, layout: tuple[int, int]
) -> dict[int, TimeSpan]:
    """PID → times found between two offsets; `offset` is moved to a packet's start."""
    size, lead = layout
    offset -= offset % size
    data = reader.at(offset, length)
    spans: dict[int, TimeSpan] = {}
    for at in range(lead, len(data) - 187, size):
        if data[at] != _SYNC or not data[at + 1] & 0x40:
            continue
        start = at + 4
        if data[at + 3] & 0x20:
            start += 1 + data[at + 4]
        if data[at + 3] & 0x10 and start + 14 <= at + 188:
            pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
            _note(spans, pid, data, start, base=offset)
    return spans


def program_spans(
    reader: CountingReader, offset: int, length: int
) -> dict[int, TimeSpan]:
    """Stream id → times found between two offsets of a program stream."""
    data = reader.at(offset, length)
    spans: dict[int, TimeSpan] = {}
    at = data.find(b"\0\0\1")
    while 0 <= at <= len(data) - 19:
        if 0xC0 <= data[at + 3] <= 0xEF or data[at + 3] == 0xBD:  # noqa: PLR2004
            _note(spans, data[at + 3], data, at, base=offset)
        at = data.find(b"\0\0\1", at + 3)
    return spans


def _note(
    spans: dict[int, TimeSpan], key: int, data: bytes, at: int, *, base: int
) -> None:
    """A PES header (ISO 13818-1 §2.4.3.7), or MPEG-1's, that carries a time."""
    if data[at : at + 3] != b"\0\0\1":
        return
    stamp = at + 9
    carried = (data[at + 4] << 8 | data[at + 5]) - 3 - data[at + 8]
    if data[at + 6] >> 6 == 2:  # noqa: PLR2004  '10' opens an MPEG-2 header
        if not data[at + 7] & 0x80:
            return
    else:
        stamp, carried = at + 6, 0
        while stamp < len(data) - 6 and data[stamp] == 0xFF:  # noqa: PLR2004  stuffing
            stamp += 1
        if data[stamp] >> 6 == 1:
            stamp += 2
        if data[stamp] >> 4 not in (2, 3):
            return
    if stamp + 5 > len(data):
        return
    b = data[stamp : stamp + 5]
    time = (
        (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1
    )
    span = spans.get(key)
    if span is None:
        span = TimeSpan(time, time, base + at, base + at, data[at + 3])
        spans[key] = span
    else:
        span.low, span.high = min(span.low, time), max(span.high, time)
        span.end = base + at
    if time == span.high:
        span.last_bytes = max(carried, 0)


def forward(low: int, high: int) -> int:
    """Ticks from one time to a later one across the wrap of the 33-bit clock."""
    return (high - low) % _WRAP


def clock_regions(
    reader: CountingReader, name: str
) -> list[dict[int, TimeSpan]] | None:
    """Times of each stream of an MPEG stream at its head, tail and places between."""
    if name not in CLOCKED:
        return None
    layout = packet_size(reader.at(0, 1024)) if name == "mpegts" else None
    if name == "mpegts" and layout is None:
        return []
    left = reader.budget - reader.bytes_read
    ends, middle = min(_END_BYTES, left // 2), min(_MIDDLE_BYTES, left // 8)
    tail = max(0, reader.size - ends)
    places = [(0, ends)]
    places += [(tail * n // (_MIDDLES + 1), middle) for n in range(1, _MIDDLES + 1)]
    places.append((tail, ends))
    if layout is not None:
        return [transport_spans(reader, at, count, layout) for at, count in places]
    return [program_spans(reader, at, count) for at, count in places]


def span_of(
    regions: list[dict[int, TimeSpan]], key: int, packets: Mapping[str, Any]
) -> dict[str, Any] | None:
    """From the first time to the last; a jump of the clock between them is told."""
    spans = [region[key] for region in regions if key in region]
    first = packets.get("first")
    if not spans or key not in regions[-1]:
        return None
    if key in regions[0]:
        begins = spans[0].low
    elif first is not None:
        # Pictures took all of the head: it was read behind it.
        begins = round(first * CLOCK) % _WRAP
    else:
        return None
    if begins == spans[-1].high:
        return None
    usual = packets["end"] - packets["last"] if packets.get("end") else 0.0
    picture = spans[-1].code in _PICTURES
    lasts = 0 if picture else spans[-1].last_bytes
    if lasts and packets.get("bytes") and packets.get("sum"):
        # At the bit rate of those that were read.
        usual = max(usual, lasts * packets["sum"] / packets["bytes"])
    ways = [forward(begins, span.high) for span in spans]
    # The middle one: a region may hold the jump itself.
    paces = [
        forward(span.low, span.high) / CLOCK / (span.end - span.start)
        for span in spans
        if span.end > span.start
    ]
    return {
        "seconds": ways[-1] / CLOCK + usual,
        "steady": ways == sorted(ways),
        "pace": sorted(paces)[len(paces) // 2] if paces else None,
    }
