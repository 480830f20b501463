"""What the source promised, as the checks compare renditions with it."""

from __future__ import annotations

from fractions import Fraction

from ...contract import (
    AudioRendition,
    AudioStream,
    Task,
    VideoRendition,
    VideoStream,
)
from .tracks import Track

_SAME_RATE = Fraction(1, 1000)
_AAC_PACKET = 1024
"""Samples; twice as many at the rate that HE-AAC comes out with."""


def source_video(task: Task) -> VideoStream | None:
    """The source's picture that the recipe uses."""
    wanted = task.recipe.video_index
    return next((one for one in task.media.video if one.index == wanted), None)


def source_audio(task: Task, index: int) -> AudioStream | None:
    """The soundtrack at a stream index."""
    return next((one for one in task.media.audio if one.index == index), None)


def source_sound(task: Task, plan: AudioRendition) -> AudioStream | None:
    """What a soundtrack is made of: mono tracks that are one last as the longest."""
    first = source_audio(task, plan.source_index)
    if first is None or not plan.channel_indices:
        return first
    every = (plan.source_index, *plan.channel_indices)
    ends = [_end_seconds(it) for it in task.media.audio if it.index in every]
    if first.start_seconds is None or any(it is None for it in ends):
        return first
    last = max(it for it in ends if it is not None)
    lasts = float(last - Fraction(first.start_seconds))
    return first.model_copy(update={"duration_seconds": lasts})


def last_packet(audio: AudioStream | None) -> Fraction:
    """
    Seconds of sound that may come out of a source's last packet of AAC.

    In fragments, and in what has no edit list, that is said to be shorter than it is,
    and decoded whole: an eighth of a second at the rates of cameras.
    """
    if audio is None or audio.codec != "aac" or not audio.sample_rate:
        return Fraction(0)
    return Fraction(_AAC_PACKET, audio.sample_rate)


def promised(
    task: Task, stream: VideoStream | AudioStream | None = None
) -> Fraction | None:
    """
    A stream's own duration in the source, or else that of all streams in use.

    None where that was only estimated: then there is nothing to keep.
    """
    if task.media.duration_estimated:
        return None
    if stream is not None and stream.duration_seconds is not None:
        return Fraction(stream.duration_seconds)
    seconds = task.media.duration_seconds
    if seconds is None:
        return None
    ends = [_end_seconds(it) for it in _used(task)]
    known = [it for it in ends if it is not None]
    if known and len(known) < len(ends):
        # How long the file lasts is known of the others alone.
        return None
    if not known:
        # The file may last as long as what is left out of it.
        every = len(task.media.video) + len(task.media.audio)
        return Fraction(seconds) if len(ends) == every else None
    # What is left out may well last longer than what is made.
    start = Fraction(task.media.start_seconds or 0)
    return min(Fraction(seconds), max(known) - start)


def _used(task: Task) -> list[VideoStream | AudioStream]:
    recipe = task.recipe
    sound = {
        index for it in recipe.audio for index in (it.source_index, *it.channel_indices)
    }
    picture = {recipe.video_index} if recipe.video or not sound else set()
    return [
        *(it for it in task.media.video if it.index in picture),
        *(it for it in task.media.audio if it.index in sound),
    ]


def _end_seconds(stream: VideoStream | AudioStream) -> Fraction | None:
    if stream.start_seconds is None or stream.duration_seconds is None:
        return None
    return Fraction(stream.start_seconds) + Fraction(stream.duration_seconds)


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
