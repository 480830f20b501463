"""HDR's static metadata as plain numbers, out of libav's own structures."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

_MASTERING = struct.Struct("=20i2i")
"""AVMasteringDisplayMetadata: three primaries and the white point as x and y, then
least and most luminance, each a numerator and a denominator; then two flags."""
_MATRIX = struct.Struct("=9i")
"""Fixed point: 16.16, the last column 2.30."""
_LIGHT = struct.Struct("=2I")
"""AVContentLightMetadata: MaxCLL and MaxFALL."""


def mastering(frame: Any) -> list[float] | None:
    """
    Red, green, blue and white as CIE 1931 x and y, then least and most cd/m².

    None where a decoded frame does not carry all of them.
    """
    data = _of(frame.side_data, "MASTERING_DISPLAY_METADATA")
    if len(data) != _MASTERING.size:
        return None
    *numbers, has_primaries, has_luminance = _MASTERING.unpack(data)
    if not has_primaries or not has_luminance or 0 in numbers[1::2]:
        return None
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [above / under for above, under in pairs]


def light(frame: Any) -> list[int] | None:
    """MaxCLL and MaxFALL in cd/m²; None where a decoded frame carries none."""
    data = _of(frame.side_data, "CONTENT_LIGHT_LEVEL")
    return list(_LIGHT.unpack(data)) if len(data) == _LIGHT.size else None


def display_matrices(frame: Any) -> list[list[int]]:
    """
    How a decoded frame is to be turned: nine numbers, as in ISO/IEC 14496-12, 6.2.2.

    The container's first, then that of messages in the stream.
    """
    found = [bytes(it) for it in frame.side_data if it.type.name == "DISPLAYMATRIX"]
    return [list(_MATRIX.unpack(it)) for it in found if len(it) == _MATRIX.size]


def _of(side_data: Iterable[Any], name: str) -> bytes:
    return next((bytes(it) for it in side_data if it.type.name == name), b"")
