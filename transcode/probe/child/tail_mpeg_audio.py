"""Bare sound: frames that state their size, followed to the last."""

from __future__ import annotations

from collections.abc import Callable

from .reader import CountingReader

_TAIL = 96 * 1024
_CHAIN = 4
"""Frames in a row that make a chain no accident."""
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
_V1_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_V2_RATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Layer III, kbit/s (ISO 11172-3 §2.4.2.3, ISO 13818-3 §2.4.2.3)."""
_V1_CLOCKS = (44_100, 48_000, 32_000)
_AC3_RATES = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    *(448, 512, 576, 640),
)
"""kbit/s by half of `frmsizecod` (ATSC A/52 table 5.18)."""


def adts(reader: CountingReader) -> str | None:
    """AAC in ADTS (ISO 14496-3 §1.A.2.2)."""
    return _last_frame(reader, _adts_frame)


def dolby(reader: CountingReader) -> str | None:
    """AC-3 and E-AC-3 (ATSC A/52)."""
    return _last_frame(reader, _dolby_frame)


def layer3(reader: CountingReader) -> str | None:
    """MP3: the Xing, Info or VBRI header's word for the bytes, then the last frame."""
    start = _after_id3(reader)
    head = reader.at(start, 2048)
    size = _layer3_frame(head[:6])
    said = None
    for mark in (b"Xing", b"Info"):
        at = head.find(mark, 0, 64)
        if at > 0 and head[at + 7 : at + 8] and head[at + 7] & 2:
            said_at = at + 8 + 4 * (head[at + 7] & 1)
            said = int.from_bytes(head[said_at : said_at + 4], "big")
    if head[36:40] == b"VBRI":
        said = int.from_bytes(head[46:50], "big")
    # Some writers leave the header's own frame out of the count, none puts more in.
    if said and size and start + said > reader.size + size:
        return f"it promises {said} bytes and has {reader.size - start}"
    return _last_frame(reader, _layer3_frame)


def _after_id3(reader: CountingReader) -> int:
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
        ends = _chain(tail, start, frame)
        if len(ends) >= _CHAIN:
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


def _chain(data: bytes, at: int, frame: Callable[[bytes], int | None]) -> list[int]:
    ends: list[int] = []
    while at < len(data) and (size := frame(data[at : at + 8])) is not None:
        at += size
        ends.append(at)
    return ends


def _adts_frame(head: bytes) -> int | None:
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:  # noqa: PLR2004
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else None  # noqa: PLR2004  its header


def _layer3_frame(head: bytes) -> int | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # noqa: PLR2004
        return None
    version, rate, clock = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or clock == 3 or rate in {0, 15}:  # noqa: PLR2004  reserved
        return None
    first = version == 3  # noqa: PLR2004  MPEG-1
    hertz = _V1_CLOCKS[clock] >> (0 if first else 1 if version == 2 else 2)  # noqa: PLR2004
    kilobits = (_V1_RATES if first else _V2_RATES)[rate]
    return (144 if first else 72) * kilobits * 1000 // hertz + (head[2] >> 1 & 1)


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
