"""Bare H.264: reference pictures are numbered, so a missing one leaves a hole."""

from __future__ import annotations

from collections.abc import Iterator

from ...media.h264 import SPS, Bits, SequenceParameters, sequence_parameters
from .reader import CountingReader

_SLICES = {1, 5}
_IDR = 5
_HEAD = 256
"""Bytes of a unit that are looked at; all that is asked of it stands there."""
_RESET = {0, 1}
"""Numbers after a picture that resets them without being an IDR picture (§8.2.1)."""


def bare_h264(reader: CountingReader) -> str | None:
    """
    How many pictures are missing by their numbers (§7.4.3, `frame_num`), in a file that
    can be read whole. It has no times: each one missing moves all that follow.

    One that no other picture refers to leaves no hole.
    """
    if not reader.can_afford(reader.size - reader.bytes_read):
        return None
    numbering: SequenceParameters | None = None
    last: int | None = None
    missing = 0
    for kind, refers, body in _units(reader.at(0, reader.size)):
        if kind == SPS:
            numbering = sequence_parameters(body)
        if kind not in _SLICES or numbering is None or numbering.holes_allowed:
            continue
        number = _frame_num(Bits(body), numbering)
        most = 1 << numbering.frame_num_bits
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
        yield head & 0x1F, bool(head & 0x60), data[at + 4 : at + 4 + _HEAD]
        at = data.find(b"\0\0\1", at + 3)


def _frame_num(bits: Bits, numbering: SequenceParameters) -> int:
    bits.code()
    bits.code()
    bits.code()
    if numbering.planes:
        bits.take(2)
    return bits.take(numbering.frame_num_bits)
