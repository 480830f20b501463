"""The shape of a stream's pixels, by the headers that pictures come with."""

from __future__ import annotations

from fractions import Fraction

from .h264 import SPS, sequence_parameters
from .hevc import SPS as HEVC_SPS
from .hevc import hevc_pixel_aspect, is_base_layer

__all__ = ["UNITS", "differ", "pixel_aspect"]

UNITS = {"h264": SPS, "hevc": HEVC_SPS, "mpeg2video": 0xB3}
"""Codec → the kind of unit that says it: sequence parameter sets (ITU-T H.264 and
H.265, tables 7-1), sequence headers (ISO 13818-2 table 6-1)."""
_MPEG_BYTES = 4
_SHOWN = {2: Fraction(4, 3), 3: Fraction(16, 9), 4: Fraction(221, 100)}
"""ISO 13818-2 table 6-3: of the whole picture; 1 is square pixels."""
_ALIKE = Fraction(1, 10)
"""Headers of MPEG-2 may mean a part of the picture, 704 columns of 720."""


def differ(one: Fraction, other: Fraction) -> bool:
    """Whether two shapes of pixels, neither of them 0, are meant as two."""
    return abs(one / other - 1) > _ALIKE


def pixel_aspect(codec: str, units: bytes) -> Fraction | None:
    """
    Width over height of one pixel, by the last of *units* of `UNITS`, each behind its
    start code: what a container says of all of them comes before what a picture does.

    0 where the header leaves it open; None where it cannot be read.
    """
    bodies = units.split(b"\0\0\1")[1:]
    if codec == "hevc":
        bodies = [it for it in bodies if is_base_layer(it)]
    if not bodies or codec not in UNITS:
        return None
    body = bodies[-1][1:]
    if codec == "h264":
        found = sequence_parameters(body)
        return None if found is None else found.pixel_aspect
    if codec == "hevc":
        return hevc_pixel_aspect(body[1:])
    return _mpeg2(body)


def _mpeg2(body: bytes) -> Fraction | None:
    if len(body) < _MPEG_BYTES:
        return None
    width, height = body[0] << 4 | body[1] >> 4, (body[1] & 15) << 8 | body[2]
    code = body[3] >> 4
    if not width or not height:
        return None
    if code == 1:
        return Fraction(1)
    shown = _SHOWN.get(code)
    return None if shown is None else shown * height / width
