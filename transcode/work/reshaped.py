"""
Where the source's pixels change their shape while their number stays.

ffmpeg hands out every picture with the shape that the stream began with, and says
nothing of another. The headers that come before pictures do: a further output of the
process that reads everything anyhow, of these alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

from ..contract import Clip
from ..media.sequence_headers import UNITS, differ, pixel_aspect

_BASE = re.compile(r"#tb 0: (\d+)/(\d+)")
_NO_TIME = -(1 << 62)
_HAIR_SECONDS = 0.001
"""A picture's time is not always to the last digit what its header's was."""
_WITH_LENGTHS = frozenset({"h264", "hevc"})
"""Codecs whose units some containers keep so."""


@dataclass(frozen=True, slots=True)
class Reshaped:
    """From when on pixels have another shape."""

    seconds: float
    """As ffmpeg counts them."""
    aspect: Fraction
    """A pixel's width over its height."""


class ReshapedLate(Exception):
    """Pixels change their shape, which the filters at work do not know."""

    def __init__(self, reshaped: tuple[Reshaped, ...]) -> None:
        super().__init__()
        self.reshaped = reshaped
        """As far as it was read."""


def headers_beside(shown: str) -> tuple[str, str]:
    """Files of their times and of themselves, by that of the pictures' times."""
    return f"{shown}.headers.crc", f"{shown}.headers"


def header_options(
    codec: str, *, lengths: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """
    Of the outputs to these files; *codec* is one of `UNITS`, *lengths* whether units
    have their length before them and headers may stand beside the pictures.
    """
    plain = f"{codec}_mp4toannexb," if lengths and codec in _WITH_LENGTHS else ""
    both = {
        "c": "copy",
        "bsf:v": f"{plain}filter_units=pass_types={UNITS[codec]}",
        # They are few and short, and waited for.
        "flush_packets": "1",
    }
    return {"f": "framecrc", **both}, {"f": "data", **both}


class Headers:
    """
    What ffmpeg writes to these files, read as it comes.

    *before*: the shape of the source's pixels, where something of it was left out.
    *stated*: what its container says of it, where headers may leave it open.
    *begins*: when its first picture is shown, in seconds, where packets do not say it.
    """

    def __init__(
        self,
        codec: str,
        shown: str,
        *,
        before: Fraction | None = None,
        stated: Fraction | None = None,
        begins: float = 0.0,
    ) -> None:
        self._codec, self._before, self._stated = codec, before, stated
        self._times, self._units = map(Path, headers_beside(shown))
        self._base = Fraction(1)
        self._begins = begins
        self._decoded: int | None = None
        self._read = self._taken = 0
        self._known: dict[bytes, Fraction | None] = {}
        self._found: list[Reshaped] = []
        self._open = False

    def reshaped(self) -> tuple[Reshaped, ...]:
        """
        The shape it begins with and each other one so far; empty where it stays, or
        nothing tells.
        """
        try:
            with self._times.open("rb") as times, self._units.open("rb") as units:
                times.seek(self._read)
                units.seek(self._taken)
                for line in times:
                    if not line.endswith(b"\n") or not self._take(line, units):
                        break
                    self._read += len(line)
        except FileNotFoundError:
            return ()
        found = self._found
        if found and self._before and differ(found[0].aspect, self._before):
            found = [Reshaped(found[0].seconds, self._before), *found]
        return tuple(found) if len(found) > 1 and not self._open else ()

    def _take(self, line: bytes, units: IO[bytes]) -> bool:
        """False where the header itself has not arrived."""
        text = line.decode("ascii", "replace")
        if text.startswith("#"):
            if match := _BASE.match(text):
                self._base = Fraction(int(match[1]), int(match[2]))
            return True
        fields = text.split(",", 5)
        seconds, size = self._seconds(int(fields[2]), int(fields[1])), int(fields[4])
        unit = units.read(size)
        if len(unit) < size:
            return False
        self._taken += size
        if unit not in self._known:
            self._known[unit] = pixel_aspect(self._codec, unit)
        aspect = self._known[unit]
        if aspect is None or seconds is None:
            return True
        shape = aspect or self._stated or Fraction(1)
        # Where nothing is promised at first, ffmpeg goes by each picture.
        nothing = not aspect and self._stated is None
        self._open = self._open or (nothing and not self._found)
        if not self._found or self._found[-1].aspect != shape:
            self._found.append(Reshaped(seconds, shape))
        return True

    def _seconds(self, shown: int, decoded: int) -> float | None:
        """Where nothing says when it is shown, by how many are decoded before it."""
        if shown > _NO_TIME:
            return float(shown * self._base)
        if decoded <= _NO_TIME:
            return None
        if self._decoded is None:
            self._decoded = decoded
        return self._begins + float((decoded - self._decoded) * self._base)


def begins_reshaped(reshaped: Sequence[Reshaped], clip: Clip | None) -> bool:
    """Whether the first picture used has another shape than its source began with."""
    first = 0.0 if clip is None else clip.start_seconds - (clip.seek_seconds or 0.0)
    return reshaped[1].seconds <= first + _HAIR_SECONDS


def stretch(reshaped: Sequence[Reshaped]) -> str:
    """
    An expression of ffmpeg's, of `t`: by how much wider pixels are than at first.

    Halved again and again: libavutil takes no expression that is 100 deep.
    """
    return _stretch(reshaped, reshaped[0].aspect)


def _stretch(reshaped: Sequence[Reshaped], first: Fraction) -> str:
    if len(reshaped) == 1:
        return f"{float(reshaped[0].aspect / first):.9g}"
    half = len(reshaped) // 2
    before, after = _stretch(reshaped[:half], first), _stretch(reshaped[half:], first)
    return f"if(lt(t,{reshaped[half].seconds - _HAIR_SECONDS:.6f}),{before},{after})"
