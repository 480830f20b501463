"""Start and duration of one stream, from the best witness there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def times(stream: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """
    (start, duration) in seconds; None where nothing but a guess is left.

    Sample tables before counted packets, these before the times at head and tail, and
    the header last.
    """
    if line := stream.get("timeline"):
        return line["start"], line["duration"]
    start = stream["start"]
    packets = stream.get("packets") or {}
    first = packets.get("first")
    if packets.get("whole") and first is not None and packets["end"] is not None:
        return first, packets["end"] - first
    if span := stream.get("span"):
        return start if start is not None else first, span["seconds"]
    if (end := stream.get("tail_end")) is not None and first is not None:
        return first, end - first
    return start, stream["duration"]


def language(stream: Mapping[str, Any]) -> str | None:
    """The tag as the container gives it; None where it says "undetermined"."""
    tag = stream["language"]
    return None if tag in (None, "", "und") else str(tag)
