"""
CMAF bytes → samples: exact times, sizes and places, as the boxes themselves say.

libavformat shifts presentation times where composition offsets are negative, so that
what it reports is not what ISO/IEC 14496-12 says. Only the boxes that matter for
timing are read (moov, elst, trex, moof, tfhd, tfdt, trun); media data is skipped.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

_NON_SYNC = 0x10000
"""`sample_is_non_sync_sample`, ISO/IEC 14496-12 §8.8.3.1."""
_BOX_HEADER = 8
MOVING_SECONDS = Fraction(1, 2)
"""So long a picture has to move in a segment to have a frame rate there."""


class BrokenSegment(ValueError):
    """The bytes are not a well-formed CMAF header or segment; says where and why."""


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """What an initialisation segment says about its one track."""

    handler: str
    """`vide` or `soun`."""
    timescale: int
    edit_offset: int
    """Presentation time = composition time − this, in the track's timescale."""
    sample_entry: str
    """Four characters: `avc1`, `hvc1`, `av01`, `vp09`, `mp4a`, `Opus`, …"""
    codec_string: str | None
    """RFC 6381 string where it can be read without guessing (H.264), else None."""
    default_duration: int
    default_size: int
    default_flags: int
    bytes: int


class SyncSample(NamedTuple):
    """A picture that decodes by itself."""

    offset: int
    """In the file, as `size`."""
    size: int
    time: int
    """When it is shown."""
    before: int
    """Offset of the sample before it; -1 of the segment's first."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What the checks look at of one media segment; times in the track's timescale."""

    name: str
    bytes: int
    fragments_at: tuple[int, ...]
    """Offset of each `moof`."""
    start: int
    """Earliest presentation time, edit list applied."""
    first: int
    """Presentation time of the first sample in decoding order."""
    duration: int
    """Sum of the samples' durations."""
    samples: int
    media_bytes: int
    """Of all samples."""
    last: tuple[int, int]
    """Latest presentation time, and that sample's duration."""
    ends: int
    """When its last sample stops being shown."""
    decoded: tuple[int, int]
    """First and last decoding time."""
    in_order: bool
    """Decoding times strictly increase within it."""
    begins_with_keyframe: bool
    keyframes: tuple[SyncSample, ...]
    """Of pictures; of sound, where every sample is one, none is kept."""
    frame_rate: Fraction | None
    """Frames per tick, of pictures: see `moving_rate`."""


@dataclass(frozen=True, slots=True)
class Samples:
    """One segment with the times of its samples, which grow with its length."""

    segment: Segment
    times: array[int]
    """Presentation times, ascending."""
    keyframes: array[int]
    """Presentation times of sync samples, of pictures."""


def shown_until(segments: Sequence[Segment]) -> int:
    """
    When a picture track ends: what all samples last, counted from the first one shown.

    No sample by itself tells: each lasts until the next one is decoded.
    """
    begins = min(segment.start for segment in segments)
    return begins + sum(segment.duration for segment in segments)


def moving_rate(times: Sequence[int], least: Fraction) -> Fraction | None:
    """
    Frames per tick while the picture moves; *times* ascend.

    A frame that lasts more than half as long again as the usual one is held, since
    pictures are missing or have ended, and tells no rate. Of the others the mean:
    clocks round, and pictures jitter. None where these last less than *least* ticks
    together: a few come by chance.
    """
    steps = sorted(b - a for a, b in pairwise(times))
    if not steps:
        return None
    usual = steps[len(steps) // 2]
    moving = steps[: bisect_right(steps, usual * 3 // 2)]
    lasted = sum(moving)
    return Fraction(len(moving), lasted) if lasted and lasted >= least else None


def read_header(path: Path) -> TrackHeader:
    """Read an initialisation segment. Raises OSError, BrokenSegment."""
    data = path.read_bytes()
    try:
        return _header(data)
    except (struct.error, KeyError, IndexError, ValueError) as exc:
        msg = f"{path.name} is no readable initialisation segment ({exc})"
        raise BrokenSegment(msg) from exc


def read_segment(path: Path, header: TrackHeader) -> Segment:
    """Read one media segment's boxes. Raises OSError, BrokenSegment."""
    return read_samples(path, header).segment


def read_samples(path: Path, header: TrackHeader) -> Samples:
    """Likewise, with every sample's time."""
    try:
        return _segment(path, header)
    except (struct.error, KeyError, IndexError, ValueError) as exc:
        msg = f"{path.name} is no readable media segment ({exc})"
        raise BrokenSegment(msg) from exc


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Type, payload start and end of each box in a range."""
    while start < end:
        size, kind = struct.unpack_from(">I4s", data, start)
        payload = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, payload)
            payload += 8
        if size < payload - start or start + size > end:
            msg = f"box {kind!r} at byte {start} runs past its parent"
            raise ValueError(msg)
        yield kind.decode("latin-1"), payload, start + size
        start += size


def _children(data: bytes, where: tuple[int, int]) -> dict[str, tuple[int, int]]:
    """First box of each type in a range."""
    found: dict[str, tuple[int, int]] = {}
    for kind, start, end in _boxes(data, *where):
        found.setdefault(kind, (start, end))
    return found


def _header(data: bytes) -> TrackHeader:
    moov = _children(data, _children(data, (0, len(data)))["moov"])
    tracks = [
        (start, end)
        for kind, start, end in _boxes(data, *_span(moov))
        if kind == "trak"
    ]
    if len(tracks) > 1:
        msg = f"{len(tracks)} tracks where one belongs"
        raise ValueError(msg)
    trak = _children(data, moov["trak"])
    mdia = _children(data, trak["mdia"])
    stsd = _children(data, _children(data, mdia["minf"])["stbl"])["stsd"]
    timescale = _timed_u32(data, mdia["mdhd"][0], after=(4 + 8, 4 + 16))
    movie_scale = _timed_u32(data, moov["mvhd"][0], after=(4 + 8, 4 + 16))
    entry_size, entry = struct.unpack_from(">I4s", data, stsd[0] + 8)
    trex = _children(data, moov["mvex"])["trex"][0]
    _, _, duration, size, flags = struct.unpack_from(">5I", data, trex + 4)
    kind = entry.decode("latin-1")
    return TrackHeader(
        handler=data[mdia["hdlr"][0] + 8 : mdia["hdlr"][0] + 12].decode("latin-1"),
        timescale=timescale,
        edit_offset=_edit_offset(data, trak, timescale, movie_scale),
        sample_entry=kind,
        codec_string=_avc_string(data[stsd[0] + 8 : stsd[0] + 8 + entry_size], kind),
        default_duration=duration,
        default_size=size,
        default_flags=flags,
        bytes=len(data),
    )


def _span(boxes: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """The range that holds boxes which lie side by side."""
    # Eight bytes back from the first payload is that box's own header.
    return min(s for s, _ in boxes.values()) - 8, max(e for _, e in boxes.values())


def _timed_u32(data: bytes, at: int, *, after: tuple[int, int]) -> int:
    """A 32-bit field behind two times that are 32 or 64 bits by the box's version."""
    (value,) = struct.unpack_from(">I", data, at + after[1 if data[at] else 0])
    return int(value)


def _edit_offset(
    data: bytes, trak: dict[str, tuple[int, int]], timescale: int, movie_scale: int
) -> int:
    if "edts" not in trak:
        return 0
    elst = _children(data, trak["edts"]).get("elst")
    if elst is None:
        return 0
    at = elst[0]
    (count,) = struct.unpack_from(">I", data, at + 4)
    entry = struct.Struct(">QqI" if data[at] else ">IiI")
    offset = 0
    for index in range(count):
        duration, media_time, _ = entry.unpack_from(data, at + 8 + index * entry.size)
        if media_time < 0:  # an empty edit delays what follows
            offset -= duration * timescale // movie_scale
        else:
            return offset + int(media_time)
    return offset


def _avc_string(entry: bytes, kind: str) -> str | None:
    found = entry.find(b"avcC")
    if kind not in {"avc1", "avc3"} or found < 0:
        return None
    return f"{kind}.{entry[found + 5 : found + 8].hex()}"


def _segment(path: Path, header: TrackHeader) -> Samples:
    length = path.stat().st_size
    columns = [array("q") for _ in range(5)]
    keys: list[int] = []
    moofs: list[int] = []
    media: list[tuple[int, int]] = []
    with path.open("rb") as file:
        at = 0
        while at < length:
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(8))
            if size == 1:
                (size,) = struct.unpack(">Q", file.read(8))
            if size < _BOX_HEADER or at + size > length:
                msg = f"cut off: box {kind!r} at byte {at} runs past the file's end"
                raise ValueError(msg)
            if kind == b"moof":
                file.seek(at)
                moofs.append(at)
                _fragment(file.read(size), at, header, columns=columns, keys=keys)
            elif kind == b"mdat":
                media.append((at, at + size))
            at += size
    decode_times, times, durations, sizes, offsets = columns
    if not times:
        msg = "it holds no samples"
        raise ValueError(msg)
    _require_inside(offsets, sizes, media)
    pictures = header.handler == "vide"
    shown = array("q", sorted(times))
    segment = Segment(
        name=path.name,
        bytes=length,
        fragments_at=tuple(moofs),
        start=min(times),
        first=times[0],
        duration=sum(durations),
        samples=len(times),
        media_bytes=sum(sizes),
        last=max(zip(times, durations, strict=True)),
        decoded=(decode_times[0], decode_times[-1]),
        in_order=all(a < b for a, b in pairwise(decode_times)),
        begins_with_keyframe=keys[:1] == [0],
        ends=max(a + b for a, b in zip(times, durations, strict=True)),
        keyframes=tuple(
            SyncSample(offsets[k], sizes[k], times[k], offsets[k - 1] if k else -1)
            for k in (keys if pictures else ())
        ),
        frame_rate=moving_rate(shown, header.timescale * MOVING_SECONDS)
        if pictures
        else None,
    )
    return Samples(
        segment,
        times=shown,
        keyframes=array("q", [times[k] for k in keys] if pictures else []),
    )


def _require_inside(
    offsets: array[int], sizes: array[int], media: list[tuple[int, int]]
) -> None:
    low, high = offsets[0], offsets[-1] + sizes[-1]
    total = sum(sizes)
    room = sum(end - start - 8 for start, end in media)
    if not media or low < media[0][0] or high > media[-1][1] or total > room:
        msg = f"samples of {total} bytes lie outside its media data"
        raise ValueError(msg)


def _fragment(
    moof: bytes,
    moof_at: int,
    header: TrackHeader,
    *,
    columns: list[array[int]],
    keys: list[int],
) -> None:
    traf = _children(moof, _children(moof, (8, len(moof)))["traf"])
    at = traf["tfhd"][0]
    flags = int.from_bytes(moof[at + 1 : at + 4])
    at += 8
    base = moof_at
    if flags & 0x1:
        (base,) = struct.unpack_from(">Q", moof, at)
        at += 8
    if flags & 0x2:
        at += 4
    defaults = [header.default_duration, header.default_size, header.default_flags]
    for index, bit in enumerate((0x8, 0x10, 0x20)):
        if flags & bit:
            (defaults[index],) = struct.unpack_from(">I", moof, at)
            at += 4
    at = traf["tfdt"][0]
    (time,) = struct.unpack_from(">Q" if moof[at] else ">I", moof, at + 4)
    place = base
    inside = (traf["tfhd"][0] - 8, len(moof))
    for kind, start, _ in _boxes(moof, *inside):
        if kind == "trun":
            time, place = _run(
                moof, start, (time, base, place), header, defaults, columns, keys
            )


def _run(  # noqa: PLR0913, PLR0917  one box's context, passed down once
    moof: bytes,
    at: int,
    where: tuple[int, int, int],
    header: TrackHeader,
    defaults: list[int],
    columns: list[array[int]],
    keys: list[int],
) -> tuple[int, int]:
    """Append one run's samples; where the next one starts, in time and bytes."""
    time, base, place = where
    version, flags = moof[at], int.from_bytes(moof[at + 1 : at + 4])
    (count,) = struct.unpack_from(">I", moof, at + 4)
    at += 8
    if flags & 0x1:
        (shift,) = struct.unpack_from(">i", moof, at)
        place = base + shift
        at += 4
    first_flags = None
    if flags & 0x4:
        (first_flags,) = struct.unpack_from(">I", moof, at)
        at += 4
    present = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    width = len(present)
    raw = struct.unpack_from(f">{width * count}I", moof, at)
    signed = struct.unpack_from(f">{width * count}i", moof, at)

    def column(bit: int, default: int) -> tuple[int, ...] | list[int]:
        if bit not in present:
            return [default] * count
        values = signed if bit == 0x800 and version else raw  # noqa: PLR2004  a flag
        return values[present.index(bit) :: width]

    decode_times, times, durations, sizes, offsets = columns
    sample_flags = list(column(0x400, defaults[2]))
    if first_flags is not None and count:
        sample_flags[0] = first_flags
    for duration, size, flag, shift in zip(
        column(0x100, defaults[0]),
        column(0x200, defaults[1]),
        sample_flags,
        column(0x800, 0),
        strict=True,
    ):
        if not flag & _NON_SYNC:
            keys.append(len(times))
        decode_times.append(time - header.edit_offset)
        times.append(time + shift - header.edit_offset)
        durations.append(duration)
        sizes.append(size)
        offsets.append(place)
        time += duration
        place += size
    return time, place
