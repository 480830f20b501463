"""Do renditions hold as many frames and packets as the source and the encoder say?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ..contract import AudioRendition, Task, VideoRendition
from .report import EncodeReport
from .timing import lead_frames
from .tracks import BUDGET, Track
from .verify_source import ms, promised, source_audio, source_video

_RATE_SHARE = Fraction(5, 1000)
_CUT_FRAMES = 2
"""Damaged at most where a broadcast was cut: its first picture and its last."""
_SHORT_SECONDS = Fraction(1, 2)
_SHORT_SHARE = Fraction(2, 100)
"""More than both missing: the source ended before its promised end."""


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

    Encoded at the source's times: frames decoded, plus those the encoder says it
    repeated and those that fill a late beginning, minus those it says it dropped, which
    may be 1 % at most. Converted to
    a rate: rate × duration, within two frames and 0.5 %. Copied: packets read, less 1 %
    at most (pictures before the first keyframe cannot be shown).
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


def _against_source(
    task: Task, report: EncodeReport, track: Track, plan: VideoRendition
) -> Iterator[str]:
    count = len(track.times)
    if plan.made_by == "copied":
        read = report.packets_read
        if read is not None and count < read - max(Fraction(2), BUDGET * read):
            yield f"{track.name} holds {count} of {read} packets copied"
        return
    if plan.frame_rate is not None:
        seconds = promised(task, source_video(task))
        if seconds is not None:
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
    if not fewest <= count <= most:
        yield f"{track.name} holds {count} frames, {decoded} were decoded"


def complete(
    task: Task, report: EncodeReport, tracks: Sequence[Track]
) -> Iterator[str]:
    """
    The source decoded to the end that it promised, with at most 1 % errors.

    Short by more than 0.5 s and 2 % means that it was cut off.
    """
    read = report.packets_read or report.decoded_frames or 0
    if report.decode_errors > BUDGET * read:
        yield f"{report.decode_errors} decoding errors in {read} packets"
    if report.damaged_frames > max(Fraction(_CUT_FRAMES), BUDGET * read):
        yield f"{report.damaged_frames} of {read} pictures are damaged"
    said = promised(task)
    if not tracks or said is None:
        return
    lasted = max(t.end for t in tracks) - min(t.start for t in tracks)
    if said - lasted > max(_SHORT_SECONDS, _SHORT_SHARE * said):
        yield f"only {ms(lasted)} of {ms(said)} promised could be decoded"
        return
    # The longest of the renditions of one stream: a short one is not the source's.
    longest: dict[int | None, Track] = {}
    for track in sorted(tracks, key=lambda track: track.duration):
        plan = track.plan
        index = plan.source_index if isinstance(plan, AudioRendition) else None
        longest[index] = track
    for index, track in longest.items():
        source = source_video(task) if index is None else source_audio(task, index)
        if source is None or source.duration_seconds is None:
            continue
        said = Fraction(source.duration_seconds)
        lasts = track.duration
        if said - lasts > max(_SHORT_SECONDS, _SHORT_SHARE * said):
            yield f"{track.name} lasts {ms(lasts)} of {ms(said)} promised"
