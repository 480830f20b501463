"""
Which part of the source is made, where reading begins for it, and what it rules out.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from ..contract import Clip, Media, VideoStream
from ..errors import ClipError
from ..media.demuxers import INDEXED
from ..media.timeline import heard, zero_seconds
from ..units import duration
from .profile import Profile

PREROLL_SECONDS = 0.5
"""Read before the start: decoders of sound need some packets to settle (Opus: 80 ms,
RFC 7845, 4.6; AAC and MP3: two frames)."""
_WORTH_SECONDS = 1.0
_BEYOND_SECONDS = 0.05
"""What people read off a player is rounded."""
_SAME = 1e-4


def choose_clip(
    media: Media, video: VideoStream | None, profile: Profile
) -> Clip | None:
    """
    The part that *profile* asks for; None for the whole.

    At a constant rate both ends are moved to where a picture begins, the first at or
    after what was asked. Raises `ClipError` for a part that is not in the source.
    """
    asked = profile.clip
    if asked is None or (asked.start_seconds is None and asked.end_seconds is None):
        return None
    start, end = asked.start_seconds or 0.0, asked.end_seconds
    lasts = None if media.duration_estimated else media.duration_seconds
    if lasts is not None:
        for word, time in (("begin", start), ("end", end)):
            most = lasts if word == "begin" else lasts + _BEYOND_SECONDS
            if time is not None and (time > most or start >= lasts):
                raise ClipError(
                    f"The clip is to {word} at {time:g} s, and the source lasts "
                    f"{duration(lasts)} ({lasts:.3f} s).",
                    start_seconds=start,
                    end_seconds=end,
                    duration_seconds=lasts,
                )
        if end is not None and end >= lasts:
            end = None
    slack = 0.0
    if video is not None and _constant(video):
        start, end = _on_pictures(start, end, media, video)
        slack = 0.5 / float(video.frame_rate or 1)
    if video is not None and end is not None:
        late = (video.start_seconds or 0.0) - zero_seconds(media)
        # Nothing but sound is there before a picture that begins late.
        if end - max(start, late) < slack or end <= late:
            raise ClipError(
                f"No picture begins between {asked.start_seconds or 0:g} s and "
                f"{asked.end_seconds:g} s.",
                start_seconds=asked.start_seconds,
                end_seconds=asked.end_seconds,
            )
    _refuse_last(start, media, video)
    if start == 0 and end is None:
        return None
    seek, _ = seek_point(media, video, profile, start=start)
    return Clip(
        start_seconds=start, end_seconds=end, seek_seconds=seek, slack_seconds=slack
    )


def _refuse_last(start: float, media: Media, video: VideoStream | None) -> None:
    """
    A clip that begins while the last picture stands has none of its own, nor has one
    of what is heard behind it.
    """
    if video is None:
        return
    lasts, still = video.duration_seconds, video.last_still_seconds
    if lasts is None:
        return
    ends = (video.start_seconds or 0.0) - zero_seconds(media) + lasts
    if start >= ends and not media.duration_estimated:
        raise ClipError(
            f"No picture is shown there: the last one ends at {ends:.3f} s. Begin "
            "before, or take the sound alone (profile 'audio').",
            start_seconds=start,
            duration_seconds=ends,
        )
    if still is None:
        return
    last = ends - still
    own = 1.5 / float(video.frame_rate) if video.frame_rate else 0.0
    if start > last + own and still > own:
        raise ClipError(
            f"No picture begins after {start:g} s: the last one stands from "
            f"{last:.3f} s on. Begin there, or before.",
            start_seconds=start,
            duration_seconds=last + still,
        )


def _constant(video: VideoStream) -> bool:
    return bool(video.frame_rate) and video.variable_frame_rate is False


def _on_pictures(
    start: float, end: float | None, media: Media, video: VideoStream
) -> tuple[float, float | None]:
    late = (video.start_seconds or 0.0) - zero_seconds(media)
    rate = video.frame_rate or 1

    def moved(time: float) -> float:
        if time <= late:
            return time
        count = ceil((time - late) * rate - _SAME * rate)
        return late + float(count / rate)

    return moved(start), None if end is None else moved(end)


def seek_point(
    media: Media, video: VideoStream | None, profile: Profile, *, start: float
) -> tuple[float | None, str | None]:
    """The keyframe to begin reading at, or None and why it is the beginning."""
    latest = start - PREROLL_SECONDS
    if latest < _WORTH_SECONDS:
        return None, None
    why = _no_seek(media, video, profile)
    if why is not None or video is None:
        return (latest, None) if why is None else (None, why)
    zero = zero_seconds(media)
    keys = [key - zero for key in video.keyframe_seconds or ()]
    usable = [key for key in keys if key <= latest]
    if not usable or usable[-1] < _WORTH_SECONDS:
        return None, None
    return usable[-1], None


def _no_seek(media: Media, video: VideoStream | None, profile: Profile) -> str | None:
    if media.container not in INDEXED or media.fragmented:
        return f"a seek in {media.container} without a full index may miss"
    times = [it.retimed for it in media.video] + [it.retimed for it in media.audio]
    if any(times):
        return "its times are wrong and have to be counted from the beginning"
    if profile.subtitles.keep and any(it.text for it in media.subtitles):
        return "a caption may begin long before the clip"
    if video is not None and not video.keyframe_seconds:
        return "the index does not say where keyframes are"
    return None


def clip_reasons(
    clip: Clip, media: Media, video: VideoStream | None, profile: Profile
) -> Iterator[str]:
    """How much has to be read for it, in a sentence."""
    begins, ends = clip.start_seconds, clip.end_seconds
    until = "the end" if ends is None else f"{ends:.3f} s"
    _, why = seek_point(media, video, profile, start=begins)
    if clip.seek_seconds is not None:
        yield (
            f"The clip from {begins:.3f} s to {until} is read from "
            f"{clip.seek_seconds:.2f} s on."
        )
    elif why is None:
        yield f"The clip from {begins:.3f} s to {until} is read from the beginning."
    else:
        yield (
            f"The clip from {begins:.3f} s to {until} is read from the beginning: "
            f"{why}."
        )


def clip_warnings(clip: Clip, media: Media) -> Iterator[str]:
    """Which soundtracks have nothing in the clip."""
    for it in media.audio:
        if not heard(it, zero_seconds(media), clip):
            yield f"Soundtrack {it.index} has nothing in the clip and is left out."


CUT_SOUND = "The clip begins and ends within packets of sound."
MARKED = "A watermark is drawn on the picture."


def cut_obstacles(
    clip: Clip | None, media: Media, video: VideoStream, profile: Profile
) -> tuple[str, ...]:
    """Why a picture cannot be copied where it is cut: only at keyframes it can."""
    if clip is None:
        return ()
    zero = zero_seconds(media)
    keys = [key - zero for key in video.keyframe_seconds or ()]
    said = []
    for word, time in (("begins", clip.start_seconds), ("ends", clip.end_seconds)):
        if time and not any(abs(key - time) <= clip.slack_seconds for key in keys):
            said.append(f"The clip {word} at {time:.3f} s, which is no keyframe.")
    why = _no_seek(media, video, profile)
    if not said and clip.start_seconds and why is not None:
        said.append(f"The clip cannot be cut out without decoding: {why}.")
    if not said and clip.end_seconds is not None and video.has_b_frames is not False:
        said.append("The clip ends where pictures are stored in another order.")
    return tuple(said)


def beside_copy(clip: Clip) -> Clip:
    """*clip* where the picture is copied: read from its own keyframe on."""
    return clip.model_copy(update={"seek_seconds": clip.start_seconds or None})
