"""The packager's indexes → what players can rely on."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from ..contract import AudioRendition, CmafPackaging, Task, VideoRendition
from .captions_listing import captions_file
from .command.languages import in_hls
from .dash_mend import mended_manifest
from .hls_mend import iframe_playlist, mended_master, with_lengths
from .package import IFRAMES, INIT, MANIFEST, MASTER, PLAYLIST, folder
from .served import Resource, Served, serve
from .stills import SPRITES_FOLDER
from .stills_listing import PLAYLIST as IMAGES
from .stills_listing import image_playlist, image_set, image_tag
from .track_names import sound_names


def mend(task: Task, staging: Path) -> None:
    """
    Say in the indexes what the packager does not know, or does not say.

    Bit rates: of I-frame playlists it gives an average above the peak, and it leaves
    out a last segment that is short. Frame rates: it takes one picture's length for
    all. Keyframes: it lists one for each segment. Lengths of segments: it adds up times
    until the next picture is decoded. Which soundtrack a player takes
    unasked: it knows it by language alone. Nothing is raised for an index that cannot
    be read: verification says what is wrong with it.
    """
    recipe = task.recipe
    packaging = recipe.packaging
    if not isinstance(packaging, CmafPackaging):
        return
    for sound in recipe.audio:
        if sound.codec == "opus" and sound.made_by == "encoded":
            _skip_nothing(staging / folder(sound) / INIT)
    names = sound_names(recipe.audio)
    plans: list[VideoRendition | AudioRendition] = [*recipe.video, *recipe.audio]
    served = {
        folder(plan): found
        for plan in plans
        if (found := serve(task, plan, staging / folder(plan))) is not None
    }
    for place, one in served.items():
        _mend_playlists(staging / place, one, iframes=_lists_iframes(packaging))
    master, manifest = staging / MASTER, staging / MANIFEST
    if master.exists():
        text = mended_master(
            master.read_text(encoding="utf-8"),
            {f"{place}/{PLAYLIST}": one for place, one in served.items()},
            groups={
                f"{folder(it)}/{PLAYLIST}": _flags(it, names) for it in recipe.audio
            },
            texts=_texts(task, staging, served),
            scores=_scores(recipe.video),
        )
        master.write_text(text, encoding="utf-8")
        _list_images(task, staging, seconds=_lasts(served))
    if manifest.exists():
        try:
            text = mended_manifest(
                manifest.read_text(encoding="utf-8"),
                {f"{place}/{INIT}": one for place, one in served.items()},
                labels={f"{folder(it)}/{INIT}": names[it.name] for it in recipe.audio},
                codecs=tuple(dict.fromkeys(it.codec for it in recipe.video)),
            )
        except ET.ParseError:
            return
        manifest.write_text(_with_images(task, staging, text), encoding="utf-8")


def _lists_iframes(packaging: CmafPackaging) -> bool:
    return packaging.hls and packaging.iframe_playlists


def _mend_playlists(place: Path, one: Served, *, iframes: bool) -> None:
    """Of one rendition: how long its segments are seen, and its keyframes."""
    playlist = place / PLAYLIST
    if isinstance(one.plan, VideoRendition) and playlist.exists():
        text = playlist.read_text(encoding="utf-8")
        playlist.write_text(with_lengths(text, one.segments), encoding="utf-8")
    if iframes and one.keyframes:
        text = iframe_playlist(one.keyframes, header=INIT)
        (place / IFRAMES).write_text(text, encoding="utf-8")


def _scores(video: Sequence[VideoRendition]) -> dict[str, int]:
    """
    Media playlist → how good it is, where there are several codecs: their bit rates do
    not say. The larger, and of one size that in the codec that fewer players have.
    RFC 8216bis §4.4.6.2: a client takes the highest that it can play and fetch.
    """
    codecs = list(dict.fromkeys(it.codec for it in video))
    if len(codecs) < 2:  # noqa: PLR2004
        return {}
    better = sorted(
        video, key=lambda it: (it.width * it.height, codecs.index(it.codec))
    )
    return {f"{folder(it)}/{PLAYLIST}": n for n, it in enumerate(better, 1)}


def _sheets(task: Task, staging: Path) -> list[Path]:
    if task.recipe.sprites is None:
        return []
    return sorted((staging / SPRITES_FOLDER).glob("*.jpg"))


def _list_images(task: Task, staging: Path, *, seconds: Fraction) -> None:
    sprites, sheets = task.recipe.sprites, _sheets(task, staging)
    if sprites is None or not sheets or not seconds:
        return
    names = [it.name for it in sheets]
    text = image_playlist(sprites, names, seconds=seconds)
    (staging / IMAGES).write_text(text, encoding="utf-8")
    with (staging / MASTER).open("a", encoding="utf-8") as master:
        master.write(image_tag(sprites, [it.stat().st_size for it in sheets]))


def _with_images(task: Task, staging: Path, manifest: str) -> str:
    sprites, sheets = task.recipe.sprites, _sheets(task, staging)
    if sprites is None or not sheets or "</Period>" not in manifest:
        return manifest
    taken = re.findall(r'<AdaptationSet\b[^>]*? id="(\d+)"', manifest)
    number = max(map(int, taken), default=-1) + 1
    sizes = [it.stat().st_size for it in sheets]
    begin = manifest.rindex("\n", 0, manifest.rindex("</Period>")) + 1
    added = image_set(sprites, sizes, number=number)
    return manifest[:begin] + added + manifest[begin:]


def _skip_nothing(header: Path) -> None:
    """
    Tell a player of Opus that all it decodes is shown.

    The packet that held the encoder's delay is not there (see `command/audio.py`);
    what is to be skipped of it would be missing of the next, and all sound come 6.5 ms
    early. `PreSkip` of `dOps`, Opus in ISOBMFF §4.3.2.
    """
    try:
        data = bytearray(header.read_bytes())
    except FileNotFoundError:
        return  # verification says so
    at = data.find(b"dOps")
    if at >= 0:
        # Behind the name: version, channels, then two bytes of it.
        data[at + 6 : at + 8] = bytes(2)
        header.write_bytes(data)


def _flags(sound: AudioRendition, names: Mapping[str, str]) -> dict[str, str]:
    return {
        "LANGUAGE": f'"{in_hls(sound.language)}"',
        "DEFAULT": "YES" if sound.default else "NO",
        "NAME": f'"{names[sound.name]}"',
    }


def _texts(task: Task, staging: Path, served: Mapping[str, Served]) -> list[Resource]:
    """Each track of captions is one file, as long as the presentation."""
    lasts = _lasts(served)
    files = [staging / captions_file(it) for it in task.recipe.captions]
    return [Resource(it.name, it.stat().st_size, lasts) for it in files if lasts]


def _lasts(served: Mapping[str, Served]) -> Fraction:
    return max((it.end for it in served.values()), default=Fraction(0))
