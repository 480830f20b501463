"""
Holes in the source's picture, told while it is read.

The process that reads the source anyhow hands its packets out once more, compressed as
they are, through a pipe: a source that lies far away is not fetched twice for it.
"""

from __future__ import annotations

from fractions import Fraction

from ..media.zeros import PARTED, Zeros

_FEW, _RARE = 2, Fraction(1, 20)
"""Likely ones in more pictures, and in a larger share, are how these are made."""


def packets_beside(shown: str) -> str:
    """The pipe, by the file of pictures' times."""
    return f"{shown}.packets"


def packet_options(codec: str, *, lengths: bool) -> dict[str, str | None]:
    """Of the output to the pipe; *lengths* as in `header_options`."""
    plain = f"{codec}_mp4toannexb," if lengths and codec in PARTED else ""
    return {
        "f": "data",
        "c": "copy",
        "copyinkf": None,
        # How far it is is nobody's progress.
        "bsf:v": f"{plain}setts=ts=N",
        # Whoever reads is woken by blocks, not by packets.
        "flush_packets": "0",
    }


def holes_in(zeros: Zeros, pictures: int | None) -> int:
    """How many of so many *pictures* have one, at least."""
    rare = zeros.likely <= max(Fraction(_FEW), _RARE * (pictures or 0))
    return zeros.sure + (zeros.likely if rare else 0)
