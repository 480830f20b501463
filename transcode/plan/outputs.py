"""How many bytes a task writes, and what it costs to look at them again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from ..contract import Media, Recipe, VideoRendition, VideoStream
from .coefficients import Coefficients
from .density import ASSUMED_BITS_PER_PIXEL, ASSUMED_RATE, DISCOUNT, density

REFERENCE_CRF = {"h264": 23.0, "hevc": 26.0, "av1": 34.0, "vp9": 33.0}
CRF_OCTAVE = 6.0
"""So much more CRF halves the bits (x264's rule of thumb, near enough for others)."""
SAMPLED_SHARE, MOST_SAMPLES, MANY_GROUPS = 0.04, 8, 8
"""Besides the first and the last group of pictures, so much of the duration is decoded
when verification is sampled, in at most so many groups; one from MANY_GROUPS on. As
the worker does it."""
METERING = 0.0026
"""CPU seconds to decode and measure a second of stereo (libavfilter's `ebur128` with
true peak on a 3 GHz Xeon: 0.15 s for a minute of AAC)."""
COPIED_AUDIO_BITS = 192_000


def written_bytes(
    media: Media,
    recipe: Recipe,
    video: VideoStream | None,
    seconds: float,
    *,
    shown: Mapping[str, int] = MappingProxyType({}),
) -> tuple[int, int]:
    """Bytes of all outputs: likely (for those in *shown*, at its rate), and at most."""
    likely = most = 0.0
    bits = density(media, video) if video else None
    for rendition in recipe.video:
        rate = shown.get(rendition.name) or written_rate(rendition, video, bits)
        likely += rate
        most += rendition.max_bit_rate or 2 * rate
    for track in recipe.audio:
        rate = track.bit_rate or COPIED_AUDIO_BITS
        likely, most = likely + rate, most + rate
    return round(likely * seconds / 8), round(most * seconds / 8)


def written_rate(
    rendition: VideoRendition, video: VideoStream | None, bits: float | None = None
) -> float:
    """
    Bits per second: the source's own when copied, else by pixels and CRF.

    Without *bits*, the source's density, a picture of ordinary film is assumed.
    """
    if rendition.made_by == "copied" and video and video.bit_rate:
        return float(video.bit_rate)
    rate = rendition.frame_rate or (video.frame_rate if video else None)
    pixels = rendition.width * rendition.height * float(rate or ASSUMED_RATE)
    # Fewer bits than the source has: an encoder adds no detail.
    likely = min(ASSUMED_BITS_PER_PIXEL, 1.5 * (bits or ASSUMED_BITS_PER_PIXEL))
    crf = REFERENCE_CRF[rendition.codec]
    octaves = (crf - (crf if rendition.crf is None else rendition.crf)) / CRF_OCTAVE
    discount = DISCOUNT.get(rendition.codec, 1.0)
    expected = pixels * likely * discount * math.pow(2, octaves)
    return min(expected, float(rendition.max_bit_rate or expected))


def verify_seconds(
    recipe: Recipe,
    video: VideoStream | None,
    seconds: float,
    *,
    coefficients: Coefficients,
) -> float:
    """Decoding some or all of what was made, one rendition after the other."""
    heard = sum(it.channels for it in recipe.audio if it.made_by == "encoded")
    total = METERING * seconds * heard / 2
    if video is None:
        return total
    rate = float(video.frame_rate or ASSUMED_RATE)
    for rendition in recipe.video:
        costs = coefficients.decoding(rendition.codec)
        pixels = rendition.width * rendition.height / 1e6
        per_frame = pixels * costs.seconds_per_megapixel
        megabits = written_rate(rendition, video) / rate / 1e6
        per_frame += megabits * costs.seconds_per_megabit
        copied = rendition.made_by == "copied"
        group = video.longest_gop_seconds if copied else recipe.gop_seconds
        looked_at = seconds
        if recipe.verify == "sampled":
            looked_at = _looked_at(seconds, group or recipe.gop_seconds)
        total += looked_at * rate * per_frame
    return total


def _looked_at(seconds: float, group: float) -> float:
    """Seconds of a rendition that are decoded when verification is sampled."""
    between = min(MOST_SAMPLES, int(seconds * SAMPLED_SHARE / group))
    if not between and seconds >= MANY_GROUPS * group:
        between = 1
    return min(seconds, (2 + between) * group)
