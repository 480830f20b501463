"""How long a source is and how many pictures it has, known or guessed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..contract import (
    Media,
    Recipe,
    VideoRendition,
    VideoStream,
)
from ..errors import PlanError
from ..media.codecs import BITS_AS_H264

UNKNOWN_LENGTH_SPREAD = 0.7


@dataclass(frozen=True, slots=True)
class Length:
    seconds: float
    spread: float
    """Standard deviation of the logarithm."""


def length_of(media: Media, video: VideoStream | None) -> Length:
    """Raises PlanError where nothing tells."""
    known = media.duration_seconds or (video.duration_seconds if video else None)
    if known:
        return Length(known, spread=0.0)
    if video and video.frames:
        return Length(video.frames / float(video.frame_rate or ASSUMED_RATE), 0.1)
    if media.bytes:
        per_second = float(128_000)
        if video:
            pixels = video.width * video.height
            rate = float(video.frame_rate or ASSUMED_RATE)
            per_second = pixels * rate * ASSUMED_BITS_PER_PIXEL
        return Length(media.bytes * 8 / per_second, UNKNOWN_LENGTH_SPREAD)
    raise PlanError(
        "The source says neither how long nor how large it is, so no spec can be "
        "chosen for it; store it under a length first.",
        container=media.container,
    )


def frames_of(video: VideoStream, seconds: float) -> float:
    if video.frames:
        return float(video.frames)
    return seconds * float(video.frame_rate or ASSUMED_RATE)


def frames_made(rendition: VideoRendition, frames: float, seconds: float) -> float:
    """Of the source's *frames*, how many the rendition has."""
    if rendition.frame_rate is None:
        return frames
    return seconds * float(rendition.frame_rate)


def before(recipe: Recipe) -> float:
    """Seconds that are decoded and thrown away, because a clip begins after them."""
    clip = recipe.clip
    return 0.0 if clip is None else clip.start_seconds - (clip.seek_seconds or 0.0)


ASSUMED_RATE = Fraction(25)


ASSUMED_BITS_PER_PIXEL = 0.08


"""At CRF 23 in H.264 for ordinary film at 1080p."""


def density(media: Media, video: VideoStream) -> float | None:
    """Bits per pixel, in H.264's terms; None where no bit rate is known."""
    rate = video.bit_rate or media.bit_rate
    if not rate and media.bytes and media.duration_seconds:
        rate = int(media.bytes * 8 / media.duration_seconds)
    if not rate:
        return None
    picture = video.width * video.height
    per_pixel = rate / (float(video.frame_rate or ASSUMED_RATE) * picture)
    if media.bytes and video.frames:
        # A header may claim any rate; a file holds no more than its bytes.
        per_pixel = min(per_pixel, media.bytes * 8 / (video.frames * picture))
    return per_pixel / BITS_AS_H264.get(video.codec, 1.0)
