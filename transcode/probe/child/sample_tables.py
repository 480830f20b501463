"""Turns the sample tables of one track into times a person would recognise."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, chain, islice, repeat

from .steps import counted

MOST_SAMPLES = 2_000_000
"""Samples expanded from run lengths per track: nine hours at 60 per second."""
_REORDER = 64
"""More pictures than any codec shows out of storage order."""


@dataclass(slots=True)
class TrackTables:
    """One track as its tables or fragments tell; times in ticks of `timescale`."""

    id: int = 0
    handler: str = ""
    timescale: int = 0
    header_ticks: int = 0
    codec_tag: str = ""
    descriptions: int = 1
    """How many ways its samples are coded (`stsd`)."""
    aspects: tuple[Fraction, ...] = ()
    """The shape of pixels that each of them states (`pasp`)."""
    matrix: tuple[int, ...] = ()
    width: int = 0
    height: int = 0
    encrypted: bool = False

    durations: list[tuple[int, int]] = field(default_factory=list)
    """Runs of (count, ticks) in decoding order, from `stts` or `trun`."""
    offsets: list[tuple[int, int]] = field(default_factory=list)
    """Runs of (count, ticks) from decoding to presentation time."""
    sync: list[int] | None = None
    """Numbers of the keyframes from 0; None where each sample is one."""
    jumps: dict[int, int] = field(default_factory=dict)
    """Sample number → decoding time, where a fragment says so."""
    edits: list[tuple[int, int]] = field(default_factory=list)
    """(movie ticks, media time or -1) of each edit."""

    offsets_guessed: bool = False
    stored: int = 0
    """Samples in the tables."""
    default_duration: int = 0
    default_flags: int = 0
    next_tick: int = 0
    last_fragment_ticks: int = 0
    missing_ticks: int = 0
    """How much of the end the file no longer holds."""


@dataclass(slots=True)
class Timeline:
    """What is shown of a track, in seconds unless said otherwise."""

    samples: int | None
    """Samples shown: edit lists applied."""
    start: float | None
    duration: float
    steps: list[tuple[int, int]]
    """(ticks between neighbours, how often), as `steps` counts them."""
    span_ticks: int | None
    """From the first sample shown to the last."""
    keys: list[float] | None
    intra_only: bool
    several_edits: bool
    headless: bool = False
    """The edit begins before the first keyframe that the index knows."""
    unordered: bool = False
    """Every picture has the time at which it is decoded (there is no `ctts`)."""


def timeline(track: TrackTables, movie_timescale: int, *, picture: bool) -> Timeline:
    """
    Presentation times after the edit list (ISO 14496-12 §8.6.6), as ffmpeg shows them.

    Only a picture track is expanded sample by sample.
    """
    scale = track.timescale
    stored_ticks = sum(count * ticks for count, ticks in track.durations)
    lead, shown, several = _edit(track, movie_timescale)
    if not picture or track.stored > MOST_SAMPLES:
        first = track.jumps.get(0, 0)
        # A fragment may leave the length of its last sample to the next one's start.
        end = max(first + stored_ticks, track.next_tick)
        low, high = shown or (first, end)
        span = max(0, min(high, end) - max(low, first))
        return Timeline(
            samples=None if several or shown else track.stored,
            start=(max(low, first) - low * bool(shown) + lead) / scale,
            duration=span / scale,
            steps=[],
            span_ticks=None,
            keys=None,
            intra_only=track.sync is None,
            several_edits=several,
        )
    return _expanded(track, lead, shown, several=several)


def _expanded(
    track: TrackTables, lead: int, shown: tuple[int, int] | None, *, several: bool
) -> Timeline:
    scale = track.timescale
    times = presentation_times(track)
    last_step = track.durations[-1][1] if track.durations else 0
    order = sorted(times)
    shift = lead
    if shown is not None:
        low, high = shown
        shift -= low
        order = [t for t in order if low <= t < high]
    if not order:
        return Timeline(0, None, 0.0, [], None, [], track.sync is None, several)
    end = _shown_until(track, times)
    if end <= order[-1]:
        end = order[-1] + last_step
    if shown is not None:
        end = min(end, shown[1])
    first, final = order[0], order[-1]
    if shown is None and track.last_fragment_ticks:
        # Of fragments libav shows nothing before it is decoded (`dts_shift` in mov.c).
        shift += max(0, -min((ticks for _, ticks in track.offsets), default=0))
    if shown is not None and not several and not track.jumps:
        # A picture that an edit begins in the middle of is left out by libav, which has
        # the next one begin where that would have (`min_corrected_pts` in mov.c).
        shift = lead - first
    if several:
        keys = None
    elif track.sync is None:
        keys = [(t + shift) / scale for t in order]
    else:
        keys = sorted(
            (times[n] + shift) / scale
            for n in track.sync
            if n < len(times) and first <= times[n] <= final
        )
    return Timeline(
        samples=None if several else len(order),
        start=(first + shift) / scale,
        duration=(end - first) / scale,
        steps=counted(order),
        span_ticks=final - first,
        keys=keys,
        intra_only=track.sync is None or len(track.sync) == track.stored,
        several_edits=several,
        headless=shown is not None and _late_key(track, shown[0]),
        unordered=not any(ticks for _, ticks in track.offsets),
    )


def _shown_until(track: TrackTables, times: list[int]) -> int:
    """
    When the last picture goes: the first one's time and what all samples last together.

    The length of any one sample is how long it is in decoding order until the next; of
    pictures that are reordered around a still stretch it is not how long they are seen.
    """
    first, end = track.jumps.get(0, 0), 0
    if track.jumps:
        last = max(track.jumps)
        end = track.jumps[last] + sum(islice(_expand(track.durations), last, None))
    else:
        end = sum(count * ticks for count, ticks in track.durations)
    return min(times) + max(end, track.next_tick) - first


def _late_key(track: TrackTables, at: int) -> bool:
    """Whether the first keyframe is decoded only after a time of the media."""
    if not track.sync:
        return False
    before = islice(_expand(track.durations), track.sync[0])
    return sum(before) > at


def presentation_times(track: TrackTables) -> list[int]:
    """One tick count per stored sample, in decoding order, before the edit list."""
    decoded: Iterable[int]
    if not track.jumps:
        decoded = accumulate(_expand(track.durations), initial=0)
    else:
        decoded = _decoded_with_jumps(track)
    decoded = islice(decoded, track.stored)
    if not track.offsets:
        return list(decoded)
    return list(map(operator.add, decoded, chain(_expand(track.offsets), repeat(0))))


def _decoded_with_jumps(track: TrackTables) -> Iterator[int]:
    now = 0
    for number, step in enumerate(_expand(track.durations)):
        now = track.jumps.get(number, now)
        yield now
        now += step


def _expand(runs: Iterable[tuple[int, int]]) -> Iterator[int]:
    return chain.from_iterable(repeat(value, count) for count, value in runs)


def _edit(
    track: TrackTables, movie_timescale: int
) -> tuple[int, tuple[int, int] | None, bool]:
    """(empty lead-in, media times shown, whether there are several pieces)."""
    lead = 0
    pieces: list[tuple[int, int]] = []
    for length, media_time in track.edits:
        ticks = length * track.timescale // movie_timescale if movie_timescale else 0
        if media_time < 0:
            lead += ticks if not pieces else 0
        else:
            pieces.append((media_time, ticks))
    if not pieces:
        return lead, None, False
    start, ticks = pieces[0]
    if len(pieces) > 1:
        low = min(at for at, _ in pieces)
        high = max(at + length for at, length in pieces)
        return lead, (low, high), True
    # A length of zero reaches to the end: fragmented files cannot know better. One
    # tick of the movie's clock is rounded away, so the last sample gets it back.
    slack = track.timescale // movie_timescale + 1 if movie_timescale else 0
    return lead, (start, start + ticks + slack if ticks else 1 << 62), False
