"""HDR's static metadata as facts; what describes no real display is none."""

from __future__ import annotations

from collections.abc import Sequence

from ...contract import ContentLight, MasteringDisplay

_MOST_NITS = 10_000
"""The most that SMPTE ST 2084 can say."""


def mastering_display(values: Sequence[float] | None) -> MasteringDisplay | None:
    """Of the numbers that `sidedata.mastering` gives."""
    if values is None or len(values) != 10:  # noqa: PLR2004  eight and two
        return None
    red, green, blue, white = ((values[at], values[at + 1]) for at in range(0, 8, 2))
    least, most = values[8:]
    if not all(0 < it < 1 for it in values[:8]) or not 0 <= least < most <= _MOST_NITS:
        return None
    return MasteringDisplay(
        red=red, green=green, blue=blue, white=white, max_nits=most, min_nits=least
    )


def content_light(values: Sequence[int] | None) -> ContentLight | None:
    """Of the numbers that `sidedata.light` gives."""
    if values is None or not 0 < values[0] <= _MOST_NITS or values[1] > _MOST_NITS:
        return None
    return ContentLight(max_nits=values[0], average_nits=values[1])
