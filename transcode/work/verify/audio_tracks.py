"""Soundtracks: do playlists and MPD offer each by its language and purpose?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...contract import AudioRendition, Check, CmafPackaging, Recipe
from ..command.languages import in_hls, shortest
from ..package import INIT, MANIFEST, MASTER, PLAYLIST, folder, role
from .playlists import BrokenPlaylist, read_master_playlist, read_mpd

_YES = {True: "YES", False: "NO"}


def soundtracks_check(recipe: Recipe, *, staging: Path) -> Iterator[Check]:
    """
    One check where a streaming task has sound: language, default, name, role.

    HLS: RFC 8216 §4.3.4.1; DASH: ISO/IEC 23009-1 §5.8.5.5.
    """
    packaging, audio = recipe.packaging, recipe.audio
    if not isinstance(packaging, CmafPackaging) or not audio:
        return
    wrong: list[str] = []
    if packaging.hls and recipe.video:
        wrong += _hls(audio, staging)
    if packaging.dash:
        wrong += _dash(audio, staging)
    yield Check(
        name="soundtracks",
        passed=not wrong,
        detail="; ".join(wrong) or f"{len(audio)} offered by language and purpose",
    )


def _hls(audio: Sequence[AudioRendition], staging: Path) -> Iterator[str]:
    try:
        text = (staging / MASTER).read_text(encoding="utf-8")
        master = read_master_playlist(text)
    except (OSError, UnicodeDecodeError, BrokenPlaylist):
        return  # `playlists` says so
    listed = [it for it in master.groups if it.attributes.get("TYPE") == "AUDIO"]
    by_uri = {it.uri: it.attributes for it in listed}
    names = Counter(
        (it.attributes.get("GROUP-ID"), it.attributes.get("NAME")) for it in listed
    )
    yield from (
        f"{MASTER} gives {count} soundtracks the name {name}"
        for (_, name), count in names.items()
        if count > 1
    )
    for sound in audio:
        found = by_uri.get(f"{folder(sound)}/{PLAYLIST}")
        if found is None:
            yield f"{MASTER} does not list {sound.name}"
            continue
        wanted = {
            "LANGUAGE": in_hls(sound.language),
            "DEFAULT": _YES[sound.default],
        }
        for name, value in wanted.items():
            if found.get(name) != value:
                said = found.get(name)
                yield f"{MASTER}: {sound.name} has {name} {said}, not {value}"
        yield from _codes(MASTER, sound, found.get("NAME"))
        if ("CHARACTERISTICS" in found) != (sound.kind == "description"):
            yield f"{MASTER}: {sound.name} is {sound.kind}, and is not said to be"


def _dash(audio: Sequence[AudioRendition], staging: Path) -> Iterator[str]:
    try:
        text = (staging / MANIFEST).read_text(encoding="utf-8")
        mpd = read_mpd(text)
    except (OSError, UnicodeDecodeError, BrokenPlaylist):
        return  # `playlists` says so
    by_header = {it.header: it for it in mpd.representations}
    for sound in audio:
        found = by_header.get(f"{folder(sound)}/{INIT}")
        if found is None:
            yield f"{MANIFEST} does not list {sound.name}"
            continue
        language = sound.language and shortest(sound.language)
        if found.attributes.get("lang") != language:
            said = found.attributes.get("lang")
            yield f"{MANIFEST}: {sound.name} is in {said}, not {language}"
        yield from _codes(MANIFEST, sound, found.label)
        if found.roles != {role(sound)}:
            said = ", ".join(sorted(found.roles)) or "none"
            yield f"{MANIFEST}: {sound.name} has the role {said}, not {role(sound)}"


def _codes(where: str, sound: AudioRendition, name: str | None) -> Iterator[str]:
    """Whether its name in menus is one that a viewer can read."""
    codes = {sound.name, sound.codec, sound.language, shortest(sound.language or "")}
    if not name or (name in codes and name != sound.title):
        yield f"{where}: {sound.name} is called {name}, which is no viewer's word"
