"""
What stands in the way of copying a stream; nothing, if it conforms.

Each obstacle is one sentence. A variable frame rate is none: a copied stream keeps its
own times, CMAF stores a duration per sample, and the other renditions keep the same
times, so segments still align.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ..contract import AudioStream, DynamicRange, Media, VideoStream
from ..media.colours import changed_tags
from ..media.demuxers import TIMELESS
from .ladder import kept_frame_rate, rung_for, scaled_cap
from .profile import AudioProfile, Profile, VideoProfile

CODEC_PROFILES: dict[str, frozenset[str]] = {
    "h264": frozenset(
        {
            *("Constrained Baseline", "Baseline", "Main", "High"),
            *("Constrained High", "Progressive High"),
        }
    ),
    "hevc": frozenset({"Main", "Main 10"}),
    "av1": frozenset({"Main"}),
    "vp9": frozenset({"Profile 0", "Profile 2"}),
}
"""What devices play, as libavcodec spells it. All of H.264's are subsets of High."""

_LEVELS: dict[str, tuple[int, float]] = {"h264": (52, 10), "hevc": (156, 30)}
"""The highest level that devices play, as the stream writes it, and what it is divided
by to be spoken. H.264: Apple's HLS authoring specification, 1.2; 5.2 of either is what
2160p at 60 frames per second needs."""

COPIED_SAMPLE_RATES = frozenset({44100, 48000})
"""Hz. Every player resamples these two; odder ones are converted."""

SAME_START_SECONDS = 0.05
"""A copied track cannot be padded: begins sound this much apart, it is encoded."""

_MOST_SEGMENT_RATIO = 2.0
_LEAST_GOP_RATIO = 0.25


def video_obstacles(
    video: VideoStream, media: Media, profile: Profile
) -> tuple[str, ...]:
    """Why *video* cannot be copied into the top rendition; empty if it can."""
    wanted = profile.video
    if wanted is None:
        return ()
    if not wanted.copy_conforming:
        return ("The profile asks for the picture to be encoded, not copied.",)
    coding = tuple(_coding_obstacles(video, wanted))
    if video.codec != wanted.codec:
        # Where its keyframes stand no longer matters to anyone.
        return coding
    return (
        *coding,
        *_geometry_obstacles(video, wanted),
        *_rate_obstacles(video, media, wanted),
        *_time_obstacles(video, media, wanted),
        *_segment_obstacles(video, media, profile),
    )


def _coding_obstacles(video: VideoStream, wanted: VideoProfile) -> Iterator[str]:
    if video.codec != wanted.codec:
        yield f"The picture's codec is {video.codec}, not {wanted.codec}."
    elif video.profile is None:
        yield f"The picture's {video.codec} profile is not known."
    elif video.profile not in CODEC_PROFILES[wanted.codec]:
        yield f"The picture is {video.codec} {video.profile}, which few devices play."
    most = _LEVELS.get(wanted.codec) if video.codec == wanted.codec else None
    if most is not None and (video.level or 0) > most[0]:
        said, highest = (number / most[1] for number in (video.level or 0, most[0]))
        yield (
            f"The picture is {video.codec} level {said:.1f}; devices play up to "
            f"{highest:.1f}."
        )
    if video.pixel_format != wanted.pixel_format:
        found = video.pixel_format or "unknown"
        yield f"The picture's pixel format is {found}, not {wanted.pixel_format}."
    elif video.color_range == "pc":
        yield "The picture uses full-range colour; the other renditions do not."
    odd = changed_tags(video)
    if odd and video.dynamic_range is DynamicRange.SDR:
        named = ", ".join(odd)
        yield f"The picture's colours ({named}) are others than the renditions have."
    yield from _kind_obstacles(video, wanted)


def _kind_obstacles(video: VideoStream, wanted: VideoProfile) -> Iterator[str]:
    if video.has_alpha:
        yield "The picture has an alpha channel."
    if video.dynamic_range is not DynamicRange.SDR and wanted.dynamic_range == "sdr":
        yield f"The picture is HDR ({video.dynamic_range}), and SDR is asked for."
    if video.dolby_vision_profile is not None:
        # A copy would carry metadata of which only Dolby's players know the meaning.
        number = video.dolby_vision_profile
        yield f"The picture carries Dolby Vision metadata (profile {number})."
    if video.interlaced:
        yield "The picture is interlaced."
    for what in video.carried:
        yield f"A copy would carry {what}."


def _geometry_obstacles(video: VideoStream, wanted: VideoProfile) -> Iterator[str]:
    width, height = video.display_width, video.display_height
    largest = wanted.descending[0].short_side
    if min(width, height) > largest:
        yield f"The picture is {width}x{height}, larger than the {largest}p rung."
    if width % 2 or height % 2:
        yield f"The picture's size is odd ({width}x{height})."
    if video.rotation_degrees or video.mirrored:
        turned = video.rotation_degrees
        how = f"turned by {turned} degrees" if turned else "mirrored"
        yield f"The picture is stored {how} and has to be set upright."
    if video.sample_aspect_ratio != 1:
        ratio = video.sample_aspect_ratio
        yield f"The pixels are not square ({ratio.numerator}:{ratio.denominator})."


def _rate_obstacles(
    video: VideoStream, media: Media, wanted: VideoProfile
) -> Iterator[str]:
    if kept_frame_rate(video, wanted.max_frame_rate) is not None:
        yield (
            f"The picture has {float(video.frame_rate or 0):.4g} frames per second; "
            f"the profile allows {wanted.max_frame_rate:g}."
        )
    size = video.display_width, video.display_height
    cap = scaled_cap(rung_for(wanted, min(size)), size, video.frame_rate)
    limit = cap * wanted.copy_bit_rate_ratio
    # The container's rate is the sum of its streams: if that fits, the picture does.
    rate = video.bit_rate or media.bit_rate
    if rate is None:
        yield "The picture's bit rate is not known."
    elif rate > limit:
        yield (
            f"The picture has {rate / 1000:.0f} kbit/s; "
            f"copying is allowed up to {limit / 1000:.0f}."
        )


def _time_obstacles(
    video: VideoStream, media: Media, wanted: VideoProfile
) -> Iterator[str]:
    if media.container in TIMELESS or media.format_name in TIMELESS:
        yield f"The container ({media.container}) stores no presentation times."
    if video.retimed is not None:
        yield "The times stored with the picture are wrong."
    if (media.clock_seconds or 0.0) > (media.start_seconds or 0.0):
        yield "Pictures are shown before the first one that is stored."
    if _lasts_less(video):
        yield "The container does not say how long each frame is shown."
    start = video.start_seconds or 0.0
    frame = 1 / float(video.frame_rate) if video.frame_rate else 0.0
    late = start - (media.start_seconds if media.start_seconds is not None else start)
    if abs(late) > max(frame, SAME_START_SECONDS):
        yield f"The picture starts {late:.2f} s after the rest, which needs filling."
    keys = video.keyframe_seconds
    if keys is None or not keys:
        yield "The index does not say where the picture's keyframes are."
        return
    if abs(keys[0] - start) > max(frame, 1e-3):
        yield "The first picture shown is no keyframe; an edit cut into a GOP."
    longest = _longest_gop(video, media)
    if longest > wanted.copy_max_gop_seconds:
        yield (
            f"Keyframes are up to {longest:.1f} s apart; "
            f"copying is allowed up to {wanted.copy_max_gop_seconds:g} s."
        )


def _lasts_less(video: VideoStream) -> bool:
    """Whether the last frame lacks half its length or more: then all of them do."""
    seconds, rate = video.duration_seconds, video.frame_rate
    if seconds is None or not rate or not video.frames:
        return False
    return float(video.frames / rate) - seconds > 0.5 / float(rate)


def _segment_obstacles(
    video: VideoStream, media: Media, profile: Profile
) -> Iterator[str]:
    keys, wanted = video.keyframe_seconds, profile.video
    if profile.packaging.type != "cmaf" or not keys or wanted is None:
        return
    if video.closed_gops is False:
        yield "The GOPs are open: a segment could not be shown without the one before."
    elif video.closed_gops is None:
        yield "It is not known whether the GOPs are closed."
    target = profile.packaging.segment_seconds
    longest = longest_segment(keys, _end(video, media), target=target)
    if longest > target * _MOST_SEGMENT_RATIO:
        yield (
            f"Cut at its keyframes, the longest segment would be {longest:.2f} s; "
            f"{target * _MOST_SEGMENT_RATIO:g} s is allowed."
        )
    tail = _tail(video, media)
    if tail > wanted.gop_seconds:
        yield (
            f"The sound goes on for {tail:.1f} s after the picture, which has to be "
            "held."
        )
    mean = (keys[-1] - keys[0]) / (len(keys) - 1) if len(keys) > 1 else None
    # The other renditions take every one of these keyframes, and pay for them.
    if mean is not None and mean < wanted.gop_seconds * _LEAST_GOP_RATIO:
        yield f"Keyframes come every {mean:.2g} s; the other renditions would swell."


def _tail(video: VideoStream, media: Media) -> float:
    """Seconds of sound after the last picture."""
    end, sounds = _end(video, media), [_end(it, media) for it in media.audio]
    return 0.0 if end is None else max([0.0, *(it - end for it in sounds if it)])


def longest_segment(
    keyframe_seconds: tuple[float, ...], end_seconds: float | None, *, target: float
) -> float:
    """Seconds, when cut at the first keyframe *target* or more after the last cut."""
    cut, longest = keyframe_seconds[0], 0.0
    for time in keyframe_seconds[1:]:
        # As the packager does it: a hair less, so that rounding skips no cut.
        if time - cut >= target - 1e-3:
            cut, longest = time, max(longest, time - cut)
    if end_seconds is not None:
        longest = max(longest, end_seconds - cut)
    return longest


def _longest_gop(video: VideoStream, media: Media) -> float:
    keys = video.keyframe_seconds or ()
    gaps = [after - before for before, after in pairwise(keys)]
    end = _end(video, media)
    if end is not None and keys:
        # An index that ends early is an index that does not know.
        gaps.append(end - keys[-1])
    return max([*gaps, video.longest_gop_seconds or 0.0])


def _end(stream: VideoStream | AudioStream, media: Media) -> float | None:
    duration = stream.duration_seconds or media.duration_seconds
    return None if duration is None else (stream.start_seconds or 0.0) + duration


def audio_obstacles(
    audio: AudioStream, media: Media, wanted: AudioProfile
) -> tuple[str, ...]:
    """Why *audio* cannot be copied; empty if it can."""
    if not wanted.copy_conforming:
        return ("The profile asks for the sound to be encoded, not copied.",)
    return tuple(_audio_obstacles(audio, media, wanted))


def _audio_obstacles(
    audio: AudioStream, media: Media, wanted: AudioProfile
) -> Iterator[str]:
    if wanted.loudness is not None:
        yield "The profile asks for a loudness, which has to be encoded."
    if audio.codec != wanted.codec:
        yield f"The sound's codec is {audio.codec}, not {wanted.codec}."
        return
    if audio.codec == "aac" and audio.profile != "LC":
        yield f"The sound is AAC {audio.profile or 'of unknown kind'}, not AAC LC."
    if audio.channels is None:
        yield "The number of channels is not known."
    elif audio.channels > wanted.channels:
        yield f"The sound has {audio.channels} channels, more than {wanted.channels}."
    if audio.sample_rate not in COPIED_SAMPLE_RATES:
        found = audio.sample_rate or "unknown"
        yield f"The sample rate is {found}, not 44100 or 48000."
    if audio.retimed is not None:
        yield "The times stored with the sound are wrong."
    yield from _audio_rate_obstacles(audio, wanted)
    start = audio.start_seconds
    if start is not None and media.start_seconds is not None:
        late = start - media.start_seconds
        if abs(late) > SAME_START_SECONDS:
            yield f"The sound starts {late:.2f} s after the rest, which needs filling."


def _audio_rate_obstacles(audio: AudioStream, wanted: AudioProfile) -> Iterator[str]:
    limit = (
        wanted.bit_rate_kbps_per_channel
        * 1000
        * (audio.channels or 1)
        * wanted.copy_bit_rate_ratio
    )
    if audio.bit_rate is None:
        yield "The sound's bit rate is not known."
    elif audio.bit_rate > limit:
        yield (
            f"The sound has {audio.bit_rate / 1000:.0f} kbit/s; "
            f"copying is allowed up to {limit / 1000:.0f}."
        )
