"""Do renditions hold as many frames and packets as the source and the encoder say?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ...contract import Task, VideoRendition
from ...media.timeline import holds_last_picture, still_seconds, tail_seconds
from ..command.timing import hold, lead_frames
from ..report import EncodeReport
from .source import ms, promised, source_video
from .tracks import BUDGET, Track

_RATE_SHARE = Fraction(5, 1000)


def counted(video: Sequence[Track]) -> str:
    if not video:
        return "as many packets as were encoded"
    counts = sorted({len(track.times) for track in video}, reverse=True)
    return f"{', '.join(map(str, counts))} frames, as encoded and as decoded"


def frame_count(
    task: Task, report: EncodeReport, tracks: Sequence[Track]
) -> Iterator[str]:
    """
    A file holds what the muxer took; that is what came out of the source.

    Encoded at the source's times: as `shown` finds them; where the source's times were
    not told: frames decoded, plus those the encoder says it
    repeated and those that fill a late beginning, minus those it says it dropped, which
    may be 1 % at most. Converted to
    a rate: rate × duration, within two frames and 0.5 %. Copied: packets read, less 1 %
    at most (pictures before the first keyframe cannot be shown). Of a clip, what was
    decoded says nothing: at a constant rate it has so many pictures as begin in
    [start, end), within one and 0.5 %.
    """
    for track in tracks:
        muxed = (report.encoded_frames if track.is_video else report.audio_packets).get(
            track.name
        )
        if muxed is not None and muxed != track.packets:
            yield f"{track.name} holds {track.packets} packets, {muxed} were made"
        if isinstance(track.plan, VideoRendition):
            yield from _against_source(task, report, track, track.plan)


def _lead_seconds(task: Task) -> Fraction:
    video = source_video(task)
    if video is None or not video.frame_rate:
        return Fraction(0)
    return lead_frames(task) / video.frame_rate


def _held_seconds(task: Task) -> Fraction:
    """
    For how long the last picture is shown again and again, while there is sound, at the
    rate that a rendition is converted to.
    """
    again = holds_last_picture(task.media, task.recipe) or hold(task) is not None
    return tail_seconds(task.media, task.recipe) if again else Fraction(0)


def _against_source(
    task: Task, report: EncodeReport, track: Track, plan: VideoRendition
) -> Iterator[str]:
    count = len(track.times)
    if task.recipe.clip is not None and plan.frame_rate is None:
        yield from _against_clip(task, count, track.name)
        return
    if plan.made_by == "copied":
        read = report.packets_read
        if read is not None and count < read - max(Fraction(2), BUDGET * read):
            yield f"{track.name} holds {count} of {read} packets copied"
        return
    if plan.frame_rate is not None:
        seconds = _pictures_last(task, report)
        if seconds is not None:
            seconds += _held_seconds(task)
            wanted = plan.frame_rate * (seconds + _lead_seconds(task))
            if abs(count - wanted) > 2 + wanted * _RATE_SHARE:
                yield (
                    f"{track.name} holds {count} frames, {float(wanted):.0f} "
                    f"make {ms(seconds)} at {plan.frame_rate} per second"
                )
        return
    decoded = report.decoded_frames
    if decoded is None:
        return
    if report.dropped_frames > max(Fraction(1), BUDGET * decoded):
        yield f"{report.dropped_frames} of {decoded} frames were dropped"
    fewest = decoded - report.dropped_frames + lead_frames(task)
    most = decoded + report.repeated_frames + lead_frames(task)
    # `shown` compares each of them, where the source's were told.
    if report.shown is None and not fewest <= count <= most:
        yield f"{track.name} holds {count} frames, {decoded} were decoded"


def _pictures_last(task: Task, report: EncodeReport) -> Fraction | None:
    """By their own times where the file says only how long it lasts with its sound."""
    video, shown = source_video(task), report.shown
    unknown = video is not None and video.duration_seconds is None
    if not unknown or task.recipe.clip is not None or not task.recipe.audio:
        return promised(task, video)
    if shown is None or not shown.times:
        return None
    return (shown.times[-1] + shown.last - shown.times[0]) * shown.base


def _against_clip(task: Task, count: int, name: str) -> Iterator[str]:
    source = source_video(task)
    if source is None or source.frames is None:
        return
    # Some more where the last one is held as long as there is sound.
    still = still_seconds(task.media, task.recipe)
    held = still * (source.frame_rate or 0)
    allowed = 1 + source.frames * _RATE_SHARE
    if not -allowed <= count - source.frames <= allowed + held:
        yield f"{name} holds {count} frames, the clip has {source.frames}"
