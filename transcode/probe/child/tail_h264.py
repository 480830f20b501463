"""Bare H.264: reference pictures are numbered, so a missing one leaves a hole."""

from __future__ import annotations

from ...media.h264 import SPS, SequenceParameters, sequence_parameters, slice_head
from .fields import units
from .reader import CountingReader

_SLICES = {1, 5}
_IDR = 5
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
    for kind, importance, body in units(reader.at(0, reader.size)):
        if kind == SPS:
            numbering = sequence_parameters(body)
        if kind not in _SLICES or numbering is None or numbering.holes_allowed:
            continue
        number = slice_head(body, numbering).number
        most = 1 << numbering.frame_num_bits
        if kind != _IDR and last is not None and number not in _RESET:
            step = (number - last) % most
            missing += max(0, step - 1)
        if importance:
            last = number
    if not missing:
        return None
    what = "picture is" if missing == 1 else "pictures are"
    return f"{missing} {what} missing by the numbers that its pictures have"
