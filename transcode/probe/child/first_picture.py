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
_FEWEST = 4
"""At a keyframe, where the first should be shown."""
_PLACES = 4
"""A damaged file is looked at in so many parts."""


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


def shows_later(container: Any, stream: Any) -> bool:
    """Whether one is shown in a later part, or none can be gone to."""
    if not container.duration:
        return True
    begins = container.start_time or 0
    for part in range(1, _PLACES):
        container.seek(begins + container.duration * part // _PLACES)
        if first_of(container.demux(stream), most_refused=_FEWEST).frame is not None:
            return True
    return False
