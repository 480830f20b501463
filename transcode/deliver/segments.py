"""Segments of a long rendition → a listing beside them, which the manifest names."""

from __future__ import annotations

import errno
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..contract import Artifact
from ..errors import OutOfDisk

LISTING = "segments.json"
MOST = 256
"""Segments of one rendition that stand in the manifest themselves: a quarter of an hour
of four seconds each. Four hours of one rendition made a manifest of 2.9 MB."""


def listed(
    artifacts: Sequence[Artifact],
) -> tuple[tuple[Artifact, ...], Mapping[str, bytes]]:
    """
    *artifacts* with a listing in place of the segments of each long rendition, and the
    listings' content by path.

    A listing is JSON: `schema`, and `segments` with `path` (beside it), `bytes` and
    `sha256`. The manifest names it with its own digest, so every segment is as fixed as
    if it stood there.
    """
    folders: dict[str, list[Artifact]] = defaultdict(list)
    for one in artifacts:
        if one.kind == "segment":
            folders[one.path.rpartition("/")[0]].append(one)
    long = {place: them for place, them in folders.items() if len(them) > MOST}
    bodies = {_path(place): _body(them) for place, them in long.items()}
    kept: list[Artifact] = []
    for one in artifacts:
        place = one.path.rpartition("/")[0]
        if one.kind != "segment" or place not in long:
            kept.append(one)
        elif one is long[place][0]:
            kept.append(_listing(place, long[place], bodies[_path(place)]))
    return tuple(kept), bodies


def write(folder: Path, bodies: Mapping[str, bytes]) -> None:
    """Put listings beside their segments; raises `OutOfDisk`."""
    for path, body in bodies.items():
        try:
            (folder / path).write_bytes(body)
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OutOfDisk(f"No space is left for {path!r}.", path=path) from exc


def _path(place: str) -> str:
    return f"{place}/{LISTING}" if place else LISTING


def _listing(place: str, them: Sequence[Artifact], body: bytes) -> Artifact:
    return Artifact(
        path=_path(place),
        kind="segment",
        made_by=them[-1].made_by,
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        container="json",
        segments=len(them),
        media_bytes=sum(one.bytes for one in them),
    )


def _body(them: Iterable[Artifact]) -> bytes:
    rows = [
        {
            "path": one.path.rpartition("/")[2],
            "bytes": one.bytes,
            "sha256": one.sha256,
        }
        for one in them
    ]
    document = {"schema": "transcode/segments/1", "segments": rows}
    return (json.dumps(document, separators=(",", ":")) + "\n").encode()
