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


def lengths(track: Track) -> tuple[tuple[Fraction, Fraction], ...]:
    """
    Of each segment, its samples' durations and the time until the next one shows.

    The packager writes the first, in decoding order; with frames that are reordered at
    a variable rate it differs from the second, which is what a viewer sees.
    """
    starts = [segment.start * track.time_base for segment in track.segments]
    return tuple(
        (segment.duration * track.time_base, after - start)
        for segment, (start, after) in zip(
            track.segments, pairwise([*starts, track.end]), strict=True
        )
    )


def total(track: Track) -> tuple[Fraction, Fraction]:
    """The sums of both."""
    return (
        sum((one for one, _ in lengths(track)), Fraction(0)),
        sum((one for _, one in lengths(track)), Fraction(0)),
    )


def lasts(
    said: Fraction,
    either: tuple[Fraction, Fraction],
    *,
    parts: int = 1,
    slack: Fraction = Fraction(0),
) -> bool:
    """Whether a stated duration is one of two, but for rounding its *parts*."""
    return any(abs(said - one) <= ROUNDING * parts + slack for one in either)


def peak_rate(track: Track) -> Fraction:
    """
    Bits per second at most, over one segment.

    Segments shorter than half the longest do not count (RFC 8216 §4.1 takes runs of
    segments between half and one and a half times the target duration; the packager
    takes single ones, which differs where a short last one is added to a run).
    """
    spans = [segment.duration * track.time_base for segment in track.segments]
    return max(
        segment.bytes * 8 / span
        for segment, span in zip(track.segments, spans, strict=True)
        if span >= max(spans) / 2 and span
    )


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
