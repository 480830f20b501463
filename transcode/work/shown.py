"""
When the source's pictures are shown, as whoever decodes them says.

What a plan knows of times it has from an index or from a sample of the packets. Here
they come from the one process that reads and decodes everything anyhow: a further
output of it, of frames that nobody encodes, or of packets where nothing is decoded.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

_BASE = re.compile(r"#tb 0: (\d+)/(\d+)")
_NO_TIME = -(1 << 62)
_WINDOW = 4096
"""Times that are sorted together; no codec reorders across a hundredth of it."""

OPTIONS = {
    # One line for each picture: its time and how long it lasts.
    "f": "framecrc",
    # Not a byte of any picture is looked at: the frame itself is the packet.
    "c:v": "wrapped_avframe",
    # As they are, each of them.
    "fps_mode": "passthrough",
    "enc_time_base:v": "filter",
}
PACKET_OPTIONS = {"f": "framecrc", "c": "copy"}


@dataclass(frozen=True, slots=True)
class Shown:
    """Of one stream of the source; times as ffmpeg counts them, in `base`."""

    times: array[int]
    """In the order of showing; two may be equal."""
    base: Fraction
    last: int
    """How long the last is said to be shown."""
    in_order: bool = True
    """Each was handed out with its time, and none before another."""


def read_shown(path: Path) -> Shown | None:
    """What ffmpeg wrote; None where it wrote nothing."""
    times, base, last, timed = array("q"), None, (0, 0), True
    try:
        with path.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("#"):
                    if found := _BASE.match(line):
                        base = Fraction(int(found[1]), int(found[2]))
                    continue
                fields = line.split(",", 4)
                time = int(fields[2])
                timed = timed and time > _NO_TIME
                if time > _NO_TIME:
                    times.append(time)
                    last = max(last, (time, int(fields[3])))
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if base is None or not times:
        return None
    in_order = all(a <= b for a, b in pairwise(times))
    ordered(times)
    return Shown(times, base, last[1], timed and in_order)


def ordered(times: array[int]) -> None:
    """
    Sort in place. Times that are out of order by a few places, as reordered pictures
    are, cost a window of memory and not a list of them all.
    """
    half = _WINDOW // 2
    for begin in range(0, max(len(times) - half, 1), half):
        window = times[begin : begin + _WINDOW]
        if any(b < a for a, b in pairwise(window)):
            times[begin : begin + _WINDOW] = array("q", sorted(window))
    if any(b < a for a, b in pairwise(times)):
        times[:] = array("q", sorted(times))
