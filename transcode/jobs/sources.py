"""Where uploads may come from, and whether one truly lies there."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..access.address import is_local, lies_within, path_of
from ..contract import Source
from ..errors import UsageError

ELSEWHERE = "it lies in none of the places that uploads are taken from"
"""Of a bucket that tells of everything, most events end with this."""
LINKED = "it is a symbolic link, or lies behind one"


def comes_from(uri: str, sources: Sequence[str] | None) -> bool:
    """
    Whether *uri* lies in one of *sources*; None: anywhere is fine.

    Nothing is opened. False for what is no address, and for what two readers could
    take for two places. Of a file it is true for this moment: `why_outside` judges
    what was found, once it was.
    """
    try:
        location = os.path.realpath(path_of(uri)) if is_local(uri) else uri
    except UsageError:
        return False
    return _why(uri, location, sources) is None


def why_outside(source: Source, uri: str, sources: Sequence[str] | None) -> str | None:
    """
    Why what was found at *uri* is no upload from *sources*; None where it is one.

    A file's real place is compared, which is where it will be opened, and opened
    without links. A source may itself be one: whoever set us up named it. Behind it
    none is followed.
    """
    return _why(uri, source.location, sources)


def _why(uri: str, location: str, sources: Sequence[str] | None) -> str | None:
    places = [p for p in sources or () if any(_within(uri, r) for r in _roots(p))]
    if sources is None or (places and not is_local(uri)):
        return None
    if not places:
        return ELSEWHERE
    names = _names(path_of(uri))
    for place in places:
        real = os.path.realpath(path_of(place))
        for root in map(_names, _roots(place)):
            expected = [*_names(real), *names[len(root) :]]
            if names[: len(root)] == root and _names(location) == expected:
                return None
    return LINKED


def _within(uri: str, place: str) -> bool:
    try:
        return lies_within(uri, place)
    except UsageError:
        return False


def _roots(place: str) -> set[str]:
    """A source's own name, and of a folder what is behind it."""
    if not is_local(place):
        return {place}
    path = path_of(place)
    # Not resolved: its name as it was given.
    return {os.path.abspath(path), os.path.realpath(path)}  # noqa: PTH100


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]
