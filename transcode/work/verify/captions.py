"""Captions: is each file WebVTT, does it fit the video, and is it listed?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ...contract import CaptionRendition, Check, CmafPackaging, Task
from ..captions_listing import FOLDER, captions_file, captions_playlist
from ..command.languages import in_hls, shortest
from ..webvtt import BrokenCaptions, Cue, read
from .playlists import (
    BrokenPlaylist,
    ListedMedia,
    TextTrack,
    read_master_playlist,
    read_mpd,
    read_segment_list,
)
from .tracks import Track

_SLACK_MILLISECONDS = 500
"""A cue may be read a little longer than the last picture lasts."""
_YES = {True: "YES", False: "NO"}


def captions_check(task: Task, tracks: Sequence[Track], *, staging: Path) -> Check:
    """
    Every file is WebVTT with text in it, at ascending times that lie in the video.

    Where there are playlists, each names it with its language and flags. Cues:
    W3C WebVTT §4.1; HLS: RFC 8216 §4.3.4.1; DASH: ISO/IEC 23009-1 §5.3.3.
    """
    wrong: list[str] = []
    recipe = task.recipe
    end = max((track.end for track in tracks), default=None)
    cues = 0
    expected = set()
    for one in recipe.captions:
        expected.add(captions_file(one))
        read_back = _cues(one, staging)
        if isinstance(read_back, str):
            wrong.append(f"{captions_file(one)}: {read_back}")
            continue
        cues += len(read_back)
        wrong += [f"{captions_file(one)}: {it}" for it in _times(read_back, end)]
    packaging = recipe.packaging
    if isinstance(packaging, CmafPackaging) and packaging.hls:
        expected |= {captions_playlist(one) for one in recipe.captions}
        wrong += _hls(recipe.captions, staging)
    if isinstance(packaging, CmafPackaging) and packaging.dash:
        wrong += _dash(recipe.captions, staging)
    present = {str(it.relative_to(staging)) for it in (staging / FOLDER).glob("*")}
    wrong += [f"{name} was not planned" for name in sorted(present - expected)]
    return Check(
        name="captions",
        passed=not wrong,
        detail="; ".join(wrong)
        or f"{cues} cues in {len(recipe.captions)} tracks, within the video",
    )


def _cues(captions: CaptionRendition, staging: Path) -> tuple[Cue, ...] | str:
    try:
        text = (staging / captions_file(captions)).read_text(encoding="utf-8")
        return read(text) or "it has no cue"
    except FileNotFoundError:
        return "missing"
    except (OSError, UnicodeDecodeError, BrokenCaptions) as exc:
        return str(exc)


def _times(cues: Sequence[Cue], end: Fraction | None) -> Iterator[str]:
    for number, cue in enumerate(cues, 1):
        if cue.end <= cue.start:
            yield f"cue {number} ends before it begins"
            break
    for number, (one, other) in enumerate(pairwise(cues), 2):
        if other.start < one.start:
            yield f"cue {number} begins before the one above it"
            break
    last = max(cue.end for cue in cues)
    if end is not None and last > end * 1000 + _SLACK_MILLISECONDS:
        yield f"a cue ends at {last / 1000:.3f} s, the video at {float(end):.3f} s"


def _hls(captions: Sequence[CaptionRendition], staging: Path) -> Iterator[str]:
    try:
        text = (staging / "master.m3u8").read_text(encoding="utf-8")
        master = read_master_playlist(text)
    except (OSError, UnicodeDecodeError, BrokenPlaylist):
        return  # `playlists` says so
    listed = [it for it in master.groups if it.attributes.get("TYPE") == "SUBTITLES"]
    by_uri = {it.uri: it for it in listed}
    names = [it.attributes.get("NAME") for it in listed]
    if len(set(names)) < len(names):
        yield "master.m3u8 gives two tracks one name"
    if sum(it.attributes.get("DEFAULT") == "YES" for it in listed) > 1:
        yield "master.m3u8 has more than one default track"
    groups = {it.attributes.get("GROUP-ID") for it in listed}
    for variant in master.variants:
        if {variant.attributes.get("SUBTITLES")} != groups:
            yield f"master.m3u8: {variant.uri} does not name the subtitles"
    for one in captions:
        found = by_uri.get(captions_playlist(one))
        if found is None:
            yield f"master.m3u8 does not list {captions_playlist(one)}"
        else:
            yield from _flags(one, found)
        yield from _playlist(one, staging)


def _flags(captions: CaptionRendition, listed: ListedMedia) -> Iterator[str]:
    wanted = {
        "LANGUAGE": in_hls(captions.language),
        "DEFAULT": _YES[captions.default],
        "FORCED": _YES[captions.forced],
    }
    for name, value in wanted.items():
        said = listed.attributes.get(name)
        if said != value:
            yield f"master.m3u8: {captions.name} has {name} {said}, not {value}"


def _playlist(captions: CaptionRendition, staging: Path) -> Iterator[str]:
    name = captions_playlist(captions)
    try:
        uris = read_segment_list((staging / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield f"{name}: missing"
    except (OSError, UnicodeDecodeError, BrokenPlaylist) as exc:
        yield f"{name}: {exc}"
    else:
        if [f"{FOLDER}/{uri}" for uri in uris] != [captions_file(captions)]:
            yield f"{name} does not list {captions_file(captions)} alone"


def _dash(captions: Sequence[CaptionRendition], staging: Path) -> Iterator[str]:
    try:
        text = (staging / "manifest.mpd").read_text(encoding="utf-8")
        mpd = read_mpd(text)
    except (OSError, UnicodeDecodeError, BrokenPlaylist):
        return  # `playlists` says so
    by_uri = {it.uri: it for it in mpd.texts}
    for one in captions:
        found = by_uri.pop(captions_file(one), None)
        if found is None:
            yield f"manifest.mpd does not list {captions_file(one)}"
        else:
            yield from _described(one, found)
    yield from (f"manifest.mpd lists {uri}, which was not planned" for uri in by_uri)


def _described(captions: CaptionRendition, found: TextTrack) -> Iterator[str]:
    language = captions.language and shortest(captions.language)
    roles = {"forced-subtitle" if captions.forced else "subtitle"}
    roles |= {"main"} if captions.default else set()
    if found.mime_type != "text/vtt":
        yield f"manifest.mpd: {captions.name} is said to be {found.mime_type}"
    if found.language != language:
        yield f"manifest.mpd: {captions.name} is {found.language}, not {language}"
    if found.roles != roles:
        said = ", ".join(sorted(found.roles))
        yield f"manifest.mpd: {captions.name} has the roles {said}"
