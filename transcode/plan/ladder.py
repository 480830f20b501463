"""
A picture's size and rate → the renditions made of it, largest first.

The rules, in this order:

1.  Sizes are those of the picture as seen: square pixels, upright. Even, since chroma
    is stored at half size; the shape is kept to within a pixel.
2.  The top rendition has the source's own size, or the profile's largest rung if the
    source is larger. Nothing is ever scaled up, and no detail that was asked for is
    thrown away because a source lies between two rungs.
3.  Below it stand the profile's rungs, except one so close beneath the top that nobody
    would see the difference (`rung_step`).
4.  A rendition takes its quality and its cap from the smallest rung that is not smaller
    than it.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from ..contract import QualityTarget, VideoRendition, VideoStream
from .justified import PIXEL_EXPONENT, RATE_EXPONENT, held_to, justified_rate
from .profile import VideoProfile, VideoRung

_REFERENCE_RATE = 30
_LARGEST_RATE = 120
_LEAST_CAP = 64_000
_NOMINAL_SHAPE = 16 / 9
_RATE_TOLERANCE = 1.05
_LARGE_SIDE = 1440


def ladder(  # noqa: PLR0913 - each is one fact of the source
    video: VideoStream,
    profile: VideoProfile,
    *,
    encoder: str | None,
    copied: bool,
    bit_rate: int | None,
    seconds: float | None = None,
) -> tuple[VideoRendition, ...]:
    """
    The renditions of *video*, largest first, names unique, sizes strictly decreasing.

    *encoder* may be None only if nothing but a copied rendition comes out. *bit_rate*
    is the source picture's own, or an upper bound for it, in bits per second, and
    *seconds* how long what is made lasts; None: not known.
    """
    shorts = short_sides(video, profile)
    rate = kept_frame_rate(video, profile.max_frame_rate)
    made: list[VideoRendition] = []
    for number, short in enumerate(shorts):
        width, height = fit(video.display_width, video.display_height, short)
        if copied and number == 0:
            made.append(_copied(video, profile))
            continue
        rung = rung_for(profile, min(width, height))
        cap = scaled_cap(rung, (width, height), rate or video.frame_rate)
        buffer = round(cap * profile.buffer_seconds)
        held = None
        if bit_rate is not None:
            held = held_to(
                video, profile, (width, height), bit_rate=bit_rate, cap=cap,
                frame_rate=rate, seconds=seconds,
            )  # fmt: skip
        made.append(
            VideoRendition(
                name=f"{min(width, height)}p",
                made_by="encoded",
                codec=profile.codec,
                encoder=encoder,
                width=width,
                height=height,
                pixel_format=profile.pixel_format,
                codec_profile=profile.codec_profile,
                crf=rung.crf,
                max_bit_rate=held.cap if held else cap,
                buffer_bits=held.buffer_bits if held else buffer,
                most_bit_rate=held.most if held else None,
                preset=profile.preset,
                tune=profile.tune,
                frame_rate=rate,
                target=_target(video, profile, rung, (width, height), bit_rate),
            )
        )
    return tuple(made)


def _target(
    video: VideoStream,
    profile: VideoProfile,
    rung: VideoRung,
    size: tuple[int, int],
    bit_rate: int | None,
) -> QualityTarget | None:
    aim = profile.target_of(rung)
    if aim is None:
        return None
    metric, score = aim
    model = profile.vmaf_model
    if model == "auto":
        # The model for 4K was trained on pictures of that size, seen from 1.5 heights.
        model = "4k" if min(size) > _LARGE_SIDE else "1080p"
    most = None
    if bit_rate is not None and profile.source_bit_rate_ratio is not None:
        rate = justified_rate(
            video, profile, size, bit_rate=bit_rate,
            frame_rate=kept_frame_rate(video, profile.max_frame_rate),
        )  # fmt: skip
        most = None if rate is None else round(rate)
    return QualityTarget(
        score=score,
        metric=metric,
        model=model if metric == "vmaf" else None,
        most_bit_rate=most,
    )


def short_sides(video: VideoStream, profile: VideoProfile) -> tuple[int, ...]:
    """Short sides in pixels, largest first; the first is the source's or the limit."""
    rungs = [rung.short_side for rung in profile.descending]
    own = _even(min(video.display_width, video.display_height))
    top = min(own, rungs[0])
    return (
        top,
        *(r for r in rungs if r < top and top >= r * profile.rung_step),
    )


def fit(width: int, height: int, short_side: int) -> tuple[int, int]:
    """
    An even size of the same shape whose shorter side is at most *short_side*.

    Never larger than *width* x *height*, except that no side is less than 2.
    """
    short, long = sorted((width, height))
    if short_side >= _even(short):
        return _even(width), _even(height)
    small = _even(short_side)
    # The nearest even number, within the source.
    large = min(_even(round(long * small / short / 2) * 2), _even(long))
    return (small, large) if width <= height else (large, small)


def rung_for(profile: VideoProfile, short_side: int) -> VideoRung:
    """The smallest rung not smaller than *short_side*; else the largest there is."""
    fitting = [rung for rung in profile.descending if rung.short_side >= short_side]
    return fitting[-1] if fitting else profile.descending[0]


def scaled_cap(
    rung: VideoRung, size: tuple[int, int], frame_rate: Fraction | None
) -> int:
    """
    The rung's cap for this *size* and *frame_rate*, in bits per second.

    Proportional to pixels^0.75 (larger pictures have more redundancy) against a 16:9
    picture of the rung, and to (rate / 30)^0.585 above 30 frames per second, which is
    half as much again at 60 (our choice; neither exponent was tuned).
    Rates above 120 count as 120: they are capture rates or errors. Never below
    64 kbit/s.
    """
    nominal = rung.short_side * rung.short_side * _NOMINAL_SHAPE
    pixels = float((size[0] * size[1] / nominal) ** PIXEL_EXPONENT)
    rate = min(float(frame_rate or _REFERENCE_RATE), _LARGEST_RATE)
    speed = float(max(1.0, rate / _REFERENCE_RATE) ** RATE_EXPONENT)
    # A keyframe has headers and tables, however small the picture.
    return max(_LEAST_CAP, round(rung.max_bit_rate_kbps * 1000 * pixels * speed))


def kept_frame_rate(video: VideoStream, limit: float | None) -> Fraction | None:
    """
    The constant rate to convert to, or None to keep every frame and its time.

    A constant rate is divided by the smallest whole number that brings it under
    *limit*, so that the remaining frames are evenly spaced; a variable one becomes the
    limit. Five percent over is let through: phones measure 60.3 and mean 60.
    """
    if limit is None or video.frame_rate is None:
        return None
    if video.frame_rate <= limit * _RATE_TOLERANCE:
        return None
    if video.variable_frame_rate:
        return Fraction(limit).limit_denominator(1001)
    return video.frame_rate / ceil(float(video.frame_rate) / (limit * _RATE_TOLERANCE))


def _copied(video: VideoStream, profile: VideoProfile) -> VideoRendition:
    return VideoRendition(
        name=f"{min(video.display_width, video.display_height)}p",
        made_by="copied",
        codec=profile.codec,
        encoder=None,
        width=video.display_width,
        height=video.display_height,
        pixel_format=video.pixel_format or profile.pixel_format,
    )


def _even(pixels: int) -> int:
    return max(2, pixels // 2 * 2)
