"""
Where a source can be cut, so that its parts are encoded at once, and joined.

Every chunk begins where a segment of the whole would, with a keyframe of its own. It is
decoded from the source's keyframe before that, and what lies between is dropped: the
source's keyframes need not lie where ours do. Sound is never cut: it is the join's, or
has a task of its own beside the chunks. Stills, captions and packaging are the join's.
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise
from math import ceil

from ..contract import (
    AudioStream,
    Clip,
    CmafPackaging,
    FilePackaging,
    Media,
    OutputFile,
    Recipe,
    VideoStream,
)
from ..media.demuxers import INDEXED, SEARCHED
from ..media.timeline import (
    KEYFRAME_EARLY_SECONDS,
    holds_last_picture,
    late_seconds,
    lead_pictures,
    zero_seconds,
)

LEAST_SECONDS = 10.0
"""Of a chunk: below that it is mostly starting, and decoding what is dropped."""
MOST_CHUNKS = 64
_ROUNDED_SECONDS = 0.001
"""By no more does an index round when its keyframes are shown: Matroska's does."""
_HAIR_SECONDS = 0.0005
"""Less than any picture lasts."""
_FINEST = 90_000
"""Ticks a second up to which an index in microseconds tells one from the next."""
_EVEN = 1.5
"""Of a frame: from here on one is missing."""


def obstacle(media: Media, recipe: Recipe) -> str | None:
    """Why it can only be done in one piece, as a clause; None where it can be cut."""
    video = _picture(media, recipe)
    if video is None:
        return "no picture is encoded"
    late = late_seconds(media, video)
    clauses = (
        (recipe.clip is not None, "only a part of it is made"),
        (
            media.container not in INDEXED | SEARCHED
            or (unindexed(media) and not (video.frames and video.keyframe_seconds)),
            f"{media.container} has no full index to seek by",
        ),
        (
            media.container in SEARCHED and media.duration_estimated,
            "its clock jumps",
        ),
        (
            bool(video.retimed) or any(it.retimed for it in media.audio),
            "its times are wrong and have to be counted from the beginning",
        ),
        (
            media.truncated is not None or recipe.accept_partial,
            "what is missing of a damaged source shows only from its beginning",
        ),
        (
            not video.frames and not _counts_by_time(media, video),
            "its index does not say how many pictures it has",
        ),
        (
            not _counts(video, exactly=_follows(recipe) or not _constant(video)),
            "its clock cannot count its pictures",
        ),
        (
            late < 0 or (late > 0 and not _constant(video)),
            "its picture begins after its sound",
        ),
        (
            late > 0 and not _counts(video, exactly=True),
            "its clock cannot count its pictures from where its sound begins",
        ),
        (
            media.container in SEARCHED and not _begins_with_used(media, recipe),
            "what is left out of it begins before what is made",
        ),
        (
            _constant(video) and _gaps(video),
            "pictures are missing in it, and those after would be counted wrongly",
        ),
        (
            holds_last_picture(media, recipe),
            "its last picture is held for as long as there is sound",
        ),
        (recipe.deinterlace, "deinterlacing looks at pictures before and after"),
        (
            any(it.frame_rate is not None for it in recipe.video),
            "its rate is converted, picture by picture from the beginning",
        ),
        (recipe.burned_index is not None, "subtitles are drawn into the picture"),
        (not video.keyframe_seconds, "its index does not say where keyframes are"),
    )
    return next((why for true, why in clauses if true), None)


def unindexed(media: Media) -> bool:
    """Whether only who has seen all of its packets knows where its keyframes are."""
    return media.container in SEARCHED or bool(media.fragmented)


def cuts(media: Media, recipe: Recipe, count: int) -> tuple[Clip, ...] | None:
    """
    *count* chunks of nearly one length, from the first picture to the last.

    None where they would be too short, or `obstacle` forbids it.
    """
    video = _picture(media, recipe)
    if video is None or obstacle(media, recipe) is not None:
        return None
    if count < 2:  # noqa: PLR2004 - a whole is no chunk
        return None
    zero, rate = zero_seconds(media), Fraction(video.frame_rate or 1)
    keys = sorted(key - zero for key in video.keyframe_seconds or ())
    lasts = (video.frames or 0) / float(rate)
    if not _constant(video) or video.frames is None:
        lasts = video.duration_seconds or media.duration_seconds or 0.0
    if count * LEAST_SECONDS > lasts:
        return None
    late, lead = late_seconds(media, video), lead_pictures(media, video, recipe)
    # Keyframes of the whole are due from its first picture on: where a lead is filled,
    # that is shown from the beginning.
    first = 0.0 if lead else late
    if not _constant(video):
        starts, slack = _nearest(keys, lasts, count), _HAIR_SECONDS
    else:
        slack = float(Fraction(1, 2) / rate)
        if _follows(recipe):
            starts, early = _nearest(keys, lasts, count), _ROUNDED_SECONDS
        else:
            starts = [first + it for it in _at_segments(_grid(recipe), lasts, count)]
            early = float(KEYFRAME_EARLY_SECONDS)
        numbers = [_first_due(it - late - early, rate) for it in starts]
        starts = [first, *(late + number / float(rate) for number in numbers[1:])]
    if min(b - a for a, b in pairwise([*starts, late + lasts])) < LEAST_SECONDS:
        return None
    ends: list[float | None] = [*starts[1:], None]
    return tuple(
        Clip(
            start_seconds=start,
            end_seconds=end,
            seek_seconds=_before(keys, start + slack, late) if number else None,
            slack_seconds=slack,
            zero_seconds=first,
            lead_pictures=0 if number else lead,
        )
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


def _first_due(from_then: float, rate: Fraction) -> int:
    """
    The number of the first picture that is shown then or later.

    As the encoder reckons, with ticks and in floats (`work/command/codecs.py`).
    """
    tick = 1.0 / rate.numerator
    number = max(0, ceil(from_then * rate))
    before = number and (number - 1) * rate.denominator * tick >= from_then
    return number - 1 if before else number


def _at_segments(grid: Fraction, lasts: float, count: int) -> list[float]:
    """When segments are due, at nearly equal distances."""
    units = int(Fraction(lasts) / grid)
    return [float(grid * (units * n // count)) for n in range(count)]


def _nearest(keys: list[float], lasts: float, count: int) -> list[float]:
    """
    Keyframes of the source, at nearly equal distances: where a copied rendition is cut,
    too, or where alone the time of a picture is known.
    """
    return [
        0.0 if not n else min(keys, key=lambda key: abs(key - lasts * n / count))
        for n in range(count)
    ]


def chunk_recipe(recipe: Recipe, clip: Clip) -> Recipe:
    """The encoded pictures of *clip* alone, into files of their own."""
    encoded = tuple(it for it in recipe.video if it.made_by == "encoded")
    return recipe.model_copy(
        update={
            "video": encoded,
            "audio": (),
            "captions": (),
            "packaging": FilePackaging(
                files=tuple(
                    OutputFile(name=f"{it.name}.mp4", container="mp4", video=it.name)
                    for it in encoded
                )
            ),
            "poster": None,
            "sprites": None,
            "keep_metadata": False,
            "clip": clip,
            "looks": (),
            "more_looks": (),
        }
    )


def sound_recipe(recipe: Recipe) -> Recipe | None:
    """The encoded soundtracks alone, each in a file; None where there are none."""
    encoded = tuple(it for it in recipe.audio if it.made_by == "encoded")
    if not encoded:
        return None
    return recipe.model_copy(
        update={
            "video": (),
            "audio": encoded,
            "captions": (),
            "burned_index": None,
            "packaging": FilePackaging(
                files=tuple(
                    OutputFile(
                        name=f"{it.name}.mp4",
                        container="mp4",
                        video=None,
                        audio=(it.name,),
                    )
                    for it in encoded
                )
            ),
            "poster": None,
            "sprites": None,
            "watermark": None,
            "keep_metadata": False,
            "looks": (),
            "more_looks": (),
            "segmented_later": isinstance(recipe.packaging, CmafPackaging),
        }
    )


def join_recipe(
    recipe: Recipe, clips: tuple[Clip, ...], *, sound_apart: bool = False
) -> Recipe:
    """
    Everything else, and the whole made of the chunks; *sound_apart*: and of soundtracks
    that `sound_recipe` made.
    """
    return recipe.model_copy(update={"chunks": clips, "sound_apart": sound_apart})


def _picture(media: Media, recipe: Recipe) -> VideoStream | None:
    """The one that is encoded."""
    if not any(it.made_by == "encoded" for it in recipe.video):
        return None
    return next((it for it in media.video if it.index == recipe.video_index), None)


def _begins_with_used(media: Media, recipe: Recipe) -> bool:
    """Whether what is used begins where the source does: from there times count."""
    used = {it.source_index for it in recipe.audio} | {recipe.video_index}
    used |= {index for it in recipe.audio for index in it.channel_indices}
    streams: list[VideoStream | AudioStream] = [*media.video, *media.audio]
    begins = [
        it.start_seconds
        for it in streams
        if it.index in used and it.start_seconds is not None
    ]
    return bool(begins) and min(begins) - zero_seconds(media) <= _HAIR_SECONDS


def _follows(recipe: Recipe) -> bool:
    """Whether all are cut where a copied rendition has its keyframes."""
    return recipe.keyframes == "source"


def _gaps(video: VideoStream) -> bool:
    """Whether a picture is known to stand for longer than the others."""
    rate, still = video.frame_rate, video.longest_still_seconds
    return bool(rate and still) and float(rate or 0) * (still or 0.0) > _EVEN


def _constant(video: VideoStream) -> bool:
    return bool(video.frame_rate) and video.variable_frame_rate is False


def _counts(video: VideoStream, *, exactly: bool) -> bool:
    """
    Whether every picture gets a whole number of ticks, as in `work/timing`; *exactly*:
    of the source's own clock, whose times are kept beside a copy and at no constant
    rate.
    """
    rate, base = video.frame_rate, video.time_base
    if not rate or base is None:
        return False
    exact = (1 / (rate * base)).denominator == 1
    if exactly:
        steady = exact or not _constant(video)
        return steady and base.numerator == 1 and base.denominator <= _FINEST
    return exact or rate.denominator in {1, 1001}


def _counts_by_time(media: Media, video: VideoStream) -> bool:
    """
    Whether how many pictures lie between two times is known though nobody has counted
    them: cues lead to the first, and each follows at one rate until the end.

    By a clock that counts them exactly: where times are put back on a grid, those of
    chunks were seen a tick beside those of one piece (29.97 in milliseconds).
    """
    lasts = video.duration_seconds or media.duration_seconds
    known = lasts is not None and not media.duration_estimated
    cued = media.container in {"matroska", "webm"}
    exact = _constant(video) and _counts(video, exactly=True)
    return video.frames is None and cued and known and exact


def _grid(recipe: Recipe) -> Fraction:
    """Seconds from one place to cut at to the next; a multiple of the keyframes'."""
    packaging, seconds = recipe.packaging, recipe.gop_seconds
    if isinstance(packaging, CmafPackaging):
        seconds = packaging.segment_seconds
    return max(Fraction(seconds).limit_denominator(1000), Fraction(1, 1000))


def _before(keys: list[float], time: float, first: float) -> float | None:
    """The last keyframe until *time*; None: the beginning, as is that at *first*."""
    at = bisect_right(keys, time) - 1
    return keys[at] if at >= 0 and keys[at] > first + _HAIR_SECONDS else None
