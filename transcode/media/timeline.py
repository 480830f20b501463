"""What a source looks like when only a part of it is made."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

from ..contract import (
    AudioStream,
    Clip,
    CmafPackaging,
    Media,
    Recipe,
    Sprites,
    VideoRendition,
    VideoStream,
)
from .demuxers import CLOCKED, short

KEYFRAME_EARLY_SECONDS = Fraction(1, 1_000_000)
"""So early a keyframe of ours may be: floats and printed times round by less, and no
clock has finer ticks (`work/command/timing.py`). Not more: no segment begins before it
is due, so that an earlier keyframe would not begin one."""
_NEARLY = 1e-6
_PRIMING_SECONDS = 0.1
_SAME_SECONDS = 0.001
_LITTLE = 4
"""By such a part of the way between keyframes the last segment may be longer."""
_MICROSECONDS = 1_000_000
_UNTIMED = frozenset({"avi"})
"""Demuxers of which only decoding tells when reordered pictures are shown."""
_NEARLY_WHOLE = 1e-3


def clipped(media: Media, clip: Clip | None) -> Media:
    """
    *media* as if nothing but *clip* had been uploaded: times begin at its start.

    What plans, predictions and verification go by; what opens the source goes by
    *media* itself. A soundtrack that is silent throughout the clip is gone.
    """
    if clip is None:
        return media
    zero = zero_seconds(media)
    seconds = _length(0.0, media.duration_seconds, clip)
    if not seconds and media.duration_estimated:
        # Where it begins is behind a length that was only guessed.
        seconds = _length(0.0, None, clip)
    share = 1.0
    if seconds is not None and media.duration_seconds:
        share = seconds / media.duration_seconds
    # At a variable rate the last picture of the clip is shown to its end; of a source
    # that does not say when its own last one goes, nobody knows.
    vague = clip.end_seconds is not None and any(
        it.variable_frame_rate is not False and it.duration_seconds is None
        for it in media.video
    )
    return media.model_copy(
        update={
            "start_seconds": 0.0,
            "duration_seconds": seconds,
            "duration_estimated": media.duration_estimated or vague,
            "bytes": None if media.bytes is None else round(media.bytes * share),
            "video": tuple(_video(it, zero, clip) for it in media.video),
            "audio": tuple(
                _audio(it, zero, clip) for it in media.audio if heard(it, zero, clip)
            ),
        }
    )


def made(media: Media, recipe: Recipe) -> Media:
    """*media* as if nothing had been uploaded but what *recipe* makes something of."""
    if not recipe.parts:
        return clipped(media, recipe.clip)
    several = [clipped(media, part) for part in recipe.parts]
    first = several[0]
    return first.model_copy(
        update={
            "duration_seconds": _sum(it.duration_seconds for it in several),
            "bytes": _whole(_sum(it.bytes for it in several)),
            "video": tuple(
                video.model_copy(
                    update={
                        "duration_seconds": _sum(
                            it.video[n].duration_seconds for it in several
                        ),
                        "frames": _whole(_sum(it.video[n].frames for it in several)),
                    }
                )
                for n, video in enumerate(first.video)
            ),
            "audio": (),
        }
    )


def joined(media: Media, recipe: Recipe, top: VideoRendition) -> Media:
    """
    *media* with the rendition *top*, upright and plain, in place of the picture.

    What a join takes stills from: its chunks were decoded by others.
    """
    seen = {
        "codec": top.codec,
        "width": top.width,
        "height": top.height,
        "sample_aspect_ratio": Fraction(1),
        "display_width": top.width,
        "display_height": top.height,
        "rotation_degrees": 0,
        "mirrored": False,
        "start_seconds": 0.0,
        "bit_rate": None,
        "pixel_format": top.pixel_format,
        "bit_depth": 10 if "10" in top.pixel_format else 8,
        "has_alpha": False,
        "color_range": "tv",
        "interlaced": False,
        "keyframe_seconds": None,
        "longest_gop_seconds": recipe.gop_seconds,
    }
    return media.model_copy(
        update={
            "container": "mp4",
            "format_name": "mov,mp4,m4a,3gp,3g2,mj2",
            "start_seconds": 0.0,
            "clock_seconds": None,
            "video": tuple(
                it.model_copy(update=seen) if it.index == recipe.video_index else it
                for it in media.video
            ),
        }
    )


def joined_rendition(recipe: Recipe) -> VideoRendition:
    """The largest of those that a join has to join."""
    return next(it for it in recipe.video if it.made_by == "encoded")


def sprites_rendition(recipe: Recipe, sprites: Sprites) -> VideoRendition:
    """The smallest of them that is no smaller than a tile, or the largest."""
    large = [
        it
        for it in recipe.video
        if it.made_by == "encoded"
        and it.width >= sprites.tile_width
        and it.height >= sprites.tile_height
    ]
    least = min(large, key=lambda it: it.width * it.height, default=None)
    return least or joined_rendition(recipe)


def looks_at_joined(recipe: Recipe) -> bool:
    """
    Whether stills are taken from what was joined, and nobody decodes the source again.

    Beside a copy the largest picture is the source's own, and so are the keyframes.
    """
    copied = any(it.made_by == "copied" for it in recipe.video)
    return bool(recipe.chunks) and not copied


def between_keyframes(recipe: Recipe) -> bool:
    """Whether a join needs pictures for stills that are no keyframes of its own."""
    sprites = recipe.sprites
    return sprites is not None and sprites.interval_seconds < recipe.gop_seconds


def ends_open(media: Media, recipe: Recipe) -> bool:
    """Whether thumbnails are made until the picture ends, for when was only guessed."""
    clip = recipe.clip
    return media.duration_estimated and (clip is None or clip.end_seconds is None)


def end_seconds(media: Media, recipe: Recipe) -> Fraction | None:
    """
    When the last picture goes, in the results' seconds; None where nobody knows.

    *media* as clipped. In segments it stays for as long as there is sound: players
    wait for pictures that the playlists do not have.
    """
    video = _used(media, recipe)
    end = None if video is None else _ends(media, video)
    if end is None or not isinstance(recipe.packaging, CmafPackaging):
        return end
    used = {it.source_index for it in recipe.audio}
    sounds = [_ends(media, it) for it in media.audio if it.index in used]
    return max([end, *(it for it in sounds if it is not None)])


def tail_seconds(media: Media, recipe: Recipe) -> Fraction:
    """How long after the source's own end the last picture is held; *media* clipped."""
    video = _used(media, recipe)
    own = None if video is None else _ends(media, video)
    until = end_seconds(media, recipe)
    return Fraction(0) if own is None or until is None else until - own


def still_seconds(media: Media, recipe: Recipe) -> Fraction:
    """
    How long the last picture stands still, beyond its own time at the pictures' rate:
    until its source's end, where that is longer than from one keyframe to the next in
    segments, and then as long as it is held. *media* clipped.
    """
    tail, video = tail_seconds(media, recipe), _used(media, recipe)
    stands = None if video is None else video.last_still_seconds
    segments = isinstance(recipe.packaging, CmafPackaging)
    if video is None or stands is None or not segments or stands <= recipe.gop_seconds:
        return tail
    own = 1 / video.frame_rate if video.frame_rate else Fraction(0)
    longer = Fraction(stands).limit_denominator(_MICROSECONDS) - own
    return tail + max(Fraction(0), longer)


def holds_last_picture(media: Media, recipe: Recipe) -> bool:
    """
    Whether the last picture is shown again, as it stands while there is sound, or in
    its source: for longer than from one keyframe to the next, or where a segment is cut
    meanwhile that would become longer than asked for. *media* clipped.
    """
    tail, until = still_seconds(media, recipe), end_seconds(media, recipe)
    packaging, video = recipe.packaging, _used(media, recipe)
    if not tail or until is None or not isinstance(packaging, CmafPackaging):
        return False
    gop = Fraction(recipe.gop_seconds).limit_denominator(_MICROSECONDS)
    rate = None if video is None else video.frame_rate
    first = first_seconds(media, recipe)
    last = max(until - tail - (1 / rate if rate else 0) - first, Fraction(0))
    length = Fraction(packaging.segment_seconds).limit_denominator(_MICROSECONDS)
    cut = first + (last // length + 1) * length
    return tail > gop or until - cut > gop / _LITTLE


def first_seconds(media: Media, recipe: Recipe) -> Fraction:
    """When the first picture is shown; segments count from it. *media* clipped."""
    video = _used(media, recipe)
    if video is None or lead_pictures(media, video, recipe):
        return Fraction(0)
    begins = (video.start_seconds or 0.0) - zero_seconds(media)
    return Fraction(begins).limit_denominator(_MICROSECONDS)


def _ends(media: Media, stream: VideoStream | AudioStream) -> Fraction | None:
    if media.duration_estimated or stream.duration_seconds is None:
        return None
    begins = (stream.start_seconds or 0.0) - zero_seconds(media)
    return Fraction(begins + stream.duration_seconds).limit_denominator(_MICROSECONDS)


def _used(media: Media, recipe: Recipe) -> VideoStream | None:
    return next((it for it in media.video if it.index == recipe.video_index), None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [*values]
    return sum(it for it in known if it is not None) if None not in known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def without_sound(media: Media) -> Media:
    """
    *media* as they are counted where no sound is made of them: from the picture on.

    Where sound begins before it, there would be nothing to show until then.
    """
    starts = [it.start_seconds for it in media.video if it.start_seconds is not None]
    first, before = min(starts, default=0.0), media.start_seconds
    if before is None or first <= before or len(starts) < len(media.video):
        return media
    clock: float | None = media.clock_seconds
    if clock is None:
        clock = before
    if short(media.format_name) in CLOCKED:
        # There ffmpeg itself counts from the first of the streams that are used.
        clock = None
    return media.model_copy(update={"start_seconds": first, "clock_seconds": clock})


def zero_seconds(media: Media) -> float:
    """
    Where the source begins, in its own times: what becomes 0 when all of it is made.

    Shortly before 0 lie only samples that decoders of sound throw away (Matroska's
    CodecDelay, RFC 9559, 5.1.4.1.25).
    """
    start = media.start_seconds or 0.0
    return 0.0 if -_PRIMING_SECONDS < start < 0 else start


def late_seconds(media: Media, video: VideoStream) -> float:
    """
    How long after the source's beginning the picture begins; below 0: before it.

    0 within what containers that count in milliseconds cannot tell from it.
    """
    late = (video.start_seconds or 0.0) - zero_seconds(media)
    return late if abs(late) > _SAME_SECONDS else 0.0


def lead_pictures(
    media: Media, video: VideoStream, recipe: Recipe, *, from_seconds: float = 0.0
) -> int:
    """
    How often the first picture is shown before a picture that begins after the sound.

    Players do not agree what to show before a picture that begins late (some move it
    to 0, away from the sound), so it begins with the sound: its first frame is shown
    from there on, or *from_seconds* after the source's beginning. Nothing is filled
    beside a copied rendition, which cannot be; nor where nobody knows by how much
    before the first picture was decoded; nor at a variable rate in a clip, whose first
    picture is shown from its start on. At a constant one B-frames behind a first
    picture that stands would make it longer.
    """
    if recipe.clip is not None:
        return recipe.clip.lead_pictures
    copied = any(it.made_by == "copied" for it in recipe.video)
    if media.format_name in _UNTIMED or copied or not recipe.audio:
        return 0
    if video.frame_rate is None:
        return 0
    late = (video.start_seconds or 0.0) - (media.start_seconds or 0.0) - from_seconds
    return max(0, floor(late * float(video.frame_rate) + _NEARLY_WHOLE))


def heard(audio: AudioStream, zero: float, clip: Clip) -> bool:
    """Whether any of *audio* lies in *clip*; yes where nobody knows."""
    late = (audio.start_seconds or 0.0) - zero
    length = _length(late, audio.duration_seconds, clip)
    return length is None or length > 0


def pictures(video: VideoStream, zero: float, clip: Clip) -> int | None:
    """
    How many pictures *clip* has: those that begin in [start, end).

    Known at a constant rate only, where picture k begins at k / rate; where nobody has
    counted them, of what ends before the source does. With those that fill its lead.
    """
    rate = video.frame_rate
    if not rate or video.variable_frame_rate is not False:
        return None
    late = (video.start_seconds or 0.0) - zero
    first = max(0, ceil((clip.start_seconds - late) * rate - 2 * _NEARLY * rate))
    last = video.frames
    if clip.end_seconds is not None:
        due = ceil((clip.end_seconds - late) * rate - 2 * _NEARLY * rate)
        last = due if last is None else min(last, due)
    return None if last is None else max(0, last - first) + clip.lead_pictures


def _video(video: VideoStream, zero: float, clip: Clip) -> VideoStream:
    late = (video.start_seconds or 0.0) - zero
    length = _length(min(late, clip.start_seconds), _to_end(video, late, clip), clip)
    # Of what nobody has counted a promise by time alone would be too strict.
    count = None if video.frames is None else pictures(video, zero, clip)
    unknown = dict(video.unknown)
    if count is None:
        unknown["frames"] = "only a part is made, and not all of it is counted"
    return video.model_copy(
        update={
            "start_seconds": 0.0,
            "duration_seconds": length,
            "last_still_seconds": _stands(video, late, clip),
            "frames": count,
            "keyframe_seconds": None,
            "unknown": unknown,
        }
    )


def _stands(video: VideoStream, late: float, clip: Clip) -> float | None:
    """For how long the last picture is shown that is the clip's last one, too."""
    known = video.duration_seconds is not None and video.last_still_seconds is not None
    if not known or clip.end_seconds is None:
        return video.last_still_seconds
    ends = late + (video.duration_seconds or 0.0)
    begins = ends - (video.last_still_seconds or 0.0)
    if clip.end_seconds <= begins:
        return None
    return min(clip.end_seconds, ends) - max(begins, clip.start_seconds)


def _to_end(video: VideoStream, late: float, clip: Clip) -> float | None:
    """Seconds from where it is first shown, which may be before it begins."""
    if video.duration_seconds is None:
        return None
    return video.duration_seconds + max(0.0, late - clip.start_seconds)


def _audio(audio: AudioStream, zero: float, clip: Clip) -> AudioStream:
    late, lasts = (audio.start_seconds or 0.0) - zero, audio.duration_seconds
    return audio.model_copy(
        update={
            "start_seconds": max(0.0, late - clip.start_seconds),
            # Sound of which nobody knows the end may have it before the clip's.
            "duration_seconds": None if lasts is None else _length(late, lasts, clip),
        }
    )


def _length(late: float, seconds: float | None, clip: Clip) -> float | None:
    """Of something that begins at *late* and lasts *seconds*, what lies in *clip*."""
    begin = max(late, clip.start_seconds)
    if seconds is None:
        return None if clip.end_seconds is None else clip.end_seconds - begin
    end = late + seconds
    if clip.end_seconds is not None:
        end = min(end, clip.end_seconds)
    return max(0.0, end - begin)
