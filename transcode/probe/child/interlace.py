"""Looks for fields in the pictures themselves: what a stream says may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from ...media.demuxers import SEEKABLE

_HEIGHTS = frozenset({480, 486, 512, 576, 608, 1080, 1088})
"""Coded lines of what was ever broadcast or recorded in fields."""
_FASTEST = 31
"""Frames per second: 60 fields and rounding."""
_PLACES = 3
_MOST_FRAMES = 60
_MOST_LINES = 12_000_000
"""Pixels that are decoded at most: a tenth of a second of H.264 in one thread."""
_COUNTS = {"top": "tff", "bottom": "bff", "progressive": "progressive"}

Graph = Callable[[Any], Any]
"""A frame → a configured filter graph that tells fields, for frames like it."""


def may_lie(facts: Mapping[str, Any]) -> bool:
    """Whether a picture has the size and rate of what comes in fields."""
    if facts.get("height") not in _HEIGHTS:
        return False
    above, _, below = (facts.get("average_rate") or "25/1").partition("/")
    return int(above) <= _FASTEST * int(below or 1)


def count_fields(
    container: Any,
    facts: Mapping[str, Any],
    graph: Graph,
    *,
    errors: tuple[type[Exception], ...],
) -> dict[str, int]:
    """
    How many frames were told to be of which kind; frames without motion are none.

    From up to three places of the file, as far as its bytes may be read.
    """
    stream = container.streams[facts["index"]]
    most = min(_MOST_FRAMES, _MOST_LINES // max(1, facts["width"] * facts["height"]))
    names = set(container.format.name.split(","))
    places = _PLACES if names & SEEKABLE and container.duration else 1
    found = dict.fromkeys(_COUNTS, 0)
    for place in range(places):
        try:
            if place:
                start = container.start_time or 0
                container.seek(start + container.duration * place // places)
                stream.codec_context.flush_buffers()
            seen = _count(islice(_frames(container, stream), most // places), graph)
        except errors:
            continue
        found = {name: found[name] + seen[name] for name in found}
    return found


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    for packet in container.demux(stream):
        yield from packet.decode()


def _count(frames: Iterator[Any], make: Graph) -> dict[str, int]:
    last: Mapping[str, str] = {}
    graph = None
    for frame in frames:
        if graph is None:
            graph = make(frame)
        graph.vpush(frame)
        last = _pulled(graph) or last
    if graph is not None:
        graph.vpush(None)
        last = _pulled(graph) or last
    return {
        name: int(float(last.get(f"lavfi.idet.multiple.{word}", 0)))
        for name, word in _COUNTS.items()
    }


def _pulled(graph: Any) -> Mapping[str, str]:
    """The running totals with the last frame that the graph has ready."""
    last: Mapping[str, str] = {}
    while True:
        try:
            last = graph.vpull().metadata
        except (BlockingIOError, EOFError):
            return last
