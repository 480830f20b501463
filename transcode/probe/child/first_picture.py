"""The first picture that a decoder shows, as one that encodes comes to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import av.error

_MOST_TAKEN = 24
"""Packets given to a decoder before its first frame: more than any codec reorders."""
ALL = 10_000
"""As many from one on that it refuses, where reading on is all one can do."""
FEW = 8
"""Where an index says whether later ones need these."""


class First(NamedTuple):
    """How far looking came."""

    frame: Any = None
    packet: Any = None
    """At which it came out."""
    ended: bool = False
    """Without a frame, to the very end."""
    refused: str | None = None
    """What the decoder said of the last packet that it refused."""


def first_of(packets: Iterable[Any], *, most_refused: int) -> First:
    """
    Of *packets*, the last of which asks a decoder for what it still holds.

    From one on that the decoder refuses it gives up after *most_refused* of them.
    """
    taken = refused = 0
    said = None
    for packet in packets:
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, UnicodeError) as exc:
            said = str(exc.args[1] if len(exc.args) > 1 else exc)[:200]
            refused += 1
        else:
            if frames:
                return First(frames[0], packet, refused=said)
            taken += 1
        if taken + refused > (most_refused if refused else _MOST_TAKEN):
            return First(refused=said)
    return First(ended=True, refused=said)


def begins_once(container: Any, stream: Any) -> bool:
    """
    Whether all its pictures need the first keyframe, by an index of all of them: who
    wants the last picture begins there.
    """
    begins = container.start_time or 0
    places = []
    for seconds in (begins, begins + (container.duration or 0)):
        container.seek(seconds)
        # What is damaged is not always flagged as a keyframe any more.
        places.append(next(iter(container.demux(stream))).pos)
    return places[0] is not None and places[0] == places[1]
