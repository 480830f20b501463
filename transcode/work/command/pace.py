"""Which of ffmpeg's streams tells how far the work is, and in which words."""

from __future__ import annotations

from collections.abc import Sequence

from ...contract import VideoRendition

TAKEN = "taken"
"""Begins a line with the time of a picture that an encoder was given."""
MADE = "made"
"""Begins a line with the time of a packet that an encoder gave, or that is copied."""


def pace(video: Sequence[VideoRendition], *, alone: bool) -> dict[str, str]:
    """
    Options that print, on standard output, how far the first of *video* is.

    `-progress` alone is silent until the last output has been opened, which sprites
    are when their first sheet is full (at the end of most videos), and captions at
    their first line; and it tells the time of the output that is furthest behind: for
    an hour a poster's. Encoders run side by side, fed by one decoder: one of them
    stands for all. One stream, since ffmpeg's threads do not lock what they print to.

    Copies that are made *alone*, without stills and captions, need none: `-progress`
    is enough, and a line for each packet would cost as much as copying it.
    """
    one = next((n for n, it in enumerate(video) if it.made_by == "encoded"), None)
    if one is None:
        return _printed("stats_mux_pre", 0, MADE) if video and not alone else {}
    return _printed("stats_enc_pre", one, TAKEN) | _printed("stats_enc_post", one, MADE)


def _printed(option: str, index: int, word: str) -> dict[str, str]:
    return {
        f"{option}:v:{index}": "pipe:1",
        # Seconds as presented.
        f"{option}_fmt:v:{index}": f"{word}={{t}}",
    }
