"""What playlist and MPD claim about one rendition, against what it is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from .tracks import Track

ROUNDING = Fraction(2, 1000)
"""EXTINF has three decimals; edges of both ends are rounded."""
_RATE_SLACK = Fraction(95, 100)
"""Of the measured peak, which must be announced: boxes may count or not."""
_RATE_EXCESS = 3
"""A player would pass over a rendition that claims more than this times its peak."""
_FRAME_RATE_SLACK = Fraction(1, 100)


def frame_rate(where: str, said: str | None, track: Track) -> Iterator[str]:
    """Between the mean and the highest rate: which of them, players do not care."""
    try:
        rate = Fraction(said or "")
    except (ValueError, ZeroDivisionError):
        yield f"{where}: frame rate {said} is no number"
        return
    steps = [b - a for a, b in pairwise(track.times) if b > a]
    shortest = min([*steps, track.length or 1]) * track.time_base
    low = (1 / track.longest_step) if track.longest_step else Fraction(0)
    high = max(1 / shortest, 1 / track.step)
    if not low * (1 - _FRAME_RATE_SLACK) <= rate <= high * (1 + _FRAME_RATE_SLACK):
        yield f"{where}: frame rate {said}, it is {float(1 / track.step):.3f}"


def target_seconds(track: Track) -> Fraction:
    return max(s.duration for s in track.segments) * track.time_base


def peak_rate(track: Track, target: Fraction) -> Fraction:
    """
    Bits per second at most, RFC 8216 §4.1.

    Over any run of segments that lasts between half and one and a half of *target*;
    over everything where no run does.
    """
    lengths = [segment.duration * track.time_base for segment in track.segments]
    sizes = [segment.bytes for segment in track.segments]
    best = Fraction(0)
    for first in range(len(lengths)):
        seconds, size = Fraction(0), 0
        for length, more in zip(lengths[first:], sizes[first:], strict=True):
            seconds, size = seconds + length, size + more
            if seconds > target * Fraction(3, 2):
                break
            if seconds >= target / 2:
                best = max(best, size * 8 / seconds)
    return best or sum(sizes) * 8 / (sum(lengths) or Fraction(1))


def announced(where: str, said: str | None, peak: Fraction) -> Iterator[str]:
    if said is None or not said.isdecimal():
        yield f"{where}: bandwidth {said} is no number"
    elif int(said) < peak * _RATE_SLACK:
        yield f"{where}: bandwidth {said}, its peak is {int(peak)}"
    elif int(said) > peak * _RATE_EXCESS:
        yield f"{where}: bandwidth {said} is far above its peak of {int(peak)}"


def is_codec(text: str, track: Track) -> bool:
    header = track.header
    if header is None:
        return False
    if header.codec_string is not None:
        return text.strip().lower() == header.codec_string.lower()
    return text.strip().lower().partition(".")[0] == header.sample_entry.lower()
