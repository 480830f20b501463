"""Reads the index of an ISO base media file: moov, sample tables, fragments."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction

from .boxes import TOP_LEVEL, BoxIndex, Mp4Box, body, children, u32, u64
from .fragments import read_fragment, read_segment_index
from .leftover import joined
from .reader import CountingReader, Refused
from .sample_tables import TrackTables

_MOST_BOXES = 100_000
"""Top-level boxes looked at: a day of two-second fragments, twice over."""
_MOST_COMPARED = 64 * 1024
_MOST_DESCRIBED = 64 * 1024
_SAMPLE_ENTRY_BYTES = 86
"""Of a picture, its boxes follow."""
_MOST_CHUNK_SAMPLES = 65_536
_SPARE_BYTES = 768 * 1024
"""Left by the tables for everything that comes after them."""
_TABLES = frozenset({"stts", "ctts", "stss", "stsz", "stz2", "stsc", "stco", "co64"})


def read_index(reader: CountingReader, *, spare: int) -> BoxIndex:
    """
    Everything the boxes say, read with all of the budget but `spare` bytes.

    Raises `Refused` where they cannot belong to something that plays.
    """
    index = BoxIndex()
    for number, box in enumerate(children(reader, 0, reader.size)):
        if number >= _MOST_BOXES or not reader.can_afford(spare):
            index.complete = False
            break
        index.cut_bytes = max(0, box.end - reader.size)
        index.last_kind = box.kind if box.kind in TOP_LEVEL else ""
        if index.last_kind or (box.kind.isprintable() and not index.cut_bytes):
            index.end = min(box.end, reader.size)
        _read_box(reader, box, index)
    index.complete = index.complete and not reader.spent
    if index.complete:
        _refuse_unplayable(index)
    return index


def _read_box(reader: CountingReader, box: Mp4Box, index: BoxIndex) -> None:
    if box.kind == "ftyp":
        if index.first_media is not None and not index.fragments:
            raise joined(box.start, reader.size)
        if index.fragments:
            index.repeated = box.start
        index.brand = index.brand or reader.at(box.body, 4).decode("latin-1").strip()
    elif box.kind == "moov":
        _read_header(reader, box, index)
    elif box.kind == "mdat":
        index.media_bytes += min(box.end, reader.size) - box.body
        if index.first_media is None:
            index.first_media = box.start
        if index.fragments and index.cut_bytes:
            _lose_fragment(index, index.cut_bytes / (box.end - box.start))
    elif box.kind == "sidx" and not index.cut_bytes:
        read_segment_index(reader, box, index)
    elif box.kind == "moof" and not index.cut_bytes:
        index.fragments += 1
        read_fragment(reader, box, index)


def _read_header(reader: CountingReader, box: Mp4Box, index: BoxIndex) -> None:
    if index.moov is not None:
        # Streams repeat theirs, and go on; another one is another recording.
        if not _same(reader, box, index.moov):
            raise joined(index.repeated or box.start, reader.size)
        index.repeated = index.repeated or box.start
        return
    if index.cut_bytes:
        raise Refused(
            "truncated", "the file ends inside its index (moov): it was cut off"
        )
    index.moov = box
    _read_moov(reader, box, index)
    pictures = (track for track in index.tracks if track.handler == "vide")
    if any(len(set(track.aspects)) > 1 for track in pictures):
        raise Refused(
            "unsupported",
            "its index (stsd) gives its pixels one shape and then another, which is not"
            " followed there; write it anew in one shape",
        )
    if any(track.codec_tag == "iamf" for track in index.tracks):
        raise Refused(
            "unsupported",
            "its sound is Immersive Audio (IAMF), which cannot be decoded whole here;"
            " upload it as AAC, Opus or FLAC",
        )


def _same(reader: CountingReader, one: Mp4Box, other: Mp4Box) -> bool:
    """Two headers that say the same; of large ones, as far as they are looked at."""
    if one.end - one.start != other.end - other.start:
        return False
    return body(reader, one, _MOST_COMPARED) == body(reader, other, _MOST_COMPARED)


def _refuse_unplayable(index: BoxIndex) -> None:
    if index.moov is None:
        raise Refused(
            "truncated" if index.cut_bytes else "rejected",
            "it is a media segment without its initialisation (moov)"
            if index.fragments
            else "the file has no index (moov): a recording that was never finished, "
            "or an upload that was cut off",
        )
    if index.tracks and not any(track.stored for track in index.tracks):
        raise Refused(
            "rejected",
            "the file has no samples: it is only the header (initialisation segment) "
            "of a stream whose media lie elsewhere",
        )


def _lose_fragment(index: BoxIndex, share: float) -> None:
    for track in index.tracks:
        track.missing_ticks = int(track.last_fragment_ticks * share)


def _s32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big", signed=True)


def _matrix(data: bytes, at: int) -> tuple[int, ...]:
    """a, b, c, d of a display matrix: 16.16 fixed point."""
    return tuple(_s32(data, at + 4 * n) for n in (0, 1, 3, 4))


def _read_moov(reader: CountingReader, moov: Mp4Box, index: BoxIndex) -> None:
    defaults: list[Mp4Box] = []
    for box in children(reader, moov.body, moov.end):
        if box.kind == "mvhd":
            data = body(reader, box, 128)
            wide = data[:1] == b"\1"
            index.timescale = u32(data, 20 if wide else 12)
            index.matrix = _matrix(data, 48 if wide else 36)
        elif box.kind == "trak":
            track = TrackTables()
            tables: dict[str, Mp4Box] = {}
            _read_trak(reader, box, track, tables)
            if track.timescale:
                _read_tables(reader, track, tables)
                index.tracks.append(track)
                index.tables[track.id] = tables
        elif box.kind == "mvex":
            defaults.append(box)
        elif box.kind == "pssh":
            index.protected = True
    for box in defaults:
        # Some packagers write it before the tracks that it speaks of.
        _read_mvex(reader, box, index)


def _read_mvex(reader: CountingReader, mvex: Mp4Box, index: BoxIndex) -> None:
    for box in children(reader, mvex.body, mvex.end):
        data = body(reader, box, 64)
        for track in index.tracks:
            if box.kind == "trex" and track.id == u32(data, 4):
                track.default_duration = u32(data, 12)
                track.default_flags = u32(data, 20)


def _read_trak(
    reader: CountingReader, trak: Mp4Box, track: TrackTables, tables: dict[str, Mp4Box]
) -> None:
    for box in children(reader, trak.body, trak.end):
        if box.kind in {"mdia", "minf", "edts", "stbl"}:
            _read_trak(reader, box, track, tables)
        elif box.kind == "tkhd":
            data = body(reader, box, 128)
            wide = data[:1] == b"\1"
            track.id = u32(data, 20 if wide else 12)
            track.matrix = _matrix(data, 52 if wide else 40)
            at = 88 if wide else 76
            track.width, track.height = u32(data, at) >> 16, u32(data, at + 4) >> 16
        elif box.kind == "mdhd":
            data = body(reader, box, 64)
            wide = data[:1] == b"\1"
            track.timescale = u32(data, 20 if wide else 12)
            track.header_ticks = u64(data, 24) if wide else u32(data, 16)
        elif box.kind == "hdlr" and not track.handler:
            track.handler = body(reader, box, 16)[8:12].decode("latin-1")
        elif box.kind == "elst":
            track.edits = _edits(body(reader, box, 1 << 16))
        elif box.kind == "stsd":
            data = body(reader, box, 64)
            track.descriptions = u32(data, 4)
            if track.descriptions > 1:
                track.aspects = tuple(_aspects(body(reader, box, _MOST_DESCRIBED)))
            track.codec_tag = data[12:16].decode("latin-1")
            track.encrypted = track.codec_tag in {"encv", "enca"}
        elif box.kind in _TABLES:
            tables.setdefault(box.kind, box)


def _aspects(data: bytes) -> Iterator[Fraction]:
    """Of each way in which pictures are coded (ISO 14496-12 §12.1), 1 where unsaid."""
    at = 8
    while at + _SAMPLE_ENTRY_BYTES < len(data) and (size := u32(data, at)) > 0:
        entry = data[at + _SAMPLE_ENTRY_BYTES : at + size]
        said = entry.partition(b"pasp")[2]
        wide, high = u32(said, 0), u32(said, 4)
        yield Fraction(wide, high) if wide and high else Fraction(1)
        at += size


def _edits(data: bytes) -> list[tuple[int, int]]:
    count, wide = u32(data, 4), data[:1] == b"\1"
    layout = struct.Struct(">Qqi" if wide else ">Iii")
    whole = data[8 : 8 + min(count, (len(data) - 8) // layout.size) * layout.size]
    return [(length, at) for length, at, _ in layout.iter_unpack(whole)]


def _read_tables(
    reader: CountingReader, track: TrackTables, tables: dict[str, Mp4Box]
) -> None:
    sizes = tables.get("stsz") or tables.get("stz2")
    if sizes is not None:
        head = body(reader, sizes, 12)
        track.stored = u32(head, 8)
        if sizes.kind == "stsz" and not u32(head, 4):
            track.stored = min(track.stored, (sizes.end - sizes.body - 12) // 4)
    track.durations = _runs(reader, tables.get("stts"))
    # A count the durations do not bear out is a lie of some header.
    track.stored = min(track.stored, sum(count for count, _ in track.durations))
    if track.handler == "vide":
        track.offsets = _offsets(reader, track, tables.get("ctts"))
        if (sync := tables.get("stss")) is not None:
            data = body(reader, sync)
            track.sync = [
                n - 1
                for (n,) in struct.iter_unpack(">I", data[8 : len(data) // 4 * 4])
                if n
            ]
    track.next_tick = sum(count * ticks for count, ticks in track.durations)
    track.missing_ticks = _missing(reader, track, tables)


def _offsets(
    reader: CountingReader, track: TrackTables, box: Mp4Box | None
) -> list[tuple[int, int]]:
    """Reordering offsets; the first stands for all where the table costs too much."""
    if box is None or reader.can_afford(box.end - box.start + _SPARE_BYTES):
        return _runs(reader, box, signed=True)
    first = reader.at(box.body + 8, 8)
    track.offsets_guessed = True
    return [(track.stored, int.from_bytes(first[4:8], "big", signed=True))]


def _runs(
    reader: CountingReader, box: Mp4Box | None, *, signed: bool = False
) -> list[tuple[int, int]]:
    if box is None:
        return []
    data = body(reader, box)
    layout = struct.Struct(">Ii" if signed else ">II")
    count = min(u32(data, 4), (len(data) - 8) // 8)
    return list(layout.iter_unpack(data[8 : 8 + 8 * count])) if count > 0 else []


def _missing(
    reader: CountingReader, track: TrackTables, tables: dict[str, Mp4Box]
) -> int:
    """
    Ticks of samples that lie beyond the end of the file.

    Exact to a chunk, supposing that chunks last equally long: only whether there are
    any, and about how many, matters.
    """
    box = tables.get("stco") or tables.get("co64")
    if box is None:
        return 0
    width = 4 if box.kind == "stco" else 8
    count = min(u32(body(reader, box, 8), 4), (box.end - box.body - 8) // width)

    def offset(number: int) -> int:
        data = reader.at(box.body + 8 + width * number, width)
        return int.from_bytes(data, "big")

    if count <= 0 or not track.next_tick:
        return 0
    if offset(count - 1) < reader.size:
        last = _last_chunk_bytes(reader, tables)
        there = reader.size - offset(count - 1)
        if last <= there:
            return 0
        return int(track.next_tick / count * (1 - there / last)) + 1
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if offset(middle) >= reader.size else (middle + 1, high)
        )
    return track.next_tick * (count - low) // count


def _last_chunk_bytes(reader: CountingReader, tables: dict[str, Mp4Box]) -> int:
    """Bytes of the samples in the last chunk; 0 where the tables do not tell."""
    chunks, sizes = tables.get("stsc"), tables.get("stsz")
    if chunks is None or sizes is None:
        return 0
    entries = u32(body(reader, chunks, 8), 4)
    last = chunks.body + 8 + 12 * (entries - 1)
    if entries <= 0 or last + 12 > chunks.end:
        return 0
    samples = u32(reader.at(last, 12), 4)
    head = body(reader, sizes, 12)
    each, count = u32(head, 4), u32(head, 8)
    samples = min(samples, count)
    if each:
        # Sizes of raw sound are given per sample, and such chunks are short.
        return 0
    at = sizes.body + 12 + 4 * (count - samples)
    if samples > _MOST_CHUNK_SAMPLES or at + 4 * samples > sizes.end:
        return 0
    data = reader.at(at, 4 * samples)
    return sum(size for (size,) in struct.iter_unpack(">I", data[: len(data) // 4 * 4]))
