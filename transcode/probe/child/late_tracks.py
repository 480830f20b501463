"""Tracks that begin after a file was opened, where others of their kind have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .packets import Scan
from .reader import Refused
from .streams import sections
from .timestamps import TimeSpan

_KINDS = ("Video", "Audio")
_CODES = {"video": range(0xE0, 0xF0), "audio": range(0xC0, 0xE0)}
"""`stream_id` of PES packets (ISO 13818-1, table 2-22)."""
_ENDED_SHARE = 0.9
"""Of the file's bytes: a track whose last packet lies before this has ended early."""


def refuse_taken_over(
    streams: Sequence[Mapping[str, Any]], seen: Scan, dump: str, size: int
) -> None:
    """
    Raises `Refused` where picture or sound goes on in a track that was not there when
    the file was opened; *dump* is what libav says of it when all of it was read.

    One that begins later beside another, as a language may, is nobody's loss: what is
    used was there before, and goes on.
    """
    for kind in _late(streams, dump):
        ends = [
            seen.streams[it["index"]].position
            for it in streams
            if it["type"] == kind and it["index"] in seen.streams
        ]
        if any(end is None or end >= size * _ENDED_SHARE for end in ends):
            continue
        raise _refused(kind)


def refuse_taken_over_later(
    streams: Sequence[Mapping[str, Any]], regions: Sequence[Mapping[int, TimeSpan]]
) -> None:
    """The same of a transport stream that was read in some places only."""
    known = {it["id"] for it in streams}
    for kind, codes in _CODES.items():
        mine = {it["id"] for it in streams if it["type"] == kind}
        there = [
            any(pid not in known and span.code in codes for pid, span in region.items())
            for region in regions
        ]
        if not there[-1]:
            continue
        rest = regions[there.index(True) :]
        if not any(mine & set(region) for region in rest):
            raise _refused(kind)


def _refused(kind: str) -> Refused:
    name = {"video": "picture", "audio": "sound"}[kind]
    return Refused(
        "unsupported",
        f"its {name} is in a track that begins in mid-stream; bring it to one form"
        " first",
    )


def _late(streams: Sequence[Mapping[str, Any]], dump: str) -> Iterator[str]:
    for index, text in sections(dump).items():
        if index >= len(streams):
            yield from (kind.lower() for kind in _KINDS if f": {kind}: " in text)
