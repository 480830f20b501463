"""Decides from what the child saw whether the end of a file is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract import Truncation

_PROMISING = frozenset({"matroska", "avi", "flv", "wav", "mp3", "asf", "rm", "mov"})
"""Demuxers whose duration is the header's word, and not made from what was read."""

Raw = Mapping[str, Any]


def truncation(raw: Raw) -> Truncation | None:
    """
    Why the file was certainly cut off; None where nothing says so.

    Of MP4 and MOV the sample tables, the segment index and the boxes are asked: one
    byte of one sample missing is enough. Of the others, what `ending` found.
    """
    name = str(raw["format"]).split(",")[0]
    claimed = raw["duration"] if name in _PROMISING else None
    index = raw["index"]
    if index is None:
        reason = raw.get("cut")
        return Truncation(reason=reason, promised_seconds=claimed) if reason else None
    for stream in raw["streams"]:
        if stream["type"] in {"video", "audio"} and stream.get("missing", 0) > 0:
            return _promised(stream["missing"], stream["timeline"]["duration"])
    if index["sidx_missing_seconds"] > 0:
        return _promised(index["sidx_missing_seconds"], index["sidx_seconds"] or 0.0)
    if index["cut_bytes"] and index["last_box"]:
        return Truncation(
            reason=f"its last box ({index['last_box']}) ends {index['cut_bytes']} "
            "bytes past the end of the file",
            promised_seconds=claimed,
        )
    return None


def _promised(missing: float, whole: float) -> Truncation:
    return Truncation(
        reason=f"its index promises {whole:.1f} s, and the media of about "
        f"{max(missing, 0.1):.1f} s of them lie past its end",
        promised_seconds=round(whole, 6),
    )
