"""The shape a picture is seen in: cropped, upright, in square pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import atan2, degrees, hypot
from typing import Any

from ...contract.value import ratio
from ...media.sequence_headers import differ

_MOST_SQUASHED = Fraction(10)
"""Pixels of half-width video are 2 wide; who says more did not mean it."""

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """A picture as it leaves the decoder, and as it is seen."""

    width: int
    height: int
    """Pixels, after what the container crops."""
    sample_aspect_ratio: Fraction
    overruled: bool
    """The container says otherwise than the stream's own headers."""
    rotation_degrees: int
    mirrored: bool
    cropped: tuple[int, int, int, int] | None
    display_width: int
    display_height: int
    carried: tuple[str, ...]
    """What a copy would take along, as clauses."""


def believable(aspect: Fraction) -> bool:
    """Whether pixels can have a shape: no camera and no broadcast is near the limit."""
    return 1 / _MOST_SQUASHED <= aspect <= _MOST_SQUASHED


def shape_of(stream: Raw) -> Shape:
    """By the decoded frame where there is one; the container's word else."""
    left, right, top, bottom = stream.get("crop") or (0, 0, 0, 0)
    width, height = stream["width"] - left - right, stream["height"] - top - bottom
    aspect = ratio(stream.get("sar") or "1")
    turn, mirrored = _orientation(stream)
    seen = (max(1, round(width * (aspect if believable(aspect) else 1))), height)
    if turn in (90, 270):
        seen = seen[::-1]
    return Shape(
        width=width,
        height=height,
        sample_aspect_ratio=aspect,
        overruled=differ(aspect, ratio(stream.get("coded_sar") or "0") or aspect),
        rotation_degrees=turn,
        mirrored=mirrored,
        cropped=(left, right, top, bottom) if left + right + top + bottom else None,
        display_width=seen[0],
        display_height=seen[1],
        carried=tuple(_carried(stream)),
    )


def oriented_twice(stream: Raw) -> bool:
    """Whether container and messages in the stream say how to turn it."""
    return len(stream.get("matrices") or ()) > 1


def _orientation(stream: Raw) -> tuple[int, bool]:
    """Clockwise degrees, and whether the picture is mirrored besides."""
    matrices = stream.get("matrices")
    if not matrices:
        return _quarter(stream.get("rotation", 0.0)), bool(stream.get("mirrored"))
    # Of two, players go by the container's.
    matrix = matrices[0]
    return _quarter(_angle(matrix)), matrix[0] * matrix[4] < matrix[1] * matrix[3]


def _quarter(counterclockwise: float) -> int:
    # A quarter turn is the only kind a player makes.
    return round(-counterclockwise / 90) * 90 % 360


def _angle(matrix: Sequence[int]) -> float:
    """Counterclockwise degrees, as `av_display_rotation_get` has them."""
    across, down = hypot(matrix[0], matrix[3]), hypot(matrix[1], matrix[4])
    if not across or not down:
        return 0.0
    return -degrees(atan2(matrix[1] / down, matrix[0] / across))


def _carried(stream: Raw) -> Iterator[str]:
    if any(stream.get("crop") or ()):
        yield "cropping by its container"
    if oriented_twice(stream):
        yield "two orientations, of which each player takes another"
    elif stream.get("matrices"):
        turn, mirrored = _orientation(stream)
        header = _quarter(stream.get("rotation", 0.0))
        if header != turn or mirrored != bool(stream.get("mirrored")):
            yield "an orientation that stands in messages of its stream"
    said = stream.get("header_transfer", stream.get("color_transfer"))
    if said != stream.get("color_transfer"):
        yield "a transfer function that stands in messages and not in its header"
