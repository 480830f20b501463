"""
Segments → one file for each rendition, of which players fetch ranges of bytes.

    init.mp4, 00001.m4s, 00002.m4s, …   →   media.mp4: header, index, fragments

The index is a `sidx` (ISO/IEC 14496-12 §8.16.3) with a reference for each segment.
Playlists say `EXT-X-BYTERANGE` (RFC 8216 §4.3.2.2), the MPD `SegmentBase` (ISO/IEC
23009-1 §5.3.9.2). Segments were verified before; what is written here is read back.
"""

from __future__ import annotations

import re
import shutil
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from ..contract import AudioRendition, Check, CmafPackaging, Task, VideoRendition
from .package import IFRAMES, INIT, MANIFEST, MEDIA, PLAYLIST, folder
from .verify.cmaf import (
    BrokenSegment,
    Segment,
    TrackHeader,
    read_header,
    read_segment,
    shown_until,
)
from .verify.playlists import BrokenPlaylist, read_media_playlist

_MPD = "{urn:mpeg:dash:schema:mpd:2011}"
_ON_DEMAND = "urn:mpeg:dash:profile:isoff-on-demand:2011"
_RANGE = re.compile(r"#EXT-X-BYTERANGE:(\d+)@(\d+)")
_MAP = re.compile(r'#EXT-X-MAP:URI="[^"]*"')
_OF_SEGMENTS = {b"styp", b"sidx"}
"""What a segment begins with and a range in the middle of a file does not."""
_BOX_HEADER = struct.Struct(">I4s")
_LARGE = struct.Struct(">Q")
_SIDX = struct.Struct(">I4sIIIQQHH")
_REFERENCE = struct.Struct(">III")
_VERSION_1 = 1 << 24
_STARTS_WITH_SAP = 1 << 31
_MOST_REFERENCES = 2**16 - 1


@dataclass(frozen=True, slots=True)
class Folded:
    """Where in the file everything lies; bytes."""

    header: int
    """It begins with as many."""
    index: int
    """Behind it."""
    ranges: Mapping[str, tuple[int, int]]
    """Segment → offset and length, in order."""
    dropped: Mapping[str, int]
    """Segment → how many bytes it has lost at its beginning."""
    track: TrackHeader


def fold(task: Task, staging: Path) -> Check | None:
    """
    Make single files of the segments in *staging*, where the recipe asks for that, and
    read back what playlists and MPD say of them; None where it does not.

    Raises OSError; what cannot be read as segments is a failed check.
    """
    packaging = task.recipe.packaging
    if not isinstance(packaging, CmafPackaging) or packaging.segments == "files":
        return None
    plans: list[VideoRendition | AudioRendition]
    plans = [*task.recipe.video, *task.recipe.audio]
    folded: dict[str, Folded] = {}
    wrong: list[str] = []
    for plan in plans:
        place = staging / folder(plan)
        try:
            one = folded[folder(plan)] = _folded(place)
            if packaging.hls:
                _rewrite(place / PLAYLIST, one)
            if (place / IFRAMES).exists():
                _rewrite(place / IFRAMES, one)
            wrong += _told(place, one, hls=packaging.hls)
        except (BrokenSegment, BrokenPlaylist, ValueError) as exc:
            wrong.append(f"{folder(plan)}: {exc}")
    manifest = staging / MANIFEST
    if manifest.exists() and not wrong:
        text = _with_ranges(manifest.read_text(encoding="utf-8"), folded)
        manifest.write_text(text, encoding="utf-8")
    return Check(
        name="single_file",
        passed=not wrong,
        detail="; ".join(wrong)
        or f"{sum(len(it.ranges) for it in folded.values())} ranges in "
        f"{len(folded)} files are what they are listed as",
    )


def _folded(place: Path) -> Folded:
    """One file of those in *place*, which are gone after."""
    header = read_header(place / INIT)
    paths = sorted(place.glob("[0-9]*.m4s"))
    segments = [read_segment(path, header) for path in paths]
    if not 0 < len(segments) <= _MOST_REFERENCES:
        msg = f"{len(segments)} segments are none that one index can list"
        raise ValueError(msg)
    dropped = {path.name: _preamble(path) for path in paths}
    sizes = [it.bytes - dropped[it.name] for it in segments]
    index = _sidx(header, segments, sizes)
    at = (place / INIT).stat().st_size + len(index)
    ranges = {}
    for segment, size in zip(segments, sizes, strict=True):
        ranges[segment.name] = at, size
        at += size
    with (place / MEDIA).open("xb") as file:
        _append(file, place / INIT, 0)
        file.write(index)
        for path in paths:
            _append(file, path, dropped[path.name])
            # No more room is taken than before.
            path.unlink()
    head = (place / INIT).stat().st_size
    (place / INIT).unlink()
    return Folded(head, len(index), ranges, dropped, header)


def _append(file: BinaryIO, path: Path, skipped: int) -> None:
    with path.open("rb") as part:
        part.seek(skipped)
        shutil.copyfileobj(part, file, 2**20)


def _preamble(path: Path) -> int:
    """Bytes of what only a segment of its own begins with."""
    at = 0
    for start, kind, size in _boxes(path):
        if kind not in _OF_SEGMENTS:
            return at
        at = start + size
    return at


def _boxes(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Offset, type and size of each box of the file."""
    with path.open("rb") as file:
        at = 0
        while len(head := file.read(_BOX_HEADER.size)) == _BOX_HEADER.size:
            size, kind = _BOX_HEADER.unpack(head)
            if size == 1:
                (size,) = _LARGE.unpack(file.read(_LARGE.size))
            if size < _BOX_HEADER.size:
                msg = f"{path.name}: box {kind!r} at byte {at} has no size"
                raise ValueError(msg)
            yield at, kind, size
            at += size
            file.seek(at)


def _sidx(
    header: TrackHeader, segments: Sequence[Segment], sizes: Sequence[int]
) -> bytes:
    end = shown_until(segments)
    if header.handler != "vide":
        end = max(it.ends for it in segments)
    starts = [it.start for it in segments]
    spans = [after - start for start, after in pairwise([*starts, end])]
    size = _SIDX.size + _REFERENCE.size * len(segments)
    index = _SIDX.pack(
        *(size, b"sidx", _VERSION_1, 1, header.timescale),
        *(max(starts[0], 0), 0, 0, len(segments)),
    )
    for segment, long, span in zip(segments, sizes, spans, strict=True):
        # Type 1: nothing is shown before the keyframe; 2: something is.
        kind = 1 if segment.first == segment.start else 2
        begins = segment.begins_with_keyframe
        point = _STARTS_WITH_SAP | kind << 28 if begins else 0
        index += _REFERENCE.pack(long, span, point)
    return index


def _rewrite(path: Path, one: Folded) -> None:
    """A playlist of ranges: of whole segments, or of what it had of them."""
    lines: list[str] = []
    within: tuple[int, int] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if found := _RANGE.fullmatch(line):
            within = int(found[1]), int(found[2])
        elif line.startswith("#EXT-X-MAP:"):
            said = f'#EXT-X-MAP:URI="{MEDIA}",BYTERANGE="{one.header}@0"'
            lines.append(_MAP.sub(said, line))
        elif line in one.ranges:
            offset, length = one.ranges[line]
            if within is not None:
                length, offset = within[0], offset + within[1] - one.dropped[line]
                within = None
            lines += [f"#EXT-X-BYTERANGE:{length}@{offset}", MEDIA]
        else:
            lines.append(line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _with_ranges(text: str, folded: Mapping[str, Folded]) -> str:
    """The MPD with one file for each representation, and where its index lies."""
    ET.register_namespace("", _MPD[1:-1])
    ET.register_namespace("xsi", "http://www.w3.org/2001/XMLSchema-instance")
    root = ET.fromstring(text)  # noqa: S314  our own
    root.set("profiles", _ON_DEMAND)
    for group in root.iter(f"{_MPD}AdaptationSet"):
        for shown in group.findall(f"{_MPD}Representation"):
            template = shown.find(f"{_MPD}SegmentTemplate")
            place = "" if template is None else template.get("initialization", "")
            one = folded.get(place.removesuffix(f"/{INIT}"))
            if template is None or one is None:
                continue
            shown.remove(template)
            name = ET.SubElement(shown, f"{_MPD}BaseURL")
            name.text = place.removesuffix(INIT) + MEDIA
            base = ET.SubElement(
                shown,
                f"{_MPD}SegmentBase",
                indexRange=f"{one.header}-{one.header + one.index - 1}",
                timescale=str(one.track.timescale),
            )
            ET.SubElement(base, f"{_MPD}Initialization", range=f"0-{one.header - 1}")
            _of_ranges(group)
    ET.indent(root)
    written = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{written}\n'


def _of_ranges(group: ET.Element) -> None:
    """What is said of segments, said of subsegments."""
    for old, new in (
        ("segmentAlignment", "subsegmentAlignment"),
        ("startWithSAP", "subsegmentStartsWithSAP"),
    ):
        if old in group.attrib:
            group.set(new, group.attrib.pop(old))


def _told(place: Path, one: Folded, *, hls: bool) -> Iterator[str]:
    """
    What of the file is not as it is said: each range is whole fragments, and together
    they are all that there is.
    """
    path = place / MEDIA
    read = read_segment(path, one.track)
    found = [(at, kind) for at, kind, _ in _boxes(path)]
    fragments = {at for at, kind in found if kind == b"moof"}
    ends = [at + size for at, size in one.ranges.values()]
    begins = [at for at, _ in one.ranges.values()]
    if begins[0] != one.header + one.index or begins[1:] != ends[:-1]:
        yield f"{path.name}: there is something between its ranges"
    if ends[-1] != read.bytes:
        yield f"{path.name}: its ranges end at {ends[-1]} of {read.bytes} bytes"
    if not fragments.issuperset(begins):
        yield f"{path.name}: a range does not begin with a fragment"
    if (one.header, b"sidx") not in found:
        yield f"{path.name}: no index at byte {one.header}"
    if not hls:
        return
    playlist = read_media_playlist((place / PLAYLIST).read_text(encoding="utf-8"))
    listed = [entry.byte_range for entry in playlist.entries]
    if listed != [(size, at) for at, size in one.ranges.values()]:
        yield f"{PLAYLIST}: its ranges are not those of the file"
    if (place / IFRAMES).exists():
        keys = {
            (at + size - start, start)
            for at, size, _, _ in read.keyframes
            for start in [max(it for it in fragments if it < at)]
        }
        text = (place / IFRAMES).read_text(encoding="utf-8")
        if not keys.issuperset(
            entry.byte_range or (0, 0) for entry in read_media_playlist(text).entries
        ):
            yield f"{IFRAMES}: a range is no keyframe"
