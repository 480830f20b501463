"""
Where the source's pixels change their shape while their number stays.

ffmpeg hands out every picture with the shape that the stream began with, and says
nothing of another. The headers that come before pictures do: a further output of the
process that reads everything anyhow, of these alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..contract import Clip
from ..media.sequence_headers import UNITS, pixel_aspect

_BASE = re.compile(r"#tb 0: (\d+)/(\d+)")
_NO_TIME = -(1 << 62)
_HAIR_SECONDS = 0.001
"""A picture's time is not always to the last digit what its header's was."""
_ALIKE = Fraction(1, 10)
"""Headers of MPEG-2 may mean a part of the picture, 704 columns of 720."""


@dataclass(frozen=True, slots=True)
class Reshaped:
    """From when on pixels have another shape."""

    seconds: float
    """As ffmpeg counts them."""
    aspect: Fraction
    """A pixel's width over its height."""


def headers_beside(shown: str) -> tuple[str, str]:
    """Files of their times and of themselves, by that of the pictures' times."""
    return f"{shown}.headers.crc", f"{shown}.headers"


def header_options(codec: str) -> tuple[dict[str, str], dict[str, str]]:
    """Of the outputs to these files; *codec* is one of `UNITS`."""
    both = {"c": "copy", "bsf:v": f"filter_units=pass_types={UNITS[codec]}"}
    return {"f": "framecrc", **both}, {"f": "data", **both}


def read_reshaped(
    codec: str, shown: str, *, before: Fraction | None = None
) -> tuple[Reshaped, ...]:
    """
    The shape it begins with and each other one; empty where it stays, or nothing
    tells. *before*: the source's, where something of it was left out before.
    """
    times, headers = map(Path, headers_beside(shown))
    try:
        lines, data = times.read_text(encoding="ascii"), headers.read_bytes()
    except (FileNotFoundError, UnicodeDecodeError):
        return ()
    found: list[Reshaped] = []
    for seconds, aspect in _aspects(codec, lines, data):
        if not aspect and not found:
            # Where nothing is promised, ffmpeg goes by each picture.
            return ()
        shape = aspect or Fraction(1)
        if not found or found[-1].aspect != shape:
            found.append(Reshaped(seconds, shape))
    if found and before and abs(found[0].aspect / before - 1) > _ALIKE:
        found.insert(0, Reshaped(found[0].seconds, before))
    return tuple(found) if len(found) > 1 else ()


def begins_reshaped(reshaped: Sequence[Reshaped], clip: Clip | None) -> bool:
    """Whether the first picture used has another shape than its source began with."""
    first = 0.0 if clip is None else clip.start_seconds - (clip.seek_seconds or 0.0)
    return reshaped[1].seconds <= first + _HAIR_SECONDS


def _aspects(codec: str, lines: str, data: bytes) -> Iterator[tuple[float, Fraction]]:
    """What each header says that can be read, and when."""
    base, at = Fraction(1), 0
    known: dict[bytes, Fraction | None] = {}
    for line in lines.splitlines():
        if line.startswith("#"):
            if match := _BASE.match(line):
                base = Fraction(int(match[1]), int(match[2]))
            continue
        fields = line.split(",", 5)
        time, size = int(fields[2]), int(fields[4])
        unit = data[at : at + size]
        at += size
        if unit not in known:
            known[unit] = pixel_aspect(codec, unit)
        aspect = known[unit]
        if aspect is not None and time > _NO_TIME:
            yield float(time * base), aspect


def stretch(reshaped: Sequence[Reshaped]) -> str:
    """An expression of ffmpeg's, of `t`: by how much wider pixels are than at first."""
    first, *others = reshaped
    before = [1.0, *(float(one.aspect / first.aspect) for one in others)]
    text = f"{before[-1]:.9g}"
    for factor, one in zip(reversed(before[:-1]), reversed(others), strict=True):
        text = f"if(lt(t,{one.seconds - _HAIR_SECONDS:.6f}),{factor:.9g},{text})"
    return text
