"""
Which soundtracks are kept, and as what.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..contract import AudioRendition, AudioStream, Capabilities, Media
from ..errors import EncoderMissing, MediaUnsupported
from .clip import CUT_SOUND
from .codecs import AUDIO_ENCODERS
from .copyable import audio_obstacles
from .mono_tracks import together
from .profile import AudioProfile, Profile

MOST_TRACKS = 8
_STEREO = 2
_FORMS = (1, 2, 6, 8)
"""Mono, stereo, 5.1 and 7.1: what players play."""
_LEAST_PER_CHANNEL = {"aac": 24_000, "opus": 12_000}
"""Bits per second; below, the encoder would spoil even a telephone's speech."""
_LOSSLESS = frozenset({"alac", "ape", "flac", "mlp", "tak", "truehd", "tta", "wavpack"})
_LONGEST_TITLE = 80
# Tags come from the upload; only what looks like BCP 47 may become part of a path.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sound:
    """The audio half of a recipe, with its grounds."""

    renditions: tuple[AudioRendition, ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def encoded(self) -> bool:
        return any(it.made_by == "encoded" for it in self.renditions)


def choose_sound(
    media: Media, profile: Profile, capabilities: Capabilities, *, cut: bool = False
) -> Sound:
    """
    The soundtracks that *profile* keeps, each as every codec it asks for.

    With *cut* they begin or end elsewhere than in the source, and none is copied.

    The default track first, else the first that decodes; those that are silent,
    commentary and descriptions last; with `languages = "all"` one more for each other
    language and each other kind of track in a language, up to 8. Raises
    `MediaUnsupported` where there are soundtracks and none can be decoded: silence
    would pass for success.
    """
    if not profile.audio or not media.audio:
        return Sound()
    joined = {it.track.index: it for it in together(media)}
    taken_in = {index for it in joined.values() for index in it.others}
    whole = (
        joined[it.index].track if it.index in joined else it
        for it in media.audio
        if it.index not in taken_in
    )
    usable = sorted(
        (it for it in whole if it.decodable),
        key=lambda it: (it.kind != "main", bool(it.silent), not it.default, it.index),
    )
    if not usable:
        codecs = ", ".join(sorted({it.codec for it in media.audio}))
        raise MediaUnsupported(
            f"The sound cannot be decoded here (codec {codecs}); a profile without "
            "sound would make the picture alone.",
            codecs=codecs,
        )
    renditions: list[AudioRendition] = []
    reasons: list[str] = []
    kept: set[int] = set()
    for entry in profile.audio:
        tracks = _tracks(usable, entry)
        for position, track in enumerate(tracks):
            one = joined.get(track.index)
            others = () if one is None else one.others
            kept |= {track.index, *others}
            obstacles: tuple[str, ...] = () if one is None else (one.reason,)
            obstacles += audio_obstacles(track, media, entry)
            obstacles += (CUT_SOUND,) if cut else ()
            reasons += obstacles
            taken = {it.name for it in renditions}
            renditions.append(
                _rendition(
                    track,
                    entry,
                    name=_name(entry, track, several=len(tracks) > 1, taken=taken),
                    copied=not obstacles,
                    default=position == 0,
                ).model_copy(update={"channel_indices": others})
            )
    for it in renditions:
        if it.encoder is not None and it.encoder not in capabilities.encoders:
            raise EncoderMissing(
                f"Profile {profile.name} needs the encoder {it.encoder}, which "
                f"{capabilities.ffmpeg} does not have.",
                encoders=[it.encoder],
            )
    if not reasons:
        reasons.append("The sound conforms and is copied.")
    return Sound(
        tuple(renditions),
        tuple(dict.fromkeys(reasons)),
        tuple(_left_out(it) for it in media.audio if it.index not in kept),
    )


def plain_language(tag: str | None) -> str | None:
    """*tag* in lower case where it looks like BCP 47 and says something, else None."""
    if tag is None or not _LANGUAGE.fullmatch(tag) or tag.lower() == "und":
        return None
    return tag.lower()


def plain_title(title: str | None) -> str | None:
    """*title* in one line of at most 80 printable characters; None where none is."""
    if title is None:
        return None
    plain = "".join(c if c.isprintable() else " " for c in title).strip()
    return plain[:_LONGEST_TITLE] or None


def _tracks(usable: list[AudioStream], entry: AudioProfile) -> list[AudioStream]:
    if entry.languages == "default":
        return usable[:1]
    unlike: dict[tuple[str | None, str], AudioStream] = {}
    for track in usable:
        unlike.setdefault((plain_language(track.language), track.kind), track)
    return list(unlike.values())[:MOST_TRACKS]


def _rendition(
    track: AudioStream, entry: AudioProfile, *, name: str, copied: bool, default: bool
) -> AudioRendition:
    channels = track.channels or _STEREO
    rate = track.sample_rate if copied else None
    if not copied:
        channels = _channels(track, entry.channels)
    return AudioRendition(
        name=name,
        made_by="copied" if copied else "encoded",
        codec=entry.codec,
        encoder=None if copied else AUDIO_ENCODERS[entry.codec],
        source_index=track.index,
        bit_rate=track.bit_rate if copied else _bit_rate(track, entry, channels),
        sample_rate=rate or entry.sample_rate,
        channels=channels,
        language=plain_language(track.language),
        title=plain_title(track.title),
        default=default,
        loudness=entry.loudness,
        kind=track.kind,
    )


def _channels(track: AudioStream, most: int) -> int:
    """The smallest form that holds the source's channels, or the largest allowed."""
    layout, count = track.layout, track.channels
    unclear = layout is None and count is not None and count > max(_FORMS)
    spherical = layout is not None and layout.startswith("ambisonic")
    if count is None or unclear or spherical:
        count = _STEREO
    holding = [it for it in _FORMS if count <= it <= most]
    return min(holding) if holding else max(it for it in _FORMS if it <= most)


def _bit_rate(track: AudioStream, entry: AudioProfile, channels: int) -> int:
    """The profile's, or what a lossy source's own justifies if that is less."""
    asked = entry.bit_rate_kbps_per_channel * 1000
    ratio = entry.source_bit_rate_ratio
    coded = track.codec in _LOSSLESS or track.codec.startswith("pcm_")
    lossless = coded and track.codec not in {"pcm_alaw", "pcm_mulaw"}
    if track.bit_rate is None or ratio is None or lossless:
        return asked * channels
    floor = min(asked, _LEAST_PER_CHANNEL[entry.codec]) * channels
    return min(asked * channels, max(round(track.bit_rate * ratio), floor))


def _name(
    entry: AudioProfile, track: AudioStream, *, several: bool, taken: set[str]
) -> str:
    name = entry.codec if not several else f"{entry.codec}-{_tag(track)}"
    return name if name not in taken else f"{name}-{track.index}"


def _tag(track: AudioStream) -> str:
    language = plain_language(track.language) or "und"
    return language if track.kind == "main" else f"{language}-{track.kind}"


def _left_out(track: AudioStream) -> str:
    language = plain_language(track.language)
    what = (
        f"Audio track {track.index} ({track.codec}{f', {language}' * bool(language)})"
    )
    if not track.decodable:
        return f"{what} cannot be decoded here and is left out."
    if track.silent:
        return f"{what} is silent wherever it was listened to, and is left out."
    return f"{what} is left out; the profile keeps another one."
