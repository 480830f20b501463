"""
What the source's first picture looks like, as whoever decodes it hands it out.

A plan knows a picture's shape and colours from headers. Here they come from a decoded
frame, past every filter of the plan: one tiny picture, a further output of the process
that decodes everything anyhow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

SIDE = 32
"""Pixels: enough to tell up from down, too few for a codec to matter."""
OPTIONS = {"f": "yuv4mpegpipe", "c:v": "rawvideo", "fps_mode": "passthrough"}
"""One line of text, and then the samples: nothing is needed to read them."""
_ASPECT = re.compile(rb" A(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture shrunk to a square; 8 bits, limited range, in the matrix it had."""

    aspect: Fraction
    """Width over height, as the picture is to be shown."""
    luma: bytes
    blue: bytes
    red: bytes
    """Rows of SIDE samples each, chroma as fine as luma."""


def seen_beside(shown: str) -> str:
    """The picture's file, by that of the times (`shown`)."""
    return f"{shown}.y4m"


def read_seen(path: Path) -> Seen | None:
    """What ffmpeg wrote; None where no picture was decoded."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    header, _, rest = data.partition(b"\n")
    found = _ASPECT.search(header)
    size = SIDE * SIDE
    samples = rest.partition(b"\n")[2][: 3 * size]
    if found is None or not int(found[1]) * int(found[2]) or len(samples) < 3 * size:
        return None
    return Seen(
        aspect=Fraction(int(found[1]), int(found[2])),
        luma=samples[:size],
        blue=samples[size : 2 * size],
        red=samples[2 * size :],
    )
