"""How long sound lasts whose frames are of many sizes, and which has no index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

from .leftover_blocks import AMR_HEADER
from .reader import CountingReader
from .tail_blocks import AMR_FRAMES
from .tail_mpeg_audio import (
    CHAIN,
    adts_frame,
    after_id3,
    chain,
    layer3_clock,
    layer3_frame,
    layer3_header,
)

_PLACES = 8
"""Where frames are looked at, in equal distances."""
_WINDOW = 16 * 1024
_PADDING = 1
"""Byte: constant rates have it in some frames of MP3."""
_ADTS_CLOCKS = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000),
    *(12_000, 11_025, 8_000, 7_350),
)
"""Hz (ISO 14496-3 table 1.18)."""
_AMR_SECONDS = 0.02
_AMR_CHAIN = 64
"""It has no sync word: one byte in eight may begin a frame."""
_PAGE = 65_307
"""Bytes, at most (RFC 3533 §6); of sound they often have 4 to 8 KiB."""
_PAGE_HEADER = 14
"""As far as its granule position."""
_TOLD_SHARE = 16
"""A header that promises other bytes than there are, by more than one part in so many,
is of a part of the file alone. As libav has it."""


class _Sound(NamedTuple):
    size_of: Callable[[bytes], int | None]
    """Bytes of the frame that these begin; None where none begins."""
    seconds_of: Callable[[bytes], float]
    chain: int = CHAIN
    """So many frames in a row are no accident."""


def likely_seconds(reader: CountingReader, demuxer: str) -> float | None:
    """
    What the bytes suggest, by frames in several places; libav goes by the first alone.

    None where there is better to go by: a header that counts the frames, or one size of
    all; or where frames are not found.
    """
    told = _SOUNDS.get(demuxer)
    sound = None if told is None else told(reader)
    if sound is None:
        return None
    begin = after_id3(reader)
    step = (reader.size - begin - _WINDOW) // (_PLACES - 1)
    if step < _WINDOW:
        return None
    sizes: list[int] = []
    seconds = 0.0
    for place in range(_PLACES):
        data = reader.at(begin + place * step, _WINDOW)
        for at, end in _frames(data, sound):
            sizes.append(end - at)
            seconds += sound.seconds_of(data[at : at + 8])
    if len(sizes) < CHAIN or max(sizes) - min(sizes) <= _PADDING:
        return None
    return seconds / sum(sizes) * (reader.size - begin)


def joined_seconds(reader: CountingReader, clock: int) -> float | None:
    """
    About how long sound in Ogg lasts whose recordings were joined byte by byte: each
    counts from its own beginning, and the last page tells of the last one alone.

    *clock*: ticks per second of its granule positions. None where they only grow.
    """
    step = (reader.size - 2 * _PAGE) // (_PLACES - 1)
    if step < _PAGE:
        return None
    places = (_granule(reader, place * step) for place in range(_PLACES))
    seen = [it for it in places if it is not None]
    ticks = size = joints = 0
    for (at, tick), (later, further) in pairwise(seen):
        if further < tick:
            joints += 1
        else:
            ticks, size = ticks + further - tick, size + later - at
    if not joints or not size or not ticks:
        return None
    return ticks / clock / size * reader.size


def _granule(reader: CountingReader, begin: int) -> tuple[int, int] | None:
    """(offset, ticks) of the next page on which a packet ends, less the headers'."""
    end = begin + 2 * _PAGE
    while begin < end:
        data = reader.at(begin, _WINDOW)
        at = data.find(b"OggS")
        while at >= 0 and at + _PAGE_HEADER <= len(data):
            tick = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
            if tick > 0:
                return begin + at, tick
            at = data.find(b"OggS", at + 4)
        if len(data) < _WINDOW:
            return None
        begin += _WINDOW - _PAGE_HEADER
    return None


def _frames(data: bytes, sound: _Sound) -> list[tuple[int, int]]:
    """(begin, end) of those that are whole in it."""
    for start in range(len(data)):
        ends = [it for it in chain(data, start, sound.size_of) if it <= len(data)]
        if len(ends) >= sound.chain:
            return list(zip([start, *ends], ends, strict=False))
    return []


def _adts(_: CountingReader) -> _Sound:
    def seconds(head: bytes) -> float:
        clock = head[2] >> 2 & 15
        if clock >= len(_ADTS_CLOCKS):
            return 0.0
        return (1 + (head[6] & 3)) * 1024 / _ADTS_CLOCKS[clock]

    return _Sound(adts_frame, seconds)


def _layer3(reader: CountingReader) -> _Sound | None:
    """None where a header counts the frames of all that is there."""
    said = layer3_header(reader)
    if said.frames:
        there = reader.size - said.begins
        size = said.size or there
        if abs(there - size) * _TOLD_SHARE <= min(there, size):
            return None

    def seconds(head: bytes) -> float:
        first = head[1] >> 3 & 3 == 3  # noqa: PLR2004  MPEG-1
        return (1152 if first else 576) / layer3_clock(head)

    return _Sound(layer3_frame, seconds)


def _adaptive(reader: CountingReader) -> _Sound | None:
    """AMR, which is silent in frames of a few bytes."""
    head = reader.at(0, max(map(len, AMR_FRAMES)))
    header = next((it for it in AMR_FRAMES if head.startswith(it)), AMR_HEADER)
    sizes = AMR_FRAMES.get(header)
    if sizes is None:
        return None

    def size(head: bytes) -> int | None:
        if head[0] & 0x83:
            return None
        kind = head[0] >> 3 & 15
        return sizes[kind] if kind < len(sizes) else 1

    return _Sound(size, lambda _: _AMR_SECONDS, _AMR_CHAIN)


_SOUNDS: Mapping[str, Callable[[CountingReader], _Sound | None]] = {
    "aac": _adts,
    "mp3": _layer3,
    "amr": _adaptive,
}
"""Demuxer → how frames are read; AC-3, DTS and the rest have frames of one size."""
