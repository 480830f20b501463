"""Do the HLS playlists say of the files what the files say of themselves?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from ...contract import CmafPackaging, Task
from ..captions_listing import captions_playlist
from ..package import fragment_seconds
from .announced import (
    ROUNDING,
    BitRates,
    announced,
    averaged,
    bit_rates,
    frame_rate,
    highest,
    is_codec,
    lasts,
    lengths,
)
from .cmaf import Segment
from .colour import video_range
from .playlists import (
    BrokenPlaylist,
    ListedMedia,
    MasterPlaylist,
    MediaPlaylist,
    read_fetched,
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
    rates = {uri: _rates(staging, uri) for uri in listed}
    for variant in master.variants:
        if variant.uri in by_uri:
            track = by_uri[variant.uri]
            group = [
                by_uri[it.uri]
                for it in master.groups
                if it.uri in by_uri
                and it.attributes.get("GROUP-ID") == variant.attributes.get("AUDIO")
            ]
            yield from _variant(task, variant, track, group)
            true = rates[variant.uri] + _beside(variant, master, rates)
            yield from _said_rates(f"master.m3u8: {track.name}", variant, true)
    if (
        isinstance(recipe.packaging, CmafPackaging)
        and recipe.packaging.iframe_playlists
    ):
        named = {one.uri: one for one in master.iframes}
        for track in tracks:
            if track.is_video:
                apart = Fraction(fragment_seconds(recipe))
                yield from _iframes(track, staging, known, apart=apart)
                yield from _listed_iframes(track, named, staging)


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
                f"it lasts {float(true):.3f} s"
            )
            break


def _variant(
    task: Task, variant: ListedMedia, track: Track, group: Sequence[Track]
) -> Iterator[str]:
    """What a player chooses by: peak rate, codecs, size, frame rate."""
    where, said = f"master.m3u8: {track.name}", variant.attributes
    codecs = said.get("CODECS", "").split(",")
    for one in (track, *group[:1]):
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


def _rates(staging: Path, uri: str) -> BitRates:
    """What a player fetches that goes by this playlist: its lengths, files' sizes."""
    folder = (staging / uri).parent
    try:
        text = (staging / uri).read_text(encoding="utf-8")
        fetched, target = read_fetched(text)
        sizes = [
            (folder / it.uri).stat().st_size
            if it.byte_range is None
            else it.byte_range[0]
            for it in fetched
        ]
    except (OSError, UnicodeDecodeError, BrokenPlaylist):
        return BitRates()  # said elsewhere
    lengths = [it.seconds for it in fetched]
    return bit_rates(list(zip(sizes, lengths, strict=True)), target)


def _beside(
    variant: ListedMedia, master: MasterPlaylist, rates: Mapping[str, BitRates]
) -> BitRates:
    """What is fetched with it at most: one of each group that it names."""
    groups = [
        highest(
            rates[it.uri]
            for it in master.groups
            if it.attributes.get("TYPE") == kind
            and it.attributes.get("GROUP-ID") == variant.attributes.get(kind)
            and it.uri != variant.uri
        )
        for kind in ("AUDIO", "SUBTITLES")
    ]
    return groups[0] + groups[1]


def _said_rates(where: str, listed: ListedMedia, true: BitRates) -> Iterator[str]:
    said = listed.attributes
    yield from announced(where, said.get("BANDWIDTH"), true)
    yield from averaged(where, said.get("AVERAGE-BANDWIDTH"), true)


def _listed_iframes(
    track: Track, named: Mapping[str, ListedMedia], staging: Path
) -> Iterator[str]:
    name = f"{track.place}/iframes.m3u8"
    if name not in named:
        yield f"master.m3u8 does not list {name}"
        return
    where = f"master.m3u8: keyframes of {track.name}"
    yield from _said_rates(where, named[name], _rates(staging, name))
    size = f"{track.width}x{track.height}"
    if (said := named[name].attributes.get("RESOLUTION")) != size:
        yield f"{where}: RESOLUTION {said}, it is {size}"


def _iframes(
    track: Track, staging: Path, known: set[str], *, apart: Fraction
) -> Iterator[str]:
    """
    Each range is a keyframe, from its fragment's first byte, until the next one shows.

    All of them are listed but those less than *apart* from the one before.
    """
    name = f"{track.place}/iframes.m3u8"
    playlist = _read(staging, name)
    if isinstance(playlist, str):
        yield playlist
        return
    known.add(name)
    if not playlist.iframes_only:
        yield f"{name} is not marked EXT-X-I-FRAMES-ONLY"
    segments = {segment.name: segment for segment in track.segments}
    shown: list[Fraction] = []
    for entry in playlist.entries:
        segment = segments.get(entry.uri)
        ranges = {} if segment is None else dict(_key_ranges(segment))
        if segment is None:
            yield f"{name} lists {entry.uri}, which is no segment of it"
        elif entry.byte_range not in ranges:
            yield f"{name}: no keyframe at {entry.byte_range} of {entry.uri}"
        else:
            shown.append(ranges[entry.byte_range] * track.time_base)
            continue
        return
    for entry, at, after in zip(
        playlist.entries, shown, [*shown[1:], track.end], strict=True
    ):
        if abs(entry.seconds - (after - at)) > ROUNDING:
            yield (
                f"{name}: the keyframe at {float(at):.3f} s is said to last "
                f"{float(entry.seconds):.3f} s, the next comes after "
                f"{float(after - at):.3f} s"
            )
            break
    yield from _unlisted(name, track, set(shown), apart=apart)


def _unlisted(
    name: str, track: Track, listed: set[Fraction], *, apart: Fraction
) -> Iterator[str]:
    before: Fraction | None = None
    for at in (key * track.time_base for key in track.keyframes):
        if at in listed:
            before = at
        elif before is None or at - before >= apart:
            yield f"{name} does not list the keyframe at {float(at):.3f} s"
            return


def _key_ranges(segment: Segment) -> Iterator[tuple[tuple[int, int], int]]:
    """Length and offset of what a player needs to show each keyframe; its time."""
    for at, size, shown, _ in segment.keyframes:
        fragment = max(start for start in segment.fragments_at if start < at)
        yield (at + size - fragment, fragment), shown
