"""What a player fetches of a CMAF rendition: how many bytes, for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from math import ceil, floor
from pathlib import Path

from ..contract import AudioRendition, Task, VideoRendition
from .verify.cmaf import (
    BrokenSegment,
    Segment,
    TrackHeader,
    read_header,
    read_segment,
    shown_until,
)
from .verify.playlists import BrokenPlaylist, read_names

_STANDARD_RATES = tuple(
    Fraction(rate * 1000, divisor)
    for rate in (12, 15, 24, 25, 30, 48, 50, 60, 100, 120)
    for divisor in (1000, 1001)
)
_SAME_RATE = Fraction(1, 200)
"""A source's clock rounds: so near its nominal rate is the rate that was meant."""
_VERY_SAME_RATE = Fraction(1, 2500)
"""Of a rate that nobody named; 30 and 30000/1001 differ by 1/1000."""
_ROUNDING_SECONDS = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Resource:
    """One segment, or one keyframe in it with the boxes that lead to it."""

    uri: str
    bytes: int
    seconds: Fraction
    """Until the next one is shown."""
    offset: int | None = None
    """Where it begins in the file; None: it is all of it."""


@dataclass(frozen=True, slots=True)
class Served:
    """One rendition, from its segments' own boxes."""

    plan: VideoRendition | AudioRendition
    segments: tuple[Resource, ...]
    keyframes: tuple[Resource, ...]
    """Those that a fragment begins with: only they can be fetched by themselves."""
    frame_rate: Fraction | None
    """Frames per second where most are shown (RFC 8216 §4.3.4.2); None for sound."""
    access_point: int | None
    """
    The highest type of the access points that segments begin with (ISO/IEC 14496-12,
    annex I): 1 where nothing is shown before them, 2 where something is; None where a
    segment begins with none.
    """

    target_seconds: int
    """As its playlist says; without one, as it would."""
    end: Fraction
    """When its last segment does; it may begin late."""

    @property
    def seconds(self) -> Fraction:
        return sum((it.seconds for it in self.segments), Fraction(0))

    @property
    def average_bit_rate(self) -> int:
        return average(self.segments)

    @property
    def peak_bit_rate(self) -> int:
        return peak(self.segments, self.target_seconds)


def serve(
    task: Task, plan: VideoRendition | AudioRendition, folder: Path
) -> Served | None:
    """What lies in *folder*; None where it cannot be read: verification says why."""
    try:
        named = read_names(folder)
        header = read_header(folder / named.header)
        segments = [read_segment(folder / name, header) for name in named.segments]
    except (OSError, UnicodeDecodeError, BrokenPlaylist, BrokenSegment):
        return None
    tick = Fraction(1, header.timescale)
    video = isinstance(plan, VideoRendition)
    end = max(it.ends for it in segments)
    if video:
        end = shown_until(segments)
    spans = _spans([it.start for it in segments], end)
    resources = tuple(
        Resource(it.name, it.bytes, span * tick)
        for it, span in zip(segments, spans, strict=True)
    )
    return Served(
        plan=plan,
        segments=resources,
        keyframes=tuple(_keyframes(segments, header, end)) if video else (),
        frame_rate=_frame_rate(task, plan, segments, spans, tick)
        if isinstance(plan, VideoRendition)
        else None,
        access_point=_access_point(segments),
        target_seconds=named.target_seconds or target_seconds(resources),
        end=end * tick,
    )


def differs(said: Fraction, true: Fraction) -> bool:
    """Whether a length is said wrong, and not rounded to milliseconds."""
    return abs(said - true) > _ROUNDING_SECONDS


def target_seconds(resources: Iterable[Resource]) -> int:
    """The longest of them to the nearest second: EXT-X-TARGETDURATION (§4.3.3.1)."""
    longest = max((it.seconds for it in resources), default=Fraction(0))
    return max(1, floor(longest + Fraction(1, 2)))


def average(resources: Sequence[Resource]) -> int:
    """Bits per second of all of them (RFC 8216 §4.1, average segment bit rate)."""
    seconds = sum((it.seconds for it in resources), Fraction(0))
    return ceil(sum(it.bytes for it in resources) * 8 / seconds) if seconds else 0


def peak(resources: Sequence[Resource], target: int) -> int:
    """
    Bits per second at most of what is fetched one after the other.

    Over every run that lasts from half to one and a half times the *target* duration
    (§4.1, peak segment bit rate); where none does, over all.
    """
    least, most = Fraction(target, 2), Fraction(3 * target, 2)
    highest = Fraction(0)
    for first in range(len(resources)):
        size, lasts = 0, Fraction(0)
        for it in islice(resources, first, None):
            size, lasts = size + it.bytes, lasts + it.seconds
            if lasts > most:
                break
            if lasts >= least:
                highest = max(highest, size * 8 / lasts)
    return ceil(highest) or average(resources)


def _spans(starts: Sequence[int], end: int) -> list[int]:
    return [after - start for start, after in pairwise([*starts, end])]


def _keyframes(
    segments: Sequence[Segment], header: TrackHeader, end: int
) -> Iterator[Resource]:
    found: list[tuple[int, str, int, int]] = []
    for segment in segments:
        for at, size, shown, before in segment.keyframes:
            fragment = max(start for start in segment.fragments_at if start < at)
            if before > fragment:
                continue
            long = at + size - fragment
            found.append((shown, segment.name, long, fragment))
    spans = _spans([time for time, *_ in found], end)
    for (_, name, long, at), span in zip(found, spans, strict=True):
        yield Resource(name, long, Fraction(span, header.timescale), at)


def _frame_rate(
    task: Task,
    plan: VideoRendition,
    segments: Sequence[Segment],
    spans: Sequence[int],
    tick: Fraction,
) -> Fraction | None:
    rates = [it.frame_rate / tick for it in segments if it.frame_rate is not None]
    shown = sum(spans) * tick
    if not shown:
        return None
    highest = max([*rates, sum(it.samples for it in segments) / shown])
    index = task.recipe.video_index
    named = [it.frame_rate for it in task.media.video if it.index == index]
    for known in (plan.frame_rate, *named):
        if known and abs(known - highest) <= known * _SAME_RATE:
            return known
    for known in _STANDARD_RATES:
        if abs(known - highest) <= known * _VERY_SAME_RATE:
            return known
    return highest.limit_denominator(1000)


def _access_point(segments: Sequence[Segment]) -> int | None:
    types: set[int] = set()
    for segment in segments:
        if not segment.begins_with_keyframe:
            return None
        types.add(1 if segment.first == segment.start else 2)
    return max(types, default=None)
