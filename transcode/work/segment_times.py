"""Segments begin and end when their pictures do: playlists and MPD made to say so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from math import floor
from pathlib import Path

from ..contract import CmafPackaging, Task
from .command.timing import evenly_spaced
from .package import INIT, MANIFEST, PLAYLIST, folder
from .verify.cmaf import (
    BrokenSegment,
    Segment,
    read_header,
    read_segment,
    shown_until,
)
from .verify.playlists import BrokenPlaylist, read_media_playlist

_EXTINF = re.compile(r"^#EXTINF:[^,\n]*", re.MULTILINE)
_TARGET = re.compile(r"^#EXT-X-TARGETDURATION:(\d+)", re.MULTILINE)
_TIMELINE = re.compile(r"<SegmentTimeline>.*?</SegmentTimeline>", re.DOTALL)


def restate(task: Task, staging: Path) -> None:
    """
    Correct what playlists and MPD say of how long each segment of a picture lasts.

    The packager adds up the durations of samples, which is how long each is until the
    next is decoded. Around a still stretch pictures that are reordered have one
    another's, and the sums are off by as much. A segment lasts from its first picture
    until the next segment's, the last until all samples together have been shown.

    What cannot be read is left as it is: verification says what is wrong with it.
    """
    recipe = task.recipe
    if not isinstance(recipe.packaging, CmafPackaging) or evenly_spaced(task):
        return
    manifest = staging / MANIFEST
    text = manifest.read_text(encoding="utf-8") if manifest.exists() else None
    for rendition in recipe.video:
        place = folder(rendition)
        try:
            scale, bounds = _bounds(staging / place)
        except (OSError, BrokenPlaylist, BrokenSegment):
            continue
        spans = [Fraction(b - a, scale) for a, b in pairwise(bounds)]
        playlist = staging / place / PLAYLIST
        if playlist.exists():
            said = playlist.read_text(encoding="utf-8")
            playlist.write_text(_listed(said, spans), encoding="utf-8")
        if text is not None:
            text = _timed(text, f"{place}/{INIT}", scale, bounds)
    if text is not None:
        manifest.write_text(text, encoding="utf-8")


def _bounds(place: Path) -> tuple[int, list[int]]:
    """Ticks per second; when each segment begins, and when the last one ends."""
    header = read_header(place / INIT)
    playlist = place / PLAYLIST
    if playlist.exists():
        entries = read_media_playlist(playlist.read_text(encoding="utf-8")).entries
        paths = [place / entry.uri for entry in entries]
    else:
        paths = sorted(place.glob("*.m4s"))
    segments: list[Segment] = [read_segment(path, header) for path in paths]
    if not segments:
        raise BrokenSegment("it has no segments")
    starts = [segment.start for segment in segments]
    return header.timescale, [*starts, shown_until(segments)]


def _listed(text: str, spans: Sequence[Fraction]) -> str:
    left = iter(spans)
    text = _EXTINF.sub(
        lambda found: next((f"#EXTINF:{float(it):.3f}" for it in left), found[0]), text
    )
    # RFC 8216, 4.3.3.1: no segment is longer when rounded to whole seconds.
    most = max(floor(it + Fraction(1, 2)) for it in spans)
    return _TARGET.sub(
        lambda found: f"#EXT-X-TARGETDURATION:{max(most, int(found[1]))}", text
    )


def _timed(text: str, header: str, scale: int, bounds: Sequence[int]) -> str:
    """*text* with another timeline for the representation whose header that is."""
    parts = re.split(r"(?=<Representation\b)", text)
    for number, part in enumerate(parts):
        said = re.search(r'\btimescale="(\d+)"', part)
        if f'"{header}"' in part and said is not None:
            ratio = Fraction(int(said[1]), scale)
            at = [round(bound * ratio) for bound in bounds]
            parts[number] = _TIMELINE.sub(_timeline(at), part, count=1)
    return "".join(parts)


def _timeline(bounds: Sequence[int]) -> str:
    lengths = [b - a for a, b in pairwise(bounds)]
    entries, begins = [], f' t="{bounds[0]}"'
    for length, run in groupby(lengths):
        more = len(list(run)) - 1
        repeated = f' r="{more}"' if more else ""
        entries.append(f'<S{begins} d="{length}"{repeated}/>')
        begins = ""
    return f"<SegmentTimeline>{''.join(entries)}</SegmentTimeline>"
