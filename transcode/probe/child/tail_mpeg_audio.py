"""Bare sound: frames that state their size, followed to the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .reader import CountingReader

_TAIL = 96 * 1024
CHAIN = 4
"""Frames in a row that make a chain no accident."""
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
_V1_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_V2_RATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Layer III, kbit/s (ISO 11172-3 §2.4.2.3, ISO 13818-3 §2.4.2.3)."""
_V1_CLOCKS = (44_100, 48_000, 32_000)
_MPEG_1, _MPEG_2 = 3, 2
_AC3_RATES = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    *(448, 512, 576, 640),
)
"""kbit/s by half of `frmsizecod` (ATSC A/52 table 5.18)."""


def adts(reader: CountingReader) -> str | None:
    """AAC in ADTS (ISO 14496-3 §1.A.2.2)."""
    return _last_frame(reader, adts_frame)


def dolby(reader: CountingReader) -> str | None:
    """AC-3 and E-AC-3 (ATSC A/52)."""
    return _last_frame(reader, _dolby_frame)


def layer3(reader: CountingReader) -> str | None:
    """MP3: the Xing, Info or VBRI header's word for the bytes, then the last frame."""
    said = layer3_header(reader)
    size = layer3_frame(reader.at(said.begins, 6))
    # Some writers leave the header's own frame out of the count, none puts more in.
    if said.size and size and said.begins + said.size > reader.size + size:
        return f"it promises {said.size} bytes and has {reader.size - said.begins}"
    return _last_frame(reader, layer3_frame)


@dataclass(frozen=True, slots=True)
class Layer3Header:
    """What the first frame of an MP3 says of the others; None: nothing."""

    begins: int
    """Its first byte."""
    frames: int | None = None
    size: int | None = None
    """Bytes, from `begins` on."""


def layer3_header(reader: CountingReader) -> Layer3Header:
    """The Xing, Info or VBRI header."""
    start = after_id3(reader)
    head = reader.at(start, 2048)
    frames = size = None
    for mark in (b"Xing", b"Info"):
        at = head.find(mark, 0, 64)
        if at < 0 or len(head) < at + 16:
            continue
        flags, at = head[at + 7], at + 8
        if flags & 1:
            frames = int.from_bytes(head[at : at + 4], "big")
            at += 4
        if flags & 2:
            size = int.from_bytes(head[at : at + 4], "big")
    if head[36:40] == b"VBRI":
        size = int.from_bytes(head[46:50], "big")
        frames = int.from_bytes(head[50:54], "big")
    return Layer3Header(start, frames or None, size or None)


def after_id3(reader: CountingReader) -> int:
    """Where sound begins behind the tag of ID3v2."""
    head = reader.at(0, 10)
    if head[:3] != b"ID3" or len(head) < 10:  # noqa: PLR2004  the tag's header
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + 10 * bool(head[5] & 0x10)


def _last_frame(
    reader: CountingReader, frame: Callable[[bytes], int | None]
) -> str | None:
    """Follows frames to the end of the file; the last one has to be whole."""
    tail = reader.at(max(0, reader.size - _TAIL), _TAIL)
    for start in range(len(tail)):
        ends = chain(tail, start, frame)
        if len(ends) >= CHAIN:
            break
    else:
        return None
    end = ends[-1]
    if end > len(tail):
        return f"its last frame lacks {end - len(tail)} bytes"
    rest = tail[end:]
    if not rest.strip(b"\0") or rest.startswith(_TAGS):
        return None
    # Less than a header of the next one, or something that is none.
    same = rest[:1] == tail[start : start + 1] and len(rest) < 8  # noqa: PLR2004
    return "its last frame is incomplete" if same else None


def chain(data: bytes, at: int, frame: Callable[[bytes], int | None]) -> list[int]:
    """Where frames end that follow one another; the last may end behind *data*."""
    ends: list[int] = []
    while at < len(data) and (size := frame(data[at : at + 8])) is not None:
        at += size
        ends.append(at)
    return ends


def adts_frame(head: bytes) -> int | None:
    """Bytes of a frame of AAC by its header; None where none begins."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:  # noqa: PLR2004
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else None  # noqa: PLR2004  its header


def layer3_frame(head: bytes) -> int | None:
    """Bytes of a frame of MP3 by its header; None where none begins."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # noqa: PLR2004
        return None
    rate, clock = head[2] >> 4, layer3_clock(head)
    if not clock or rate in {0, 15}:
        return None
    first = head[1] >> 3 & 3 == _MPEG_1
    kilobits = (_V1_RATES if first else _V2_RATES)[rate]
    return (144 if first else 72) * kilobits * 1000 // clock + (head[2] >> 1 & 1)


def layer3_clock(head: bytes) -> int:
    """Hz; 0 where the header has none."""
    version, clock = head[1] >> 3 & 3, head[2] >> 2 & 3
    if version == 1 or clock == 3:  # noqa: PLR2004  reserved
        return 0
    shift = {_MPEG_1: 0, _MPEG_2: 1}.get(version, 2)
    return _V1_CLOCKS[clock] >> shift


def _dolby_frame(head: bytes) -> int | None:
    if len(head) < 6 or head[:2] != b"\x0b\x77":  # noqa: PLR2004  the sync word
        return None
    if head[5] >> 3 > 10:  # noqa: PLR2004  bsid of E-AC-3
        return (((head[2] & 7) << 8 | head[3]) + 1) * 2
    clock, code = head[4] >> 6, head[4] & 0x3F
    if clock == 3 or code >= 2 * len(_AC3_RATES):  # noqa: PLR2004  reserved
        return None
    kilobits = _AC3_RATES[code // 2]
    if clock == 1:
        return 2 * (320 * kilobits * 1000 // 2 * 2 // 147 // 1000 + code % 2)
    return kilobits * (4 if clock == 0 else 6)
