"""Raw facts of a soundtrack → AudioStream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract import AudioKind, AudioStream
from .times import language, overlaps, times

Raw = Mapping[str, Any]


def audio_stream(stream: Raw) -> AudioStream:
    """What the demuxer knows of a soundtrack, absent facts with a reason."""
    start, duration = times(stream)
    unknown = {}
    if start is None:
        unknown["start_seconds"] = "none of its packets was among those that were read"
    if duration is None:
        unknown["duration_seconds"] = "nothing in the file tells it"
    if stream.get("layout") is None:
        unknown["layout"] = "the stream names none"
    return AudioStream(
        index=stream["index"],
        codec=stream["codec"] or "unknown",
        profile=stream["profile"],
        sample_rate=stream.get("sample_rate"),
        channels=stream.get("channels"),
        layout=stream.get("layout"),
        channel=stream.get("channel"),
        start_seconds=start,
        duration_seconds=duration,
        bit_rate=stream["bit_rate"],
        language=language(stream),
        title=stream["title"],
        default="default" in stream["disposition"],
        program=stream.get("program"),
        decodable=stream["decodable"] and not stream.get("encrypted"),
        retimed="count" if overlaps(stream) else None,
        silent=stream.get("silent"),
        kind=_purpose(set(stream["disposition"])),
        unknown=unknown,
    )


def _purpose(flags: set[str]) -> AudioKind:
    if flags & {"visual_impaired", "descriptions"}:
        return "description"
    return "commentary" if "comment" in flags else "main"
