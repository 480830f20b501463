"""Do the HLS playlists say of the files what the files say of themselves?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...contract import CmafPackaging, Task
from ..captions_listing import captions_playlist
from .announced import announced, frame_rate, is_codec, lasts, lengths, peak_rate, total
from .cmaf import Segment
from .colour import video_range
from .playlists import (
    BrokenPlaylist,
    Listed,
    MediaPlaylist,
    read_master_playlist,
    read_media_playlist,
)
from .tracks import Track


def hls(
    task: Task, tracks: Sequence[Track], staging: Path, known: set[str]
) -> Iterator[str]:
    for track in tracks:
        yield from _media_playlist(track, staging, known)
    recipe = task.recipe
    planned = [f"video/{one.name}/index.m3u8" for one in recipe.video]
    planned += [f"audio/{one.name}/index.m3u8" for one in recipe.audio]
    for name in planned:
        # Of the others the files could not be read; their playlist may be why.
        if isinstance(problem := _read(staging, name), str):
            yield problem
    try:
        master = read_master_playlist(
            (staging / "master.m3u8").read_text(encoding="utf-8")
        )
    except (OSError, UnicodeDecodeError, BrokenPlaylist) as exc:
        yield f"master.m3u8: {_said(exc)}"
        return
    planned += [captions_playlist(one) for one in recipe.captions]
    listed = [one.uri for one in (*master.variants, *master.groups)]
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
        return  # said already
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
    for entry, true in zip(playlist.entries, lengths(track), strict=False):
        if not lasts(entry.seconds, true):
            yield (
                f"{name}: {entry.uri} is said to last {float(entry.seconds):.3f} s, "
                f"it lasts {float(true[1]):.3f} s"
            )
            break


def _variant(
    task: Task, variant: Listed, track: Track, tracks: Sequence[Track]
) -> Iterator[str]:
    """What a player chooses by: peak rate, codecs, size, frame rate."""
    where, said = f"master.m3u8: {track.name}", variant.attributes
    sound = [t for t in tracks if not t.is_video and t is not track]
    peak = peak_rate(track) + max((peak_rate(t) for t in sound), default=0)
    yield from announced(where, said.get("BANDWIDTH"), peak)
    codecs = said.get("CODECS", "").split(",")
    for one in (track, *(sound[:1] if track.is_video else ())):
        if not any(is_codec(text, one) for text in codecs):
            yield f"{where}: CODECS {said.get('CODECS')} lack its {one.codec}"
    if not track.is_video:
        return
    size = f"{track.width}x{track.height}"
    if said.get("RESOLUTION") != size:
        yield f"{where}: RESOLUTION {said.get('RESOLUTION')}, it is {size}"
    yield from frame_rate(where, said.get("FRAME-RATE"), track)
    if (shown := said.get("VIDEO-RANGE", "SDR")) != (planned := video_range(task)):
        yield f"{where}: VIDEO-RANGE {shown}, it is {planned}"
    if task.recipe.audio and "AUDIO" not in said:
        yield f"{where}: no AUDIO group"


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
    true = total(track)
    slack = track.longest_step  # the packager takes the last one from elsewhere
    if not lasts(playlist.seconds, true, parts=len(playlist.entries), slack=slack):
        said = float(playlist.seconds)
        yield f"{name} lasts {said:.3f} s, not {float(true[1]):.3f} s"


def _key_ranges(segment: Segment) -> Iterator[tuple[int, int]]:
    for index in segment.keyframes:
        at, size = segment.offsets[index], segment.sizes[index]
        yield size, at
        fragment = max(start for start in segment.fragments_at if start < at)
        yield at + size - fragment, fragment
