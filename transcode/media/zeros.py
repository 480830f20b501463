"""
Compressed pictures with zeros where none can be: a hole in the file they came in.

An interrupted download, a file whose space was set aside, a failing disk leave zeros.
Several decoders make something up of them and tell nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["PARTED", "WATCHED", "Zeros"]

_H264_PICTURES = range(6)
_HEVC_PICTURES = range(32)
_IS_PICTURE: Mapping[str, Callable[[int], bool]] = {
    "h264": lambda head: head & 31 in _H264_PICTURES,
    "hevc": lambda head: head >> 1 & 63 in _HEVC_PICTURES,
}
"""Whether a unit's header is that of a picture's data (ITU-T H.264 and H.265, tables
7-1). Messages beside them are written by less careful hands."""
PARTED = frozenset(_IS_PICTURE)
"""Codecs whose units are parted by start codes, or can be."""
_LONGS = frozenset({"vp8", "vp9"})
WATCHED = PARTED | _LONGS
"""Codecs of which it is known, but those whose decoders tell of it themselves (AV1, VVC
and MPEG-1, 2 and 4)."""
_LONG = 512
"""Of the coders of VP8 and VP9 no more than 25 in a row were seen: a block of which
nothing is coded takes a 1."""
_INSIDE = 16
"""Three in a row do not occur in a unit of H.264 or HEVC (7.4.1, 7.4.2: emulation
prevention); but a careless encoder is no damage."""
_BEFORE = 32
"""Before a start code any number is allowed; some encoders fill up multiples of 16."""
_RUN = re.compile(rb"\0{16,}")
_START = b"\0\0\1"
_MOST_KEPT = 4096
"""More zeros say no more."""


class Zeros:
    """What is in a stream of one of `WATCHED`, with start codes if it is `PARTED`."""

    def __init__(self, codec: str) -> None:
        if codec not in WATCHED:
            raise ValueError(f"nothing is known of zeros in {codec}")
        self._is_picture = _IS_PICTURE.get(codec)
        self._in_picture = False
        self._rest = b""
        self.sure = 0
        """Holes."""
        self.likely = 0
        """Others that nothing forbids; where there are many they are padding."""

    def take(self, data: bytes) -> None:
        """The next part of it."""
        data = self._rest + data
        known = len(data.rstrip(b"\0"))
        seen = 0
        if bytes(_INSIDE) in data:
            for run in _RUN.finditer(data, 0, known):
                self._enter(data, seen, run.start())
                seen = run.start()
                self._weigh(run.end() - run.start(), before=data[run.end()])
        self._enter(data, seen, known)
        # Zeros may go on, and so may a start code with its header.
        self._rest = data[max(known - len(_START), 0) : known + _MOST_KEPT]

    def close(self) -> None:
        """It has ended; zeros there are as before a start code."""
        self.take(b"\1")

    def _enter(self, data: bytes, begin: int, end: int) -> None:
        """The last unit that begins between these."""
        if self._is_picture is None:
            return
        at = data.rfind(_START, begin, end) + len(_START)
        if len(_START) <= at < len(data):
            self._in_picture = self._is_picture(data[at])

    def _weigh(self, zeros: int, *, before: int) -> None:
        if self._is_picture is None:
            self.sure += zeros >= _LONG
        elif self._in_picture and before != 1:
            self.sure += 1
        elif self._in_picture:
            self.likely += zeros >= _BEFORE
