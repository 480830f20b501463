"""Which packets of H.264 are the second field of a picture that had a packet before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...media.h264 import (
    SPS,
    SequenceParameters,
    SliceHead,
    sequence_parameters,
    slice_head,
)

_SLICES = {1, 5}
_HEAD = 256
"""Bytes of a unit that are looked at; all that is asked of it stands there."""


@dataclass(slots=True)
class FieldPairs:
    """Follows one stream, packet by packet as they are stored."""

    sequence: SequenceParameters | None = None
    first: SliceHead | None = None

    def second(self, packet: Any) -> bool:
        """
        Whether *packet* is the second field of the picture that the one before began.

        Asked of streams with start codes alone (bare, MPEG-TS and PS): only there each
        field is a packet of its own.
        """
        codec = packet.stream.codec_context
        if codec is None or codec.codec.canonical_name != "h264":
            return False
        if self.sequence is None:
            self._take_parameters(codec.extradata or b"")
        if self.sequence is not None and not self.sequence.fields_allowed:
            return False
        data = bytes(packet)
        self._take_parameters(data[:_HEAD])
        if self.sequence is None:
            return False
        slices = (body for kind, _, body in units(data) if kind in _SLICES)
        head = next(slices, None)
        found = None if head is None else slice_head(head, self.sequence)
        second = found is not None and found.follows(self.first)
        self.first = None if second else found
        return second

    def _take_parameters(self, data: bytes) -> None:
        for kind, _, body in units(data):
            if kind == SPS:
                self.sequence = sequence_parameters(body) or self.sequence


def units(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """
    Of each unit behind a start code (Annex B): its type, how much others refer to it
    (`nal_ref_idc`; 0: not at all), its first bytes.
    """
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 4:
        yield data[at + 3] & 0x1F, data[at + 3] >> 5 & 3, data[at + 4 : at + 4 + _HEAD]
        at = data.find(b"\0\0\1", at + 3)
