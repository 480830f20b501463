"""
Which subtitle tracks become captions, and what is said of those that do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..contract import (
    Capabilities,
    CaptionRendition,
    Media,
    SubtitleStream,
    VideoStream,
)
from ..media.codecs import DRAWN_SUBTITLES
from .audio import plain_language, plain_title
from .profile import Profile

MOST_TRACKS = 32
"""Films carry some thirty languages; more than these are an attack or a mistake."""
_DECODERS = {
    "eia_608": "cc_dec",
    "dvb_subtitle": "dvbsub",
    "dvd_subtitle": "dvdsub",
    "hdmv_pgs_subtitle": "pgssub",
}
"""Codec → ffmpeg's decoder, where the two are called differently."""


@dataclass(frozen=True, slots=True)
class Captions:
    """The captions of a recipe, and one sentence for each track left behind."""

    renditions: tuple[CaptionRendition, ...] = ()
    warnings: tuple[str, ...] = ()


def choose_captions(
    media: Media,
    profile: Profile,
    capabilities: Capabilities,
    burned: SubtitleStream | None = None,
) -> Captions:
    """
    Every text track as captions, in the source's order, up to 32.

    Pictures (PGS, VobSub, DVB) stay behind, and so does what this ffmpeg has no decoder
    for. The forced flag is kept; of several default tracks the first stays default,
    since playlists know one.
    """
    renditions: list[CaptionRendition] = []
    warnings: list[str] = []
    for track in media.subtitles:
        if track is burned:
            continue
        reason = _obstacle(track, profile, capabilities)
        if reason is None and len(renditions) == MOST_TRACKS:
            reason = f"there are more than {MOST_TRACKS}"
        if reason is not None:
            warnings.append(f"{_words(track)} is left out; {reason}.")
            continue
        taken = {it.name for it in renditions}
        renditions.append(
            CaptionRendition(
                name=_name(track, taken),
                source_index=track.index,
                language=plain_language(track.language),
                title=plain_title(track.title),
                default=track.default and not any(it.default for it in renditions),
                forced=track.forced,
            )
        )
    return Captions(tuple(renditions), tuple(warnings))


def choose_burned(
    media: Media,
    main: VideoStream | None,
    profile: Profile,
    capabilities: Capabilities,
) -> tuple[SubtitleStream | None, tuple[str, ...]]:
    """
    The track of pictures that is drawn into *main*, and what to say of it.

    `default` and `forced` take the first track with that flag, `first` the first, a
    language the first that is tagged so and not forced. Text is never drawn: captions
    do it better.
    """
    wanted = profile.subtitles.burn
    if wanted == "none" or main is None:
        return None, ()
    if media.duration_seconds is None:
        return None, ("No subtitles are burned in; the duration is not known.",)
    for track in media.subtitles:
        decoder = _DECODERS.get(track.codec)
        if track.codec not in DRAWN_SUBTITLES or decoder not in capabilities.decoders:
            continue
        flagged = {
            "first": True,
            "default": track.default,
            "forced": track.forced,
        }
        spoken = plain_language(track.language) == wanted and not track.forced
        if flagged.get(wanted, spoken):
            return track, ()
    flags = {"first", "default", "forced"}
    said = f"'{wanted}'" if wanted in flags else f"in '{wanted}'"
    return None, (f"No subtitles of pictures {said} are there to be burned in.",)


def _obstacle(
    track: SubtitleStream, profile: Profile, capabilities: Capabilities
) -> str | None:
    if not profile.subtitles.keep:
        return "the profile keeps no subtitles"
    if not track.text:
        return "it is made of pictures, and captions are text"
    if _DECODERS.get(track.codec, track.codec) not in capabilities.decoders:
        return "it cannot be decoded here"
    return None


def _words(track: SubtitleStream) -> str:
    language, title = plain_language(track.language), plain_title(track.title)
    parts = [track.codec, *([language] if language else [])]
    named = f' "{title}"' if title else ""
    return f"Subtitle track {track.index}{named} ({', '.join(parts)})"


def _name(track: SubtitleStream, taken: set[str]) -> str:
    name = plain_language(track.language) or "und"
    name += "-forced" if track.forced else ""
    return name if name not in taken else f"{name}-{track.index}"
