"""How many bytes a task writes, and what it costs to look at them again."""

from __future__ import annotations

from ..contract import Media, Recipe, VideoRendition, VideoStream
from .coefficients import Coefficients
from .density import ASSUMED_BITS_PER_PIXEL, ASSUMED_RATE, DISCOUNT, density

REFERENCE_CRF = {"h264": 23.0, "hevc": 26.0, "av1": 34.0, "vp9": 33.0}
CRF_OCTAVE = 6.0
"""So much more CRF halves the bits (x264's rule of thumb, near enough for others)."""
SAMPLED_GOPS = 4
"""First, last and two between are decoded when verification is sampled."""
COPIED_AUDIO_BITS = 192_000


def written_bytes(
    media: Media, recipe: Recipe, video: VideoStream | None, seconds: float
) -> tuple[int, int]:
    """Bytes of all outputs: likely, and at the caps."""
    likely = most = 0.0
    bits = density(media, video) if video else None
    for rendition in recipe.video:
        rate = _rate(rendition, video, bits)
        cap = rendition.max_bit_rate
        likely += min(rate, cap) if cap else rate
        most += cap or 2 * rate
    for track in recipe.audio:
        rate = track.bit_rate or COPIED_AUDIO_BITS
        likely, most = likely + rate, most + rate
    return round(likely * seconds / 8), round(most * seconds / 8)


def _rate(
    rendition: VideoRendition, video: VideoStream | None, bits: float | None
) -> float:
    """Bits per second: the source's own when copied, else by pixels and CRF."""
    rate = rendition.frame_rate or (video.frame_rate if video else None)
    pixels = rendition.width * rendition.height * float(rate or ASSUMED_RATE)
    discount = DISCOUNT.get(rendition.codec, 1.0)
    if rendition.made_by == "copied" and video and video.bit_rate:
        return float(video.bit_rate)
    likely = ASSUMED_BITS_PER_PIXEL
    if bits is not None:
        # Fewer bits than the source has: an encoder adds no detail.
        likely = min(likely, 1.5 * bits)
    crf = REFERENCE_CRF[rendition.codec]
    octaves = (crf - (crf if rendition.crf is None else rendition.crf)) / CRF_OCTAVE
    return float(pixels * likely * discount * 2**octaves)


def verify_seconds(
    recipe: Recipe,
    video: VideoStream | None,
    seconds: float,
    *,
    coefficients: Coefficients,
) -> float:
    """Decoding some or all of what was made, one rendition after the other."""
    if video is None:
        return 0.0
    looked_at = seconds
    if recipe.verify == "sampled":
        looked_at = min(seconds, SAMPLED_GOPS * recipe.gop_seconds)
    rate = float(video.frame_rate or ASSUMED_RATE)
    total = 0.0
    for rendition in recipe.video:
        costs = coefficients.decoding(rendition.codec)
        discount = DISCOUNT.get(rendition.codec, 1.0)
        per_pixel = costs.seconds_per_megapixel
        per_pixel += costs.seconds_per_megabit * ASSUMED_BITS_PER_PIXEL * discount
        pixels = rendition.width * rendition.height / 1e6
        total += looked_at * rate * pixels * per_pixel
    return total
