"""What viewers choose tracks of sound and text by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

from ..contract import AudioRendition, CaptionRendition
from .command.languages import called

_PURPOSES: Mapping[str, str] = {
    "commentary": "commentary",
    "description": "audio description",
}
_LAYOUTS: Mapping[int, str] = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def sound_names(audio: Sequence[AudioRendition]) -> dict[str, str]:
    """
    Rendition → its name in menus: the source's title, else language and purpose.

    No two of one codec are alike; those of several codecs may be, since a player
    takes one codec and shows no other.
    """
    names: dict[str, str] = {}
    for codec in dict.fromkeys(it.codec for it in audio):
        alike = [it for it in audio if it.codec == codec]
        names |= _apart(
            {it.name: _sound(it) for it in alike},
            {it.name: _LAYOUTS.get(it.channels, "") for it in alike},
        )
    return names


def caption_names(captions: Sequence[CaptionRendition]) -> dict[str, str]:
    """Rendition → its name in menus, likewise; no two are alike."""
    forced = {it.name: "forced" for it in captions if it.forced}
    return _apart({it.name: _text(it) for it in captions}, forced)


def _sound(sound: AudioRendition) -> str:
    if sound.title:
        return one_line(sound.title)
    purpose = _PURPOSES.get(sound.kind)
    if sound.language is None:
        return purpose.capitalize() if purpose else "Audio"
    return called(sound.language) + (f" ({purpose})" if purpose else "")


def _text(captions: CaptionRendition) -> str:
    if captions.title:
        return one_line(captions.title)
    spoken = called(captions.language) if captions.language else "Subtitles"
    return spoken + (" (forced)" if captions.forced else "")


def _apart(names: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """*names* with what tells alike ones apart: *more* where it does, else a number."""
    given: dict[str, str] = {}
    for key, name in names.items():
        rivals = [more.get(other) for other, it in names.items() if it == name]
        told = more.get(key)
        if len(rivals) > 1 and told and rivals.count(told) == 1:
            name = f"{name}, {told}"  # noqa: PLW2901  the same name, told apart
        given[key] = _free(name, set(given.values()))
    return given


def _free(name: str, taken: set[str]) -> str:
    every = (name if n == 1 else f"{name} {n}" for n in count(1))
    return next(it for it in every if it not in taken)


def one_line(text: str) -> str:
    """What can stand in a quoted string of a playlist: no quote, no end of a line."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.strip().replace('"', "'")
