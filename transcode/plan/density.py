"""How much is in a source's picture: bits per pixel, comparable between codecs."""

from __future__ import annotations

from fractions import Fraction

from ..contract import Media, VideoStream

DISCOUNT = {"hevc": 0.6, "av1": 0.5, "vp9": 0.65}
"""Of H.264's bits for the same picture; the same figures as in bench/calibrate.py."""

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
    return per_pixel / DISCOUNT.get(video.codec, 1.0)
