"""Listens into several soundtracks: which of them are silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from ...media.demuxers import SEEKABLE

_PLACES = 3
_SECONDS, _ALONE_SECONDS = Fraction(1, 2), Fraction(4)
"""Of each track, at each place; where there is no place but the beginning."""
_MOST_PACKETS = 1000
"""At each place, of all tracks that are listened to."""

_MICROSECONDS = 1_000_000

Quiet = Callable[[Any], bool]
"""Whether nothing is to be heard in a frame."""


def silent(
    container: Any,
    indexes: Sequence[int],
    is_quiet: Quiet,
    *,
    errors: tuple[type[Exception], ...],
) -> dict[int, bool]:
    """
    Stream index → whether it was quiet at each of up to three places of the file.

    Lacks those that were not heard at every place: nothing is known of them.
    """
    streams = [container.streams[index] for index in indexes]
    names = set(container.format.name.split(","))
    places = _PLACES if names & SEEKABLE and container.duration else 1
    seconds = _SECONDS if places > 1 else _ALONE_SECONDS
    quiet = dict.fromkeys(indexes, True)
    heard = dict.fromkeys(indexes, 0)
    for place in range(places):
        since = None
        try:
            if place:
                since = (container.start_time or 0) + (
                    container.duration * place // places
                )
                container.seek(since)
                for stream in streams:
                    stream.codec_context.flush_buffers()
            packets = _from(container, streams, since)
            found = _listen(packets, indexes, is_quiet, seconds)
        except errors:
            continue
        for index, nothing in found.items():
            heard[index] += 1
            quiet[index] &= nothing
    # One sound is enough to know that a track has some.
    return {
        index: quiet[index]
        for index in indexes
        if heard[index] == places or (heard[index] and not quiet[index])
    }


def _from(
    container: Any, streams: Sequence[Any], since: int | None
) -> Iterator[tuple[int, Any]]:
    """
    (stream index, packet) from *since* on, in microseconds.

    Indexes may name few places: it is not always where one was sent.
    """
    for number, packet in enumerate(container.demux(*streams)):
        early = since is not None and packet.pts is not None
        if not early or packet.pts * packet.time_base * _MICROSECONDS >= since:
            yield packet.stream.index, packet
        if number >= _MOST_PACKETS:
            return


def _listen(
    packets: Iterator[tuple[int, Any]],
    indexes: Sequence[int],
    is_quiet: Quiet,
    seconds: Fraction,
) -> dict[int, bool]:
    found: dict[int, bool] = {}
    left = dict.fromkeys(indexes, seconds)
    for index, packet in packets:
        if left[index] > 0:
            for frame in packet.decode():
                left[index] -= Fraction(frame.samples, frame.sample_rate or 1)
                found[index] = found.get(index, True) and is_quiet(frame)
            if max(left.values()) <= 0:
                break
    return found
