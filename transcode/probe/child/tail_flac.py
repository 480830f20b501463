"""FLAC: how many samples its header promises, and whether its last frame is whole."""

from __future__ import annotations

from typing import NamedTuple

from .reader import CountingReader

_STREAMINFO = 42
"""Bytes of the mark, the first block's header and that block (RFC 9639 §8.2)."""
_LEAST_TAIL, _MOST_TAIL = 64 * 1024, 256 * 1024
_LONGEST_HEADER = 16
_ID3V1 = 128
_RESERVED_RATE = 15
_RESERVED_SIZE = 3


class _Frame(NamedTuple):
    start: int
    """Within the bytes looked at."""
    end_sample: int


def flac(reader: CountingReader) -> str | None:
    """
    The last frame ends with what was promised, or else with its checksum.

    STREAMINFO states the number of samples, and 0 where nobody could go back to write
    it. Frames state no size, but end in a CRC-16 over all of them (RFC 9639 §9.3).
    """
    head = reader.at(0, _STREAMINFO)
    if len(head) < _STREAMINFO or head[:4] != b"fLaC" or head[4] & 0x7F:
        return None
    fixed = int.from_bytes(head[10:12], "big")
    largest = int.from_bytes(head[15:18], "big")
    packed = int.from_bytes(head[18:26], "big")
    rate, promised = packed >> 44, packed & ((1 << 36) - 1)
    most = min(_MOST_TAIL, max(_LEAST_TAIL, 2 * largest))
    tail = _without_tag(reader.at(max(0, reader.size - most), most))
    last = _last_frame(tail, fixed)
    if last is None:
        return None if most < reader.size else "it ends before its first frame"
    if last.end_sample < promised and rate:
        return (
            f"its sound ends at {last.end_sample / rate:.1f} s, and it promises"
            f" {promised / rate:.1f} s"
        )
    whole = _is_whole(tail[last.start :], followed=bool(promised))
    return None if whole else "its last frame is incomplete"


def _without_tag(tail: bytes) -> bytes:
    return tail[:-_ID3V1] if tail[-_ID3V1:].startswith(b"TAG") else tail


def _last_frame(tail: bytes, fixed: int) -> _Frame | None:
    """The last header that its checksum bears out, of two that follow each other."""
    found: list[_Frame] = []
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        frame = _header(tail, at, fixed)
        if frame is None:
            continue
        # Chance makes one of these in a few megabytes, but none that comes in order.
        follower = next((it for it in found if it.end_sample > frame.end_sample), None)
        if follower is not None and _near(frame, follower, fixed):
            return follower
        found.insert(0, frame)
    return found[0] if len(found) == 1 else None


def _near(one: _Frame, other: _Frame, fixed: int) -> bool:
    return other.end_sample - one.end_sample <= max(fixed, 1) * 16


def _header(data: bytes, at: int, fixed: int) -> _Frame | None:
    """A frame header (RFC 9639 §9.1); None where it is none."""
    head = data[at : at + _LONGEST_HEADER]
    if len(head) < 6 or head[1] & 0xFE != 0xF8:  # noqa: PLR2004  sync code
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    bits = head[3] >> 1 & 7
    if not size_code or rate_code == _RESERVED_RATE or head[3] & 1:
        return None
    if head[3] >> 4 > 10 or bits == _RESERVED_SIZE:  # noqa: PLR2004  channels
        return None
    width = max(1, 8 - (head[4] ^ 0xFF).bit_length())
    if head[4] >> 6 == 2 or width > 7:  # noqa: PLR2004  as UTF-8 is coded
        return None
    number = head[4] & ((1 << (7 - width)) - 1) if width > 1 else head[4]
    for byte in head[5 : 4 + width]:
        number = number << 6 | byte & 0x3F
    end = 4 + width
    more = {6: 1, 7: 2}.get(size_code, 0)
    samples = _samples(size_code, head[end : end + more])
    end += more + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= end or _crc8(head[:end]) != head[end]:
        return None
    first = number if head[1] & 1 else number * fixed
    return _Frame(at, first + samples)


def _samples(code: int, stated: bytes) -> int:
    if code in {6, 7}:
        return int.from_bytes(stated, "big") + 1
    if code == 1:
        return 192
    return 576 << code - 2 if code < 6 else 1 << code  # noqa: PLR2004  table 14


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ (0x107 if value & 0x80 else 0)
    return value & 0xFF


def _is_whole(frame: bytes, *, followed: bool) -> bool:
    """
    Over a frame and its own checksum the checksum is 0.

    *followed*: whatever may come behind it, as some tag that nobody knows.
    """
    value = 0
    for at, byte in enumerate(frame):
        value = (value << 8 & 0xFF00) ^ _CRC16[value >> 8 ^ byte]
        if followed and not value and at >= _LONGEST_HEADER:
            return True
    return not value


def _crc16_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        shifted = value << 8
        for _ in range(8):
            shifted = shifted << 1 ^ (0x18005 if shifted & 0x8000 else 0)
        table.append(shifted & 0xFFFF)
    return tuple(table)


_CRC16 = _crc16_table()
