"""Reads movie fragments and segment indexes (CMAF, DASH, live recordings)."""

from __future__ import annotations

import struct

from .boxes import BoxIndex, Mp4Box, body, children, u32, u64
from .leftover import joined
from .reader import CountingReader
from .sample_tables import TrackTables


def read_fragment(reader: CountingReader, moof: Mp4Box, index: BoxIndex) -> None:
    """Adds the samples that one `moof` describes to their tracks."""
    for box in children(reader, moof.body, moof.end):
        if box.kind == "traf":
            _read_traf(reader, box, index)
        elif box.kind == "pssh":
            index.protected = True


def _read_traf(reader: CountingReader, traf: Mp4Box, index: BoxIndex) -> None:
    boxes = list(children(reader, traf.body, traf.end))
    header = next((box for box in boxes if box.kind == "tfhd"), None)
    if header is None:
        return
    data = body(reader, header, 64)
    track = next((t for t in index.tracks if t.id == u32(data, 4)), None)
    if track is None:
        return
    duration, flags = _fragment_defaults(data, track)
    track.last_fragment_ticks = 0
    for box in boxes:
        if box.kind == "tfdt":
            data = body(reader, box, 16)
            start = u64(data, 4) if data[:1] == b"\1" else u32(data, 4)
            if index.repeated and start < track.next_tick - track.timescale // 2:
                raise joined(index.repeated, reader.size)
            if start != track.next_tick:
                track.jumps[track.stored] = track.next_tick = start
        elif box.kind == "trun":
            _read_trun(body(reader, box), track, duration, flags)
        elif box.kind in {"senc", "saiz"}:
            index.protected = True


def _fragment_defaults(data: bytes, track: TrackTables) -> tuple[int, int]:
    """Duration and flags of a fragment's samples where `trun` gives none."""
    present, at = u32(data, 0), 8
    duration, flags = track.default_duration, track.default_flags
    at += 8 * bool(present & 0x1) + 4 * bool(present & 0x2)
    if present & 0x8:
        duration, at = u32(data, at), at + 4
    at += 4 * bool(present & 0x10)
    if present & 0x20:
        flags = u32(data, at)
    return duration, flags


_NON_SYNC = 0x10000


def _read_trun(data: bytes, track: TrackTables, duration: int, flags: int) -> None:
    """ISO 14496-12 §8.8.8: durations, flags and offsets of a run of samples."""
    present, count, at = u32(data, 0), u32(data, 4), 8
    at += 4 * bool(present & 0x1)
    first = None
    if present & 0x4:
        first, at = u32(data, at), at + 4
    kinds = [bit for bit in (0x100, 0x200, 0x400, 0x800) if present & bit]
    if kinds:
        width = 4 * len(kinds)
        count = min(count, max(0, len(data) - at) // width)
        rows = struct.iter_unpack(f">{len(kinds)}I", data[at : at + width * count])
    else:
        # Nothing per sample: no byte backs the count, so it gets a bound.
        count = min(count, 1 << 16)
        rows = iter([()] * count)
    if track.sync is None:
        track.sync = list(range(track.stored))
    if present & 0x800 and not track.offsets and track.stored:
        track.offsets = [(track.stored, 0)]
    for number, row in enumerate(rows):
        sample = dict(zip(kinds, row, strict=True))
        ticks = sample.get(0x100, duration)
        marks = sample.get(0x400, first if number == 0 and first is not None else flags)
        if not marks & _NON_SYNC:
            track.sync.append(track.stored + number)
        offset = sample.get(0x800, 0)
        if track.offsets or present & 0x800:
            signed = offset - (1 << 32) if offset & 1 << 31 else offset
            track.offsets.append((1, signed))
        track.durations.append((1, ticks))
        track.next_tick += ticks
        track.last_fragment_ticks += ticks
    track.stored += count


def read_segment_index(reader: CountingReader, sidx: Mp4Box, index: BoxIndex) -> None:
    """Adds up the leaves of a segment index (ISO 14496-12 §8.16.3)."""
    data = body(reader, sidx, 1 << 20)
    scale, wide = u32(data, 8), data[:1] == b"\1"
    at = 28 if wide else 20
    offset = sidx.end + (u64(data, 20) if wide else u32(data, 16))
    count = int.from_bytes(data[at + 2 : at + 4], "big")
    rows = data[at + 4 : at + 4 + 12 * count]
    if not scale or len(rows) < 12 * count:
        return
    for reference, duration, _ in struct.iter_unpack(">III", rows):
        offset += reference & 0x7FFFFFFF
        if reference >> 31:
            continue
        index.sidx_seconds += duration / scale
        if offset > reader.size:
            index.sidx_missing_seconds += duration / scale
