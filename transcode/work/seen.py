"""
What the source's pictures look like, as whoever decodes them hands them out.

A plan knows a picture's shape and colours from headers. Here they come from decoded
frames, past the filters of the plan: tiny pictures, further outputs of the process that
decodes everything anyhow. The first tells of shape, too; those after it are taken at
equal distances over the whole length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..contract import Task
from ..media.timeline import clipped
from .shown import Shown

SIDE = 32
"""Pixels: enough to tell up from down, too few for a codec to matter."""
OPTIONS = {"f": "yuv4mpegpipe", "c:v": "rawvideo", "fps_mode": "passthrough"}
"""One line of text, and then the samples: nothing is needed to read them."""
_FRAME = b"FRAME\n"
"""Before each; ffmpeg writes no parameters there."""
_ASPECT = re.compile(rb" A(\d+):(\d+)")
TOGETHER = 3
"""Pictures in a row: a result whose rate was converted shows one of them at the time of
the middle one."""
MOST_SAMPLES = 48
"""Times at which pictures are taken; of an hour one every 75 s."""
_LEAST_SECONDS = 1.0
"""Between two of them: a group of pictures, of which results are decoded, is longer."""
_USUAL_RATE = 25
_USUAL_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture shrunk to a square; 8 bits, limited range, in the matrix it had."""

    aspect: Fraction
    """Width over height, as the picture is to be shown."""
    luma: bytes
    blue: bytes
    red: bytes
    """Rows of SIDE samples each, chroma as fine as luma."""


@dataclass(frozen=True, slots=True)
class SampledPicture:
    """`TOGETHER` pictures of the source that follow each other."""

    time: int
    """When the middle one is shown, in the clock of the times beside it (`shown`)."""
    pictures: tuple[Seen, ...]


def seen_beside(shown: str) -> str:
    """The picture's file, by that of the times (`shown`)."""
    return f"{shown}.y4m"


def sampled_beside(shown: str) -> str:
    """Likewise of the pictures after it."""
    return f"{shown}.samples.y4m"


def sampled_every(task: Task) -> int | None:
    """
    Of the source's pictures, after how many the next ones are taken.

    None where it is too short for others than the first to say anything.
    """
    clip, index = task.recipe.clip, task.recipe.video_index
    video = next((it for it in task.media.video if it.index == index), None)
    seconds = clipped(task.media, clip).duration_seconds or _USUAL_SECONDS
    if video is None or seconds < 2 * _LEAST_SECONDS:
        return None
    apart = max(_LEAST_SECONDS, seconds / MOST_SAMPLES)
    return max(TOGETHER, round(apart * (video.frame_rate or _USUAL_RATE)))


def read_seen(path: Path) -> Seen | None:
    """What ffmpeg wrote; None where no picture was decoded."""
    return next(iter(_read(path)), None)


def read_sampled(
    path: Path, shown: Shown | None, every: int
) -> tuple[SampledPicture, ...]:
    """
    What ffmpeg wrote of pictures, *every* so many of those that it has *shown*.

    Nothing where those were not in order: which of them is which cannot be told then.
    """
    if shown is None or not shown.in_order:
        return ()
    times, pictures = shown.times, _read(path)
    found = []
    for number in range(len(pictures) // TOGETHER):
        row = pictures[number * TOGETHER : (number + 1) * TOGETHER]
        at = number * every + TOGETHER // 2
        if at >= len(times):
            break
        found.append(SampledPicture(times[at], tuple(row)))
    return tuple(found)


def _read(path: Path) -> list[Seen]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    header, _, rest = data.partition(b"\n")
    found = _ASPECT.search(header)
    if found is None or not int(found[1]) * int(found[2]):
        return []
    size, mark = SIDE * SIDE, len(_FRAME)
    whole = mark + 3 * size
    return [
        Seen(
            aspect=Fraction(int(found[1]), int(found[2])),
            luma=rest[at + mark : at + mark + size],
            blue=rest[at + mark + size : at + mark + 2 * size],
            red=rest[at + mark + 2 * size : at + whole],
        )
        for at in range(0, len(rest) - whole + 1, whole)
    ]
