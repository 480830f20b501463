"""What the source promised, as the checks compare renditions with it."""

from __future__ import annotations

from fractions import Fraction

from ...contract import AudioStream, Task, VideoRendition, VideoStream
from .tracks import Track

_SAME_RATE = Fraction(1, 1000)


def source_video(task: Task) -> VideoStream | None:
    """The source's picture that the recipe uses."""
    wanted = task.recipe.video_index
    return next((one for one in task.media.video if one.index == wanted), None)


def source_audio(task: Task, index: int) -> AudioStream | None:
    """The soundtrack at a stream index."""
    return next((one for one in task.media.audio if one.index == index), None)


def promised(
    task: Task, stream: VideoStream | AudioStream | None = None
) -> Fraction | None:
    """
    A stream's own duration in the source, or else the whole source's.

    None where that was only estimated: then there is nothing to keep.
    """
    if task.media.duration_estimated:
        return None
    if stream is not None and stream.duration_seconds is not None:
        return Fraction(stream.duration_seconds)
    seconds = task.media.duration_seconds
    return None if seconds is None else Fraction(seconds)


def mean_rate(task: Task, track: Track) -> Fraction:
    """Frames per second; the planned or the source's where it is that one."""
    measured = 1 / track.step if track.step else Fraction(1)
    source = source_video(task)
    planned = track.plan.frame_rate if isinstance(track.plan, VideoRendition) else None
    for known in (planned, source.frame_rate if source else None):
        if known and abs(measured - known) <= known * _SAME_RATE:
            return known
    return measured.limit_denominator(100_000)


def ms(seconds: Fraction) -> str:
    """Seconds as the details of checks write them."""
    return f"{float(seconds):.3f} s"
