"""Bare H.264: reference pictures are numbered, so a missing one leaves a hole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .reader import CountingReader

_SLICES = {1, 5}
_IDR = 5
_SPS = 7
_HEAD = 64
"""Bytes of a unit that are looked at; all that is asked of it stands there."""
_WITH_CHROMA = {44, 83, 86, 100, 110, 118, 122, 128, 138, 139, 244}
"""Profiles whose parameter sets say more (ITU-T H.264 §7.3.2.1.1)."""
_RESET = {0, 1}
"""Numbers after a picture that resets them without being an IDR picture (§8.2.1)."""


class _Numbering(NamedTuple):
    bits: int
    """Of `frame_num`."""
    planes: bool
    holes_allowed: bool


def bare_h264(reader: CountingReader) -> str | None:
    """
    How many pictures are missing by their numbers (§7.4.3, `frame_num`), in a file that
    can be read whole. It has no times: each one missing moves all that follow.

    One that no other picture refers to leaves no hole.
    """
    if not reader.can_afford(reader.size - reader.bytes_read):
        return None
    numbering: _Numbering | None = None
    last: int | None = None
    missing = 0
    for kind, refers, body in _units(reader.at(0, reader.size)):
        if kind == _SPS:
            numbering = _numbering(_Bits(body))
        if kind not in _SLICES or numbering is None or numbering.holes_allowed:
            continue
        number = _frame_num(_Bits(body), numbering)
        most = 1 << numbering.bits
        if kind != _IDR and last is not None and number not in _RESET:
            step = (number - last) % most
            missing += max(0, step - 1)
        if refers:
            last = number
    if not missing:
        return None
    what = "picture is" if missing == 1 else "pictures are"
    return f"{missing} {what} missing by the numbers that its pictures have"


def _units(data: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """(type, whether others refer to it, its first bytes) of each NAL unit."""
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 4:
        head = data[at + 3]
        body = data[at + 4 : at + 4 + _HEAD].replace(b"\0\0\3", b"\0\0")
        yield head & 0x1F, bool(head & 0x60), body
        at = data.find(b"\0\0\1", at + 3)


class _Bits:
    """Reads bits and Exp-Golomb codes (§9.1); zeros past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            byte = self._at // 8
            here = self._data[byte] if byte < len(self._data) else 0
            value = value << 1 | here >> (7 - self._at % 8) & 1
            self._at += 1
        return value

    def code(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:  # noqa: PLR2004  no code is longer
                return 0
        return (1 << zeros) - 1 + self.take(zeros)


def _numbering(bits: _Bits) -> _Numbering | None:
    """None where scaling lists stand in the way, which nobody sends bare."""
    profile = bits.take(8)
    bits.take(16)
    bits.code()
    planes = False
    if profile in _WITH_CHROMA:
        if bits.code() == 3:  # noqa: PLR2004  4:4:4
            planes = bool(bits.take(1))
        bits.code()
        bits.code()
        bits.take(1)
        if bits.take(1):
            return None
    width = bits.code() + 4
    order = bits.code()
    if order == 0:
        bits.code()
    elif order == 1:
        bits.take(1)
        bits.code()
        bits.code()
        for _ in range(min(bits.code(), 255)):
            bits.code()
    bits.code()
    return _Numbering(width, planes, holes_allowed=bool(bits.take(1)))


def _frame_num(bits: _Bits, numbering: _Numbering) -> int:
    bits.code()
    bits.code()
    bits.code()
    if numbering.planes:
        bits.take(2)
    return bits.take(numbering.bits)
