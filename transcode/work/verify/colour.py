"""Do renditions say which colours they have, in the codec and in the container?"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...contract import Task, VideoRendition
from ...media.colours import TRANSFERS, code, output_colour, same_matrix
from ...media.colours import Colour as Planned
from ..command.hdr import differences, kept
from .source import source_video
from .tracks import Track, TrackColour

_NCLX = b"colrnclx"
"""ISO/IEC 14496-12, 12.1.5: three code points of ITU-T H.273 follow, and the range."""


def colour(task: Task, video: Sequence[Track], staging: Path) -> Iterator[str]:
    """What stands in the way of showing each of *video* in the colours planned."""
    source = source_video(task)
    if source is None:
        return
    wanted = output_colour(source, tone_map=task.recipe.tone_map)
    hdr = kept(source, task.recipe)
    for track in video:
        plan, decoded = track.plan, track.decoded
        if not isinstance(plan, VideoRendition) or plan.made_by == "copied":
            continue
        if not decoded.frames:
            continue  # `decodable` says so
        if decoded.pixel_format != plan.pixel_format:
            yield (
                f"{track.name} has pixels in {decoded.pixel_format}, "
                f"not {plan.pixel_format}"
            )
        wrong = [
            *_tags(decoded.colour, wanted, needed=hdr is not None),
            *_box(staging, track, wanted),
            *differences(hdr, decoded.mastering, decoded.light),
        ]
        yield from (f"{track.name} {one}" for one in wrong)


def video_range(task: Task) -> str:
    """HLS's word for what is encoded (RFC 8216bis, VIDEO-RANGE)."""
    source = source_video(task)
    hdr = None if source is None else kept(source, task.recipe)
    if hdr is None:
        return "SDR"
    return "HLG" if hdr.dynamic_range == "hlg" else "PQ"


def transfer_code(task: Task) -> int | None:
    """The planned transfer as ITU-T H.273 counts; None without a picture."""
    source = source_video(task)
    if source is None:
        return None
    transfer = output_colour(source, tone_map=task.recipe.tone_map).transfer
    return code(TRANSFERS, transfer)


def _tags(found: TrackColour, wanted: Planned, *, needed: bool) -> Iterator[str]:
    """Compared where they are written; HDR has to have them."""
    if found.range == "pc":
        yield "is tagged full range, which few players show right"
    for what, written, planned in (
        ("primaries", found.primaries, wanted.primaries),
        ("transfer", found.transfer, wanted.transfer),
        ("matrix", found.space, wanted.matrix),
    ):
        if written is None and not needed:
            continue
        if not same_matrix(written, planned):
            yield f"is tagged {what} {written}, not {planned}"


def _box(staging: Path, track: Track, wanted: Planned) -> Iterator[str]:
    """MP4's own tags, which players believe before the codec's."""
    path = staging / track.place
    if path.is_dir():
        path /= "init.mp4"
    if path.suffix != ".mp4":
        return
    try:
        moov = _moov(path)
    except (OSError, struct.error):
        return  # other checks say what is wrong with it
    at = moov.find(_NCLX)
    if at < 0:
        return
    found = struct.unpack_from(">3HB", moov, at + len(_NCLX))
    codes = wanted.codes
    same = {6: 5}  # BT.601 with 525 and 625 lines
    if [same.get(it, it) for it in found[:3]] != [same.get(it, it) for it in codes]:
        yield f"is tagged {found[:3]} in its container, not {codes}"
    if found[3] & 0x80:
        yield "is tagged full range in its container"


def _moov(path: Path) -> bytes:
    with path.open("rb") as file:
        at, end = 0, path.stat().st_size
        while at < end:
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(8))
            if size == 1:
                (size,) = struct.unpack(">Q", file.read(8))
            if kind == b"moov":
                file.seek(at)
                return file.read(size)
            at += max(size, 8)
    return b""
