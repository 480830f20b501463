"""Do playlists and MPD say of the files what the files say of themselves?"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from ..contract import (
    AudioRendition,
    Check,
    CmafPackaging,
    FilePackaging,
    Task,
    VideoRendition,
)
from .playlists import (
    BrokenPlaylist,
    Listed,
    MediaPlaylist,
    Representation,
    read_master_playlist,
    read_media_playlist,
    read_mpd,
)
from .segments import Segment
from .tracks import Track

_ROUNDING = Fraction(2, 1000)
"""EXTINF has three decimals; edges of both ends are rounded."""
_RATE_SLACK = Fraction(95, 100)
"""Of the measured peak, which must be announced: boxes may count or not."""
_RATE_EXCESS = 3
"""A player would pass over a rendition that claims more than this times its peak."""
_FRAME_RATE_SLACK = Fraction(1, 100)


def playlists_check(task: Task, tracks: Sequence[Track], *, staging: Path) -> Check:
    """
    Every file listed exactly once, every number that of the files.

    HLS: RFC 8216; MPD: ISO/IEC 23009-1.
    """
    packaging = task.recipe.packaging
    assert isinstance(packaging, CmafPackaging)
    wrong: list[str] = []
    known: set[str] = set()
    if packaging.hls:
        wrong += _hls(task, tracks, staging, known)
    if packaging.dash:
        wrong += _dash(tracks, staging, known)
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


# ── HLS ───────────────────────────────────────────────────────────────────────


def _hls(
    task: Task, tracks: Sequence[Track], staging: Path, known: set[str]
) -> Iterator[str]:
    for track in tracks:
        yield from _media_playlist(track, staging, known)
    try:
        master = read_master_playlist(
            (staging / "master.m3u8").read_text(encoding="utf-8")
        )
    except (OSError, UnicodeDecodeError, BrokenPlaylist) as exc:
        yield f"master.m3u8: {_said(exc)}"
        return
    recipe = task.recipe
    listed = [one.uri for one in (*master.variants, *master.groups)]
    planned = [f"video/{one.name}/index.m3u8" for one in recipe.video]
    planned += [f"audio/{one.name}/index.m3u8" for one in recipe.audio]
    if recipe.video or len(recipe.audio) > 1:
        unlisted = sorted(set(planned) - set(listed))
    else:  # a single soundtrack is a variant of its own
        unlisted = sorted(set(planned) - set(listed))
    yield from (f"master.m3u8 does not list {uri}" for uri in unlisted)
    yield from (
        f"master.m3u8 lists {uri}, which was not planned"
        for uri in sorted(set(listed) - set(planned))
    )
    by_uri = {f"{track.place}/index.m3u8": track for track in tracks}
    for variant in master.variants:
        if variant.uri in by_uri:
            yield from _variant(task, variant, by_uri[variant.uri], tracks)
    if (
        isinstance(recipe.packaging, CmafPackaging)
        and recipe.packaging.iframe_playlists
    ):
        named = {one.uri for one in master.iframes}
        for track in tracks:
            if track.is_video:
                yield from _iframes(track, staging, named, known)


def _read(staging: Path, name: str) -> MediaPlaylist | str:
    try:
        return read_media_playlist((staging / name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BrokenPlaylist) as exc:
        return f"{name}: {_said(exc)}"


def _said(exc: Exception) -> str:
    return "missing" if isinstance(exc, FileNotFoundError) else str(exc)


def _media_playlist(track: Track, staging: Path, known: set[str]) -> Iterator[str]:
    name = f"{track.place}/index.m3u8"
    playlist = _read(staging, name)
    if isinstance(playlist, str):
        yield playlist
        return
    uris = [entry.uri for entry in playlist.entries]
    known |= {name, f"{track.place}/{playlist.header}"}
    known |= {f"{track.place}/{uri}" for uri in uris}
    if len(set(uris)) < len(uris):
        yield f"{name} lists a segment twice"
    if not playlist.ended:
        yield f"{name} has no EXT-X-ENDLIST"
    longest = max(entry.seconds for entry in playlist.entries)
    if playlist.target_seconds < round(longest):
        yield f"{name}: a segment of {float(longest):.3f} s exceeds TARGETDURATION"
    for entry, segment in zip(playlist.entries, track.segments, strict=False):
        lasts = segment.duration * track.time_base
        if abs(entry.seconds - lasts) > _ROUNDING:
            yield (
                f"{name}: {entry.uri} is said to last {float(entry.seconds):.3f} s, "
                f"it lasts {float(lasts):.3f} s"
            )
            break


def _variant(
    task: Task, variant: Listed, track: Track, tracks: Sequence[Track]
) -> Iterator[str]:
    """What a player chooses by: peak rate, codecs, size, frame rate."""
    where, said = f"master.m3u8: {track.name}", variant.attributes
    target = _target(track)
    sound = [t for t in tracks if not t.is_video and t is not track]
    peak = _peak(track, target) + max((_peak(t, target) for t in sound), default=0)
    yield from _announced(where, said.get("BANDWIDTH"), peak)
    codecs = said.get("CODECS", "").split(",")
    for one in (track, *(sound[:1] if track.is_video else ())):
        if not any(_is_codec(text, one) for text in codecs):
            yield f"{where}: CODECS {said.get('CODECS')} lack its {one.codec}"
    if not track.is_video:
        return
    if said.get("RESOLUTION") != f"{track.width}x{track.height}":
        yield f"{where}: RESOLUTION {said.get('RESOLUTION')}, it is " + (
            f"{track.width}x{track.height}"
        )
    yield from _frame_rate(where, said.get("FRAME-RATE"), track)
    if task.recipe.audio and "AUDIO" not in said:
        yield f"{where}: no AUDIO group"


def _frame_rate(where: str, said: str | None, track: Track) -> Iterator[str]:
    """Between the mean and the highest rate: which of them, players do not care."""
    try:
        rate = Fraction(said or "")
    except (ValueError, ZeroDivisionError):
        yield f"{where}: frame rate {said} is no number"
        return
    steps = [b - a for a, b in zip(track.times, track.times[1:], strict=False) if b > a]
    shortest = min([*steps, track.length or 1]) * track.time_base
    low = (1 / track.longest_step) if track.longest_step else Fraction(0)
    high = max(1 / shortest, 1 / track.step)
    if not low * (1 - _FRAME_RATE_SLACK) <= rate <= high * (1 + _FRAME_RATE_SLACK):
        yield f"{where}: frame rate {said}, it is {float(1 / track.step):.3f}"


def _iframes(
    track: Track, staging: Path, named: set[str], known: set[str]
) -> Iterator[str]:
    """Each range is a keyframe, from its fragment's first byte or its own."""
    name = f"{track.place}/iframes.m3u8"
    playlist = _read(staging, name)
    if isinstance(playlist, str):
        yield playlist
        return
    known.add(name)
    if name not in named:
        yield f"master.m3u8 does not list {name}"
    if not playlist.iframes_only:
        yield f"{name} is not marked EXT-X-I-FRAMES-ONLY"
    segments = {segment.name: segment for segment in track.segments}
    for entry in playlist.entries:
        segment = segments.get(entry.uri)
        if segment is None:
            yield f"{name} lists {entry.uri}, which is no segment of it"
        elif entry.byte_range not in set(_key_ranges(segment)):
            yield f"{name}: no keyframe at {entry.byte_range} of {entry.uri}"
            break
    if {entry.uri for entry in playlist.entries} != set(segments):
        yield f"{name} does not list every segment"
    lasts = sum(segment.duration for segment in track.segments) * track.time_base
    if abs(playlist.seconds - lasts) > _ROUNDING * (len(playlist.entries) + 1):
        yield f"{name} lasts {float(playlist.seconds):.3f} s, not {float(lasts):.3f} s"


def _key_ranges(segment: Segment) -> Iterator[tuple[int, int]]:
    for index in segment.keyframes:
        at, size = segment.offsets[index], segment.sizes[index]
        yield size, at
        fragment = max(start for start in segment.fragments_at if start < at)
        yield at + size - fragment, fragment


def _target(track: Track) -> Fraction:
    return max(s.duration for s in track.segments) * track.time_base


def _peak(track: Track, target: Fraction) -> Fraction:
    """
    Bits per second at most, RFC 8216 §4.1.

    Over any run of segments that lasts between half and one and a half of *target*; over
    everything where no run does.
    """
    lengths = [segment.duration * track.time_base for segment in track.segments]
    sizes = [segment.bytes for segment in track.segments]
    best = Fraction(0)
    for first in range(len(lengths)):
        seconds, size = Fraction(0), 0
        for length, more in zip(lengths[first:], sizes[first:], strict=True):
            seconds, size = seconds + length, size + more
            if seconds > target * Fraction(3, 2):
                break
            if seconds >= target / 2:
                best = max(best, size * 8 / seconds)
    return best or sum(sizes) * 8 / (sum(lengths) or Fraction(1))


def _announced(where: str, said: str | None, peak: Fraction) -> Iterator[str]:
    if said is None or not said.isdecimal():
        yield f"{where}: bandwidth {said} is no number"
    elif int(said) < peak * _RATE_SLACK:
        yield f"{where}: bandwidth {said}, its peak is {int(peak)}"
    elif int(said) > peak * _RATE_EXCESS:
        yield f"{where}: bandwidth {said} is far above its peak of {int(peak)}"


def _is_codec(text: str, track: Track) -> bool:
    header = track.header
    if header is None:
        return False
    if header.codec_string is not None:
        return text.strip().lower() == header.codec_string.lower()
    return text.strip().lower().partition(".")[0] == header.sample_entry.lower()


# ── DASH ──────────────────────────────────────────────────────────────────────


def _dash(tracks: Sequence[Track], staging: Path, known: set[str]) -> Iterator[str]:
    try:
        mpd = read_mpd((staging / "manifest.mpd").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BrokenPlaylist) as exc:
        yield f"manifest.mpd: {_said(exc)}"
        return
    if not mpd.static:
        yield "manifest.mpd is not static"
    lasts = max((t.duration for t in tracks), default=Fraction(0))
    slack = max((t.longest_step for t in tracks), default=Fraction(0))
    if tracks and abs(mpd.seconds - lasts) > slack + _ROUNDING:
        yield (
            f"manifest.mpd lasts {float(mpd.seconds):.3f} s, the longest rendition "
            f"{float(lasts):.3f} s"
        )
    by_header = {one.header: one for one in mpd.representations}
    for track in tracks:
        found = by_header.pop(f"{track.place}/init.mp4", None)
        if found is None:
            yield f"manifest.mpd does not list {track.place}"
        else:
            known |= {found.header, *found.segments}
            yield from _representation(found, track)
    yield from (f"manifest.mpd lists {name}, which was not read" for name in by_header)


def _representation(found: Representation, track: Track) -> Iterator[str]:
    where, said = f"manifest.mpd: {track.name}", found.attributes
    files = tuple(f"{track.place}/{segment.name}" for segment in track.segments)
    if found.segments != files:
        yield f"{where}: {len(found.segments)} segments listed, there are {len(files)}"
    for index, segment in enumerate(track.segments[: len(found.starts)]):
        start, length = segment.start * track.time_base, segment.duration
        listed = Fraction(found.starts[index], found.timescale)
        lasts = Fraction(found.durations[index], found.timescale)
        if (
            abs(listed - start) > _ROUNDING
            or abs(lasts - length * track.time_base) > _ROUNDING
        ):
            yield (
                f"{where}: {segment.name} is listed at {float(listed):.3f} s for "
                f"{float(lasts):.3f} s, it is at {float(start):.3f} s for "
                f"{float(length * track.time_base):.3f} s"
            )
            break
    yield from _announced(where, said.get("bandwidth"), _peak(track, _target(track)))
    if not _is_codec(said.get("codecs", ""), track):
        yield f"{where}: codecs {said.get('codecs')}, it is {track.codec}"
    plan = track.plan
    if isinstance(plan, VideoRendition):
        if (said.get("width"), said.get("height")) != (
            str(track.width),
            str(track.height),
        ):
            yield f"{where}: {said.get('width')}x{said.get('height')}, it is " + (
                f"{track.width}x{track.height}"
            )
        yield from _frame_rate(where, said.get("frameRate"), track)
    if isinstance(plan, AudioRendition):
        if found.channels not in {None, track.channels}:
            yield f"{where}: {found.channels} channels, it has {track.channels}"
        rate = said.get("audioSamplingRate")
        if rate is not None and rate != str(track.sample_rate):
            yield f"{where}: {rate} Hz, it has {track.sample_rate}"
