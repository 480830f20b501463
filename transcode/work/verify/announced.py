"""What playlist and MPD claim about one rendition, against what it is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from .cmaf import MOVING_SECONDS, moving_rate
from .tracks import Track

ROUNDING = Fraction(2, 1000)
"""EXTINF has three decimals; edges of both ends are rounded."""
_RATE_SLACK = Fraction(2, 100)
"""Of a bit rate: EXTINF is rounded, and what is shorter than a second by more."""
_EDGE_SECONDS = Fraction(1, 100)
"""Whether so little more still belongs to a run of segments is for rounding to say."""
_FRAME_RATE_SLACK = Fraction(1, 200)


def frame_rate(where: str, said: str | None, track: Track) -> Iterator[str]:
    """
    The rate of the fastest segment while its picture moves (RFC 8216 §4.3.4.2): at a
    constant rate that of all of them, held frames or not.
    """
    try:
        rate = Fraction(said or "")
    except (ValueError, ZeroDivisionError):
        yield f"{where}: frame rate {said} is no number"
        return
    true = max([1 / track.step, *_segment_rates(track)])
    if abs(rate - true) > true * _FRAME_RATE_SLACK:
        yield f"{where}: frame rate {said}, it is {float(true):.3f}"


def _segment_rates(track: Track) -> Iterator[Fraction]:
    """Pictures per second from one segment's beginning to the next's, by all times."""
    starts = [bisect_left(track.times, segment.start) for segment in track.segments]
    least = MOVING_SECONDS / track.time_base
    for begin, end in pairwise([*starts, len(track.times)]):
        rate = moving_rate(track.times[begin:end], least)
        if rate is not None:
            yield rate / track.time_base


def lengths(track: Track) -> tuple[Fraction, ...]:
    """
    Of each segment, the time until the next one shows: what a viewer sees of it.

    Its samples' durations may come to something else, because each is the time until
    the next is decoded.
    """
    starts = [segment.start * track.time_base for segment in track.segments]
    return tuple(after - start for start, after in pairwise([*starts, track.end]))


def total(track: Track) -> Fraction:
    """The sum of them."""
    return sum(lengths(track), Fraction(0))


def lasts(
    said: Fraction, true: Fraction, *, parts: int = 1, slack: Fraction = Fraction(0)
) -> bool:
    """Whether a stated duration is the true one, but for rounding its *parts*."""
    return abs(said - true) <= ROUNDING * parts + slack


@dataclass(frozen=True, slots=True)
class BitRates:
    """Bits per second that are to be announced; the peak lies between two."""

    peak: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    mean: Fraction = Fraction(0)

    def __add__(self, other: BitRates) -> BitRates:
        low, high = (a + b for a, b in zip(self.peak, other.peak, strict=True))
        return BitRates((low, high), self.mean + other.mean)


def highest(each: Iterable[BitRates]) -> BitRates:
    """Of renditions of which a player takes one: the highest of each kind."""
    several = list(each)
    return BitRates(
        (
            max((it.peak[0] for it in several), default=Fraction(0)),
            max((it.peak[1] for it in several), default=Fraction(0)),
        ),
        max((it.mean for it in several), default=Fraction(0)),
    )


def bit_rates(fetched: Sequence[tuple[int, Fraction]], target: int) -> BitRates:
    """
    Of bytes that are *fetched* one after the other, with the seconds they last.

    RFC 8216 §4.1: the peak is that of any run of them which lasts from half to one and
    a half times the *target* duration.
    """
    total = sum((seconds for _, seconds in fetched), Fraction(0))
    if not total:
        return BitRates()
    mean = sum(size for size, _ in fetched) * 8 / total
    peaks = [
        _peak(fetched, (Fraction(target, 2) + edge, Fraction(3 * target, 2) - edge))
        or mean
        for edge in (_EDGE_SECONDS, -_EDGE_SECONDS)
    ]
    return BitRates((min(peaks), max(peaks)), mean)


def _peak(
    fetched: Sequence[tuple[int, Fraction]], lasting: tuple[Fraction, Fraction]
) -> Fraction:
    """The highest rate of a run that lasts as long as said; 0 where none does."""
    begins = list(accumulate((seconds for _, seconds in fetched), initial=Fraction(0)))
    before = list(accumulate((size for size, _ in fetched), initial=0))
    rates = [Fraction(0)]
    for end in range(1, len(begins)):
        for begin in range(end - 1, -1, -1):
            span = begins[end] - begins[begin]
            if span > lasting[1]:
                break
            if span >= lasting[0]:
                rates.append((before[end] - before[begin]) * 8 / span)
    return max(rates)


def track_rates(track: Track) -> BitRates:
    """By the boxes: what a playlist says of lengths is not asked."""
    spans = lengths(track)
    longest = round(max(spans, default=Fraction(0)))
    sizes = [segment.bytes for segment in track.segments]
    return bit_rates(list(zip(sizes, spans, strict=True)), max(1, longest))


def announced(where: str, said: str | None, true: BitRates) -> Iterator[str]:
    """A player stalls where less is said, and passes over a rendition for more."""
    low, high = true.peak
    if said is None or not said.isdecimal():
        yield f"{where}: bandwidth {said} is no number"
    elif int(said) < low * (1 - _RATE_SLACK):
        yield f"{where}: bandwidth {said}, its peak is {int(low)}"
    elif int(said) > high * (1 + _RATE_SLACK) + 1:
        yield f"{where}: bandwidth {said} is above its peak of {int(high)}"


def averaged(where: str, said: str | None, true: BitRates) -> Iterator[str]:
    if said is None or not said.isdecimal():
        yield f"{where}: average bandwidth {said} is no number"
    elif abs(int(said) - true.mean) > true.mean * _RATE_SLACK + 1:
        yield f"{where}: average bandwidth {said}, it is {int(true.mean)}"


def is_codec(text: str, track: Track) -> bool:
    header = track.header
    if header is None:
        return False
    if header.codec_string is not None:
        return text.strip().lower() == header.codec_string.lower()
    return text.strip().lower().partition(".")[0] == header.sample_entry.lower()
