"""Does the MPD say of the files what the files say of themselves?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from ...contract import AudioRendition, Task, VideoRendition
from .announced import (
    ROUNDING,
    announced,
    frame_rate,
    is_codec,
    lasts,
    lengths,
    total,
    track_rates,
)
from .colour import transfer_code
from .playlists import BrokenPlaylist, Representation, read_mpd
from .tracks import Track


def dash(
    task: Task, tracks: Sequence[Track], staging: Path, known: set[str]
) -> Iterator[str]:
    try:
        mpd = read_mpd((staging / "manifest.mpd").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BrokenPlaylist) as exc:
        missing = isinstance(exc, FileNotFoundError)
        yield f"manifest.mpd: {'missing' if missing else exc}"
        return
    if not mpd.static:
        yield "manifest.mpd is not static"
    if tracks:
        longest = max(track.end for track in tracks)
        # A packet of sound may begin before 0, and be cut there.
        slack = max((t.step for t in tracks if not t.is_video), default=Fraction(0))
        ends = (longest, max(total(track) for track in tracks))
        if all(abs(mpd.seconds - end) > slack + ROUNDING for end in ends):
            yield (
                f"manifest.mpd lasts {float(mpd.seconds):.3f} s, the longest "
                f"rendition {float(longest):.3f} s"
            )
    by_header = {one.header: one for one in mpd.representations}
    for track in tracks:
        found = by_header.pop(f"{track.place}/init.mp4", None)
        if found is None:
            yield f"manifest.mpd does not list {track.place}"
        else:
            known |= {found.header, *found.segments}
            yield from _representation(found, track)
            if track.is_video and found.transfer not in {None, transfer_code(task)}:
                yield (
                    f"manifest.mpd: {track.name}: transfer {found.transfer}, it is "
                    f"{transfer_code(task)}"
                )
    yield from (f"manifest.mpd lists {name}, which was not read" for name in by_header)
    yield from _switching(mpd.representations, tracks)


def _switching(
    every: Sequence[Representation], tracks: Sequence[Track]
) -> Iterator[str]:
    """One set for each codec of the picture, and each says which the others are."""
    codecs = {f"{it.place}/init.mp4": it.plan.codec for it in tracks if it.is_video}
    pictures = [one for one in every if one.kind == "video"]
    sets = {(one.group, codecs.get(one.header)) for one in pictures}
    names = {one.group_id for one in pictures}
    if len(sets) > len({*codecs.values()}) or len(names) < len(sets):
        yield (
            f"manifest.mpd has the picture in {len(sets)} adaptation sets, between "
            "which no player switches"
        )
        return
    for one in pictures:
        if one.switches != names - {one.group_id}:
            yield (
                f"manifest.mpd: adaptation set {one.group_id} says that it can be "
                f"switched with {', '.join(sorted(one.switches)) or 'none'}"
            )


def _representation(found: Representation, track: Track) -> Iterator[str]:
    where, said = f"manifest.mpd: {track.name}", found.attributes
    files = tuple(f"{track.place}/{segment.name}" for segment in track.segments)
    if found.segments != files:
        yield f"{where}: {len(found.segments)} segments listed, there are {len(files)}"
    for segment, true, at, span in zip(
        track.segments, lengths(track), found.starts, found.durations, strict=False
    ):
        start = segment.start * track.time_base
        listed, long = Fraction(at, found.timescale), Fraction(span, found.timescale)
        if abs(listed - start) > ROUNDING or not lasts(long, true):
            yield (
                f"{where}: {segment.name} is listed at {float(listed):.3f} s for "
                f"{float(long):.3f} s, it is at {float(start):.3f} s for "
                f"{float(true):.3f} s"
            )
            break
    yield from announced(where, said.get("bandwidth"), track_rates(track))
    if not is_codec(said.get("codecs", ""), track):
        yield f"{where}: codecs {said.get('codecs')}, it is {track.codec}"
    yield from _access_points(where, said.get("startWithSAP"), track)
    plan = track.plan
    if isinstance(plan, VideoRendition):
        size = f"{said.get('width')}x{said.get('height')}"
        if size != f"{track.width}x{track.height}":
            yield f"{where}: size {size}, it is {track.width}x{track.height}"
        yield from frame_rate(where, said.get("frameRate"), track)
    if isinstance(plan, AudioRendition):
        if found.channels not in {None, track.channels}:
            yield f"{where}: {found.channels} channels, it has {track.channels}"
        rate = said.get("audioSamplingRate")
        if rate is not None and rate != str(track.sample_rate):
            yield f"{where}: {rate} Hz, it has {track.sample_rate}"


def _access_points(where: str, said: str | None, track: Track) -> Iterator[str]:
    """
    Whether each segment begins with a keyframe, and shows nothing before it.

    ISO/IEC 23009-1 §5.3.3.2: @startWithSAP is the highest type of them all; without
    it no player may begin or switch anywhere but at the very beginning.
    """
    keys = set(track.keyframes)
    first = [segment.first for segment in track.segments]
    begun = [at in keys for at in first] if track.is_video else [True]
    leading = any(it.start < it.first for it in track.segments)
    true = ("2" if leading else "1") if all(begun) else None
    if said != true:
        yield f"{where}: startWithSAP {said}, its segments begin with type {true}"
