"""Is every file listed as it is, and does every MP4 begin with its index?"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...contract import Check, CmafPackaging, FilePackaging, Task
from .announced import ROUNDING
from .dash import dash
from .hls import hls
from .tracks import Track


def playlists_check(
    task: Task, packaging: CmafPackaging, tracks: Sequence[Track], *, staging: Path
) -> Check:
    """
    Every file listed exactly once, every number that of the files.

    HLS: RFC 8216; MPD: ISO/IEC 23009-1.
    """
    wrong: list[str] = []
    known: set[str] = set()
    if packaging.hls:
        wrong += hls(task, tracks, staging, known)
    if packaging.dash:
        wrong += dash(task, tracks, staging, known)
    wrong += _late(tracks)
    present = {
        str(path.relative_to(staging))
        for folder in ("video", "audio")
        for path in (staging / folder).rglob("*")
        if path.is_file()
    }
    wrong += [f"{name} is in no playlist" for name in sorted(present - known)[:3]]
    return Check(
        name="playlists",
        passed=not wrong,
        detail="; ".join(wrong) or f"{len(known)} files listed as they are",
    )


def _late(tracks: Sequence[Track]) -> Iterator[str]:
    """
    Encoded sound that does not begin at 0, where silence would have been put.

    Players that need all tracks to begin jump over such a hole (hls.js tells of it as
    `bufferSeekOverHole`), or wait.
    """
    for track in tracks:
        begins = track.times[0] * track.time_base
        encoded = not track.is_video and track.plan.made_by == "encoded"
        if encoded and begins > ROUNDING:
            yield f"{track.place} begins at {float(begins):.4f} s: a hole before it"


def faststart_check(packaging: FilePackaging, *, staging: Path) -> Iterator[Check]:
    """One check for all MP4 files, none without any: the index precedes the samples."""
    names = [file.name for file in packaging.files if file.container == "mp4"]
    if not names:
        return
    wrong = [name for name in names if not _index_first(staging / name)]
    yield Check(
        name="faststart",
        passed=not wrong,
        detail=f"the index does not come first in {', '.join(wrong)}"
        if wrong
        else "the index comes first",
    )


def _index_first(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            at = 0
            size: int
            kind: bytes
            while len(start := file.read(16)) >= 8:  # noqa: PLR2004  a box's header
                size, kind = struct.unpack_from(">I4s", start)
                if kind in {b"moov", b"mdat"}:
                    return kind == b"moov"
                if size == 1:
                    (size,) = struct.unpack_from(">Q", start, 8)
                if size < 8:  # noqa: PLR2004  0 means to the end of the file
                    return False
                at += size
                file.seek(at)
    except (OSError, struct.error):
        return False
    return False
