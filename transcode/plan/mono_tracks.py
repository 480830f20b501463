"""Mono tracks that are the channels of one soundtrack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ..contract import AudioStream, Media

_STEREO = ("FL", "FR")
_SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")
"""The order in which such tracks follow one another (SMPTE ST 2067-8, EBU R 91)."""
_SAME = {"SL": "BL", "SR": "BR"}
_CAMERAS = frozenset({"mov", "mxf"})
"""Containers in which cameras and editors write each channel as a track."""


@dataclass(frozen=True, slots=True)
class Together:
    """Several mono tracks as the one soundtrack that they are."""

    track: AudioStream
    """The first of them, as if it had all the channels."""
    others: tuple[int, ...]
    """The stream indices of the other channels, in order."""
    reason: str


def together(media: Media) -> tuple[Together, ...]:
    """
    What of the soundtracks of *media* belongs together; each track is in one at most.

    By the names of their channels (FL and FR, or all six of 5.1); where nothing names
    any, two, four or eight mono PCM tracks of a camera's container begin with left and
    right, and six are 5.1. Only tracks of one language, kind and sample rate.
    """
    mono = [it for it in media.audio if it.decodable and it.channels == 1]
    groups = groupby(sorted(mono, key=_alike), key=_alike)
    found = (_of(list(group), media.container) for _, group in groups)
    return tuple(it for it in found if it is not None)


def _alike(track: AudioStream) -> tuple[str, str, int, int]:
    language, program = track.language or "", track.program or 0
    return language, track.kind, track.sample_rate or 0, program


def _of(tracks: Sequence[AudioStream], container: str) -> Together | None:
    tracks = sorted(tracks, key=lambda it: it.index)
    named: dict[str, AudioStream] = {}
    for track in tracks:
        if track.channel is not None:
            named.setdefault(_SAME.get(track.channel, track.channel), track)
    for form in (_SURROUND, _STEREO):
        if all(channel in named for channel in form):
            return _as_one([named[it] for it in form], "as they are named")
    camera = container in _CAMERAS and all(it.codec[:4] == "pcm_" for it in tracks)
    if named or not camera:
        return None
    # A camera writes as many as it has sockets.
    tracks = [it for it in tracks if not it.silent] or tracks
    if len(tracks) == len(_SURROUND):
        return _as_one(tracks, "in the usual order, since nothing names them")
    if len(tracks) in {2, 4, 8}:
        return _as_one(tracks[:2], "left and right, though nothing names them")
    return None


def _as_one(tracks: Sequence[AudioStream], how: str) -> Together:
    first = tracks[0]
    rates = [it.bit_rate for it in tracks]
    ends = [it.duration_seconds for it in tracks]
    known = [it for it in ends if it is not None]
    channels = len(tracks)
    numbers = ", ".join(str(it.index) for it in tracks)
    return Together(
        track=first.model_copy(
            update={
                "silent": _silent(tracks),
                "channels": channels,
                "layout": "stereo" if channels == len(_STEREO) else "5.1",
                "default": any(it.default for it in tracks),
                "title": None,
                "bit_rate": sum(it or 0 for it in rates) if all(rates) else None,
                "duration_seconds": max(known) if len(known) == channels else None,
            }
        ),
        others=tuple(it.index for it in tracks[1:]),
        reason=f"Tracks {numbers} are mono and become one soundtrack, {how}.",
    )


def _silent(tracks: Sequence[AudioStream]) -> bool | None:
    heard = [it.silent for it in tracks]
    if False in heard:
        return False
    return None if None in heard else True
