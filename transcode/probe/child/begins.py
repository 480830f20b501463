"""Where sound begins of which no packet was among the first that were read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...media.demuxers import short
from .reader import CountingReader
from .tail_matroska import codec_delays

_INDEXED = frozenset({"matroska", "flv", "nut"})
"""Demuxers that a keyframe's time takes to its bytes, and from there on to all streams.
AVI counts packets, from its beginning on; libav finds no place in ASF."""
_NEAR_SECONDS = 0.5
"""Sound lies at most this far behind the picture that it belongs to: muxers interleave
by time. What is coarser is not found, and unknown."""
_MOST_PACKETS = 500
_SAME_SECONDS = 0.002
"""As clocks round."""


def unheard(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Soundtracks without a packet among those that were read."""
    if answer["index"] is not None or answer["whole"]:
        return []
    if short(answer["format"]) not in _INDEXED:
        return []
    return [
        it
        for it in answer["streams"]
        if it["type"] == "audio" and not it["packets"]["count"]
    ]


def forget_filled(answer: dict[str, Any]) -> None:
    """
    Drops the beginning and length of sound that are the file's own: libav fills them in
    where it opened the file before it met a packet. The first one was met since.
    """
    begins, lasts = answer["start"], answer["duration"]
    if answer["index"] is not None or answer["whole"]:
        return
    if short(answer["format"]) not in _INDEXED:
        return
    for facts in answer["streams"]:
        start, first = facts["start"], (facts.get("packets") or {}).get("first")
        if facts["type"] != "audio" or None in (begins, start, first):
            continue
        if abs(start - begins) < _SAME_SECONDS < first - begins:
            facts["start"] = facts["duration"] = None
            if facts["ends"] is None and lasts is not None:
                facts["ends"] = begins + lasts


def find_beginnings(
    reader: CountingReader,
    container: Any,
    answer: dict[str, Any],
    packet_errors: tuple[type[Exception], ...],
) -> None:
    """
    Fills in `start` and `duration` of what `unheard` names: seconds, None where it was
    not found within the reader's budget.

    What libav tells of them is not where they begin but 0, or nothing.
    """
    late = unheard(answer)
    keys = next(
        (it["index_keys"] for it in answer["streams"] if it.get("index_keys")), ()
    )
    delays: Sequence[float] = ()
    if late and short(answer["format"]) == "matroska":
        delays = codec_delays(reader)
    tracks = [it for it in answer["streams"] if it["type"] == "audio"]
    for facts in late:
        told, facts["start"], facts["duration"] = facts["duration"], None, None
        stream = container.streams[facts["index"]]
        first = _first(container, stream, keys, packet_errors) if keys else None
        if first is None or reader.spent:
            continue
        number = tracks.index(facts)
        delay = delays[number] if len(delays) == len(tracks) else 0.0
        facts["start"] = round(first + delay, 3)
        facts["duration"] = _length(facts, answer, delay, told)


def _length(
    facts: dict[str, Any], answer: dict[str, Any], delay: float, told: float | None
) -> float | None:
    """Seconds from its beginning to where the file says that it ends."""
    ends: float | None = facts["ends"]
    start: float = facts["start"]
    if ends is not None:
        # Counted as blocks are, before what only primes the decoder is taken.
        ends -= delay
    elif short(answer["format"]) == "matroska":
        # By mkvmerge, counted from its first packet.
        return told
    elif answer["duration"] is not None:
        # libav gives to each stream what the file lasts.
        ends = answer["duration"] + (answer["start"] or 0.0)
    return None if ends is None or ends <= start else ends - start


def _first(
    container: Any,
    stream: Any,
    keys: Sequence[float],
    packet_errors: tuple[type[Exception], ...],
) -> float | None:
    """
    Seconds of the first packet, by bisection: from where it began it goes on.
    """

    def near(place: int) -> float | None:
        until = keys[place] + _NEAR_SECONDS
        return _heard_from(container, stream, keys[place], until, packet_errors)

    # Mostly it is just behind a picture that took all that was to be read.
    if (found := near(0)) is not None or len(keys) == 1:
        return found
    silent, heard = 0, len(keys) - 1
    if near(heard) is None:
        return None
    while heard - silent > 1:
        middle = (silent + heard) // 2
        if near(middle) is None:
            silent = middle
        else:
            heard = middle
    # Behind the last place with none near it, or long before the next.
    return _heard_from(container, stream, keys[silent], None, packet_errors)


def _heard_from(
    container: Any,
    stream: Any,
    since: float,
    until: float | None,
    packet_errors: tuple[type[Exception], ...],
) -> float | None:
    """Seconds of the stream's first packet behind a keyframe; None before *until*."""
    try:
        container.seek(round(since * 1_000_000))
        for number, packet in enumerate(container.demux()):
            if packet.pts is None:
                continue
            seconds = float(packet.pts * packet.time_base)
            if packet.stream_index == stream.index:
                return seconds
            if (until is not None and seconds > until) or number > _MOST_PACKETS:
                break
    except packet_errors:
        pass
    return None
