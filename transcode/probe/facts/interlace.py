"""What a sample of frames says about fields, as facts."""

from __future__ import annotations

from collections.abc import Mapping

from ...contract import Fields

_LEAST_WOVEN = 3
_LEAST_WOVEN_SHARE = 0.25
"""Of the progressive frames: half of what telecine has."""


def fields_seen(counts: Mapping[str, int] | None) -> Fields | None:
    """Of what `fields.count_fields` counted."""
    if counts is None:
        return None
    return Fields(
        top_first=counts["top"],
        bottom_first=counts["bottom"],
        progressive=counts["progressive"],
    )


def is_woven(seen: Fields) -> bool:
    """
    Whether frames are woven of fields, though the stream may not say so.

    Two of five frames of telecine are, and of a progressive film hardly ever one.
    """
    woven = seen.top_first + seen.bottom_first
    return woven >= max(_LEAST_WOVEN, seen.progressive * _LEAST_WOVEN_SHARE)
