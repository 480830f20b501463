"""
What a source's own bit rate justifies: no rendition is larger than that.

Who encodes again what was encoded before keeps its artefacts, at the price of more bits
than the artefacts were made with; nobody sees what they buy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..contract import Media, VideoRendition, VideoStream
from ..units import bit_rate as rate_in_words
from .codecs import APPETITE
from .profile import VideoProfile

__all__ = ["SourceLimit", "held_to", "justified_rate", "own_rate", "said_of"]

PIXEL_EXPONENT = 0.75
"""Larger pictures have more redundancy (our choice, not tuned)."""
RATE_EXPONENT = 0.585
"""Half as many bits again for twice the frames (log2 of 1.5; our choice, not tuned)."""
KEYFRAME_BITS_PER_PIXEL = 0.1
"""A keyframe with fewer is mud: 11 kB at 720p, as a JPEG of the least quality has."""
_SPARSE = 1.25
"""Of our distance: whose keyframes are so much further apart spends less on them."""
_FIRST_FILL = 0.9
"""Of its buffer an encoder may spend before the first picture (x264's and x265's
`vbv-init`)."""
_BUFFER_SHARE = 0.05
"""Of the whole length: so far bits may wander to where they are needed."""
_LONGEST_BUFFER_SECONDS = 10.0
_LEAST = 16_000


@dataclass(frozen=True, slots=True)
class SourceLimit:
    """Caps that hold a whole rendition to what its source justifies."""

    most: int
    """Bits per second of the whole, on average."""
    cap: int
    """Bits per second at which the decoder's buffer is filled."""
    buffer_bits: int


def own_rate(video: VideoStream, media: Media) -> int | None:
    """
    Bits per second of the picture, or an upper bound of it; None where nothing tells.

    What headers say is believed as far as the file has so many bytes.
    """
    known = [it for it in (video.bit_rate,) if it]
    whole = media.bit_rate
    if media.bytes and media.duration_seconds:
        whole = int(media.bytes * 8 / media.duration_seconds)
    if whole:
        sound = sum(it.bit_rate or 0 for it in media.audio)
        beside = sum(it.bit_rate or 0 for it in media.video if it.index != video.index)
        known.append(max(whole - sound - beside, 1) if not known else whole)
    return min(known, default=None)


def justified_rate(
    video: VideoStream,
    profile: VideoProfile,
    size: tuple[int, int],
    *,
    bit_rate: int,
    frame_rate: Fraction | None = None,
) -> float | None:
    """
    Bits per second that hold at *size* what the source holds at *bit_rate*.

    bit_rate x (output codec's appetite / source codec's) x (pixels / source
    pixels)^0.75 x (frame rate / source's)^0.585, each of the last two at most 1; see
    `codecs.APPETITE`. *frame_rate* None keeps the source's. None for codecs of single
    pictures, whose rate says nothing.
    """
    hunger = APPETITE.get(video.codec)
    if hunger is None:
        return None
    pixels = size[0] * size[1] / (video.display_width * video.display_height)
    share: float = min(1.0, pixels) ** PIXEL_EXPONENT
    if frame_rate is not None and video.frame_rate:
        slower: float = min(1.0, float(frame_rate / video.frame_rate))
        share *= slower**RATE_EXPONENT
    return bit_rate * APPETITE[profile.codec] / hunger * share


def held_to(  # noqa: PLR0913 - what is made, of what
    video: VideoStream,
    profile: VideoProfile,
    size: tuple[int, int],
    *,
    bit_rate: int,
    cap: int,
    frame_rate: Fraction | None = None,
    seconds: float | None = None,
) -> SourceLimit | None:
    """
    The caps of a rendition of *size*, which has *cap* by its rung; None: that is lower.

    The average is `justified_rate` x `source_bit_rate_ratio`. Where the source's
    keyframes are further apart than ours, it is at least what ours take.

    An encoder may spend the rate and 0.9 of the buffer, so *seconds* of a rendition
    stay below their average with a rate of average x seconds / (seconds + 0.9 x
    buffer). The buffer is as long as the profile says, or a twentieth of *seconds*, up
    to 10 s, if that is more and no more bits than the rung's own.
    """
    if profile.source_bit_rate_ratio is None:
        return None
    rate = justified_rate(
        video, profile, size, bit_rate=bit_rate, frame_rate=frame_rate
    )
    if rate is None:
        return None
    rate *= profile.source_bit_rate_ratio
    if _keyframes_are_sparse(video, profile.gop_seconds):
        pixels = size[0] * size[1]
        rate = max(rate, pixels * KEYFRAME_BITS_PER_PIXEL / profile.gop_seconds)
    rate = max(rate, _LEAST)
    if rate >= cap:
        return None
    wanders = min((seconds or 0.0) * _BUFFER_SHARE, _LONGEST_BUFFER_SECONDS)
    buffer = max(profile.buffer_seconds, wanders)
    buffer = min(buffer, cap * profile.buffer_seconds / rate)
    steady = rate
    if seconds:
        steady = rate * seconds / (seconds + _FIRST_FILL * buffer)
    return SourceLimit(round(rate), max(round(steady), 1000), round(steady * buffer))


def said_of(renditions: Sequence[VideoRendition], bit_rate: int | None) -> str | None:
    """Which of *renditions* their source holds down, as a sentence; None: none."""
    held = [
        f"{rate_in_words(it.most_bit_rate)} for {it.name}"
        for it in renditions
        if it.most_bit_rate is not None
    ]
    if not held or bit_rate is None:
        return None
    *most, last = held
    listed = f"{', '.join(most)} and {last}" if most else last
    return f"The source's own {rate_in_words(bit_rate)} justify no more than {listed}."


def _keyframes_are_sparse(video: VideoStream, gop_seconds: float) -> bool:
    longest = video.longest_gop_seconds
    return longest is None or longest > gop_seconds * _SPARSE
