"""Asks the container, its boxes, its packets and its tail, within one byte budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ...media.demuxers import BARE, CLOCKED, CUED, MISORDERED, MISTIMED, short
from .bare_sound import joined_seconds, likely_seconds
from .begins import forget_filled
from .boxes import BoxIndex, looks_like
from .clusters import Read, likely_end
from .edit_lists import LARGE, shorten
from .late_tracks import refuse_taken_over, refuse_taken_over_later
from .leftover import Leftover, behind, leftover, refuse_joined_mxf
from .mp4 import read_index
from .nal import holds_parameters, is_closed
from .packets import Scan, scan
from .reader import CountingReader
from .sample_tables import Timeline, timeline
from .streams import describe, programs, sections
from .tail import cut_off, unmarked
from .tail_flv import flv_ends
from .tail_ogg import flv_from_zero
from .tail_riff import le, open_ended
from .timestamps import clock_regions, span_of

_WHOLE_PACKETS = 30_000
_TAIL_MICROSECONDS = (1_000_000, 5_000_000, 25_000_000)
_SAMPLE_PACKETS = 600
_MOST_KEYS = 20_000
_ENDING_BYTES = 320 * 1024
"""For the question whether a large file ends where it should."""
_MOST_INDEX_ENTRIES = 200_000
_MOST_SUMMED = 50_000
"""Samples, of all tracks."""
_LEAST_UNUSED = 64 * 1024
_UNUSED_SHARE = 0.05
"""Of the media data; less is what a recorder keeps free between tracks."""
_KEY_BYTES = 4096
_SAME_END_SECONDS = 2.0
"""Sound and picture of one recording end within this; a clock leaps by more."""
_KEYS_LOOKED_AT = 4
_GAPLESS_WORDS = 4
_SAME_BEGIN_SECONDS = 0.001


class Demuxed(NamedTuple):
    """What the one door to libav hands over."""

    container: Any
    dump: Callable[[], str]
    """libav's own description of the container and its streams, so far."""
    pixel_format: Any
    """Name → libav's description of a pixel format."""


Open = Callable[[CountingReader, int], Demuxed]


@dataclass(slots=True)
class Gathered:
    """The answer, and the container it came from."""

    answer: dict[str, Any]
    container: Any


def gather(
    reader: CountingReader, open_: Open, *, packet_errors: tuple[type[Exception], ...]
) -> Gathered:
    """Everything that can be learned; whatever was not is absent, with a note."""
    notes: list[str] = []
    index = None
    if looks_like(reader.at(0, 16)):
        reader.ceiling = reader.budget * 3 // 4
        index = read_index(reader, spare=reader.budget // 8)
    refuse_joined_mxf(reader)
    # A quarter of the whole, or what the index left over, stays for the tail; nothing
    # where all of it may be read.
    whole = index is not None or reader.size <= reader.budget
    reader.ceiling = reader.budget - (0 if whole else reader.budget // 4)
    reader.spent = False
    shortened = index is not None and _shorten(reader, index)
    left = reader.ceiling - reader.bytes_read
    container, dump, pixel_format = open_(reader, left // 2)
    known = dump()
    texts = sections(known)
    # By its name the one library that says in a tag when a stream ends.
    told_end = container.metadata.get("ENCODER", "").startswith("Lavf")
    streams = [
        describe(stream, texts.get(stream.index, ""), pixel_format, told_end=told_end)
        for stream in container.streams
    ]
    for position, number in programs(known).items():
        streams[position]["program"] = number
    if shortened:
        for facts in streams:
            # libav divides what is left of the sizes by the whole duration.
            facts["bit_rate"] = None
    answer: dict[str, Any] = {
        "format": container.format.name,
        "doctype": "webm" if b"webm" in reader.at(0, 64) else None,
        "size": reader.size,
        "duration": _micro(container.duration),
        "start": _micro(container.start_time),
        "bit_rate": container.bit_rate or None,
        "streams": streams,
        "notes": notes,
        "index": None,
        "whole": False,
    }
    _stretch(reader, answer)
    if index is not None and index.moov is not None:
        _from_index(reader, index, container, answer, shortened=shortened)
        answer["leftover"] = _beside(reader, index, container, shortened=shortened)
    if answer["index"] is None:
        _look_at_end(reader, answer)
    if answer["index"] is None or not index_tells_all(answer):
        seen = _from_packets(reader, container, answer, packet_errors)
        forget_filled(answer)
        if seen.whole:
            refuse_taken_over(streams, seen, dump(), reader.size)
    if reader.spent:
        notes.append(f"reading stopped at the limit of {reader.budget} bytes")
    return Gathered(answer, container)


def _stretch(reader: CountingReader, answer: dict[str, Any]) -> None:
    """To all of a GIF: libav adds up its pictures, as far as it was let read."""
    if not reader.spent or answer["format"] != "gif":
        return
    share = reader.size / reader.bytes_read
    answer["duration"] = (answer["duration"] or 0.0) * share or None
    for facts in answer["streams"]:
        facts["duration"], facts["varies"] = answer["duration"], True


def _look_at_end(reader: CountingReader, answer: dict[str, Any]) -> None:
    """Before the packets are read, which may take all that is left of the budget."""
    ceiling, spent = reader.ceiling, reader.spent
    left = reader.size - reader.bytes_read
    small = reader.bytes_read + left <= reader.budget
    most = reader.budget if small else reader.bytes_read + _ENDING_BYTES
    reader.ceiling, reader.spent = min(reader.budget, most), False
    answer["cut"] = cut_off(reader, answer["format"])
    answer["unmarked"] = unmarked(reader, answer["format"])
    if answer["cut"] is None:
        answer["leftover"] = leftover(reader, answer["format"])
        _count_from_beginning(reader, answer)
    reader.ceiling, reader.spent = ceiling, spent


def _count_from_beginning(reader: CountingReader, answer: dict[str, Any]) -> None:
    """Of headers that promise when they end, instead of how long they last."""
    begins, lasts = answer["start"] or 0.0, answer["duration"]
    if lasts is None or not 0 < begins < lasts:
        return
    # libav reads NUT's last time.
    if answer["format"] == "nut" or (
        answer["format"] == "flv" and flv_from_zero(reader, lasts, begins)
    ):
        answer["duration"] = lasts - begins


def _beside(
    reader: CountingReader, index: BoxIndex, container: Any, *, shortened: bool
) -> Leftover | None:
    """Of a file with an index: what lies behind its boxes, or in no sample of it."""
    if not index.complete or (index.cut_bytes and index.last_kind):
        return None
    found = behind(reader, index.end)
    if found is not None or shortened or index.fragmented:
        return found
    entries = sum(len(stream.index_entries) for stream in container.streams)
    if entries > _MOST_SUMMED:
        return None
    used = sum(
        entry.size for stream in container.streams for entry in stream.index_entries
    )
    unused = index.media_bytes - used
    if unused <= max(_LEAST_UNUSED, index.media_bytes * _UNUSED_SHARE):
        return None
    return Leftover(index.first_media or 0, unused)


def _shorten(reader: CountingReader, index: BoxIndex) -> bool:
    if index.moov is None or index.moov.end - index.moov.start <= LARGE:
        return False
    shorten(reader, index.moov)
    return True


def index_tells_all(answer: dict[str, Any]) -> bool:
    """True where the boxes counted each sample of each picture track."""
    return bool(answer["index"]["complete"]) and all(
        "timeline" in facts for facts in answer["streams"] if facts["type"] == "video"
    )


def _micro(value: int | None) -> float | None:
    return None if value is None else value / 1_000_000


def _from_index(
    reader: CountingReader,
    index: BoxIndex,
    container: Any,
    answer: dict[str, Any],
    *,
    shortened: bool,
) -> None:
    answer["index"] = {
        "brand": index.brand,
        "fragmented": index.fragmented,
        "faststart": None
        if index.moov is None or index.first_media is None
        else index.moov.start < index.first_media,
        "complete": index.complete,
        "cut_bytes": index.cut_bytes,
        "last_box": index.last_kind,
        "sidx_seconds": index.sidx_seconds or None,
        "sidx_missing_seconds": index.sidx_missing_seconds,
        "protected": index.protected,
    }
    tracks = {track.id: track for track in index.tracks}
    for facts, stream in zip(answer["streams"], container.streams, strict=True):
        track = tracks.get(facts["id"])
        if track is None:
            continue
        line = timeline(track, index.timescale, picture=track.handler == "vide")
        if track.handler == "soun" and not track.edits:
            _trim(line, stream, container.metadata.get("iTunSMPB", ""))
        if line.keys is not None and len(line.keys) > _MOST_KEYS:
            line.keys = None
        if index.fragmented and not index.complete and index.end:
            # Fragments are as good as alike: those that were read stand for all.
            line.samples, line.keys = None, None
            line.duration *= reader.size / index.end
            facts["stretched"] = True
        facts["timeline"] = asdict(line)
        facts["stored"] = track.stored
        # Tables that do not fit together: libav then passes over all samples.
        listed = index.fragmented or shortened or len(stream.index_entries) > 0
        facts["unindexed"] = track.stored > 0 and not listed
        facts["scale"] = track.timescale
        facts["tag"] = track.codec_tag
        facts["encrypted"] = track.encrypted
        facts["missing"] = track.missing_ticks / track.timescale
        facts["header_duration"] = track.header_ticks / track.timescale
        facts["mirrored"] = _turns_over(track.matrix) != _turns_over(index.matrix)
        if facts["type"] == "video" and facts["codec"]:
            facts["closed"], inside = _keys_by_index(reader, stream)
            facts["resizable"] = inside or track.descriptions > 1


def _turns_over(matrix: tuple[int, ...]) -> bool:
    """A negative determinant mirrors."""
    return (
        len(matrix) == 4  # noqa: PLR2004
        and matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0
    )


def _keys_by_index(reader: CountingReader, stream: Any) -> tuple[list[bool], bool]:
    """
    What the first bytes of some keyframes say, where the index says they lie: whether
    groups are closed, and whether parameters lie among the pictures.
    """
    codec = stream.codec_context
    if codec is None:
        return [], False
    verdicts: list[bool] = []
    inside = False
    for number, entry in enumerate(stream.index_entries):
        if number >= _MOST_INDEX_ENTRIES or len(verdicts) >= _KEYS_LOOKED_AT:
            break
        if not entry.is_keyframe or not reader.can_afford(2 * _KEY_BYTES):
            continue
        head = reader.at(entry.pos, min(entry.size, _KEY_BYTES))
        name, extra = codec.codec.canonical_name, codec.extradata
        inside = inside or holds_parameters(name, head, extra)
        verdict = is_closed(name, head, extra)
        if verdict is None:
            break
        verdicts.append(verdict)
    return verdicts, inside


def _trim(line: Timeline, stream: Any, said: str) -> None:
    """
    Leaves out what iTunes says (`iTunSMPB`: hexadecimal samples of priming, of padding
    and of sound) where there is no edit list, as libav does: it begins later then.
    """
    words = said.split()
    if len(words) < _GAPLESS_WORDS or not stream.rate or not stream.time_base:
        return
    with suppress(ValueError):
        priming, sound = int(words[1], 16), int(words[3], 16)
        begins = float((stream.start_time or 0) * stream.time_base)
        heeded = priming and abs(begins - priming / stream.rate) < _SAME_BEGIN_SECONDS
        if heeded and 0 < sound / stream.rate <= line.duration:
            line.start, line.duration = begins, sound / stream.rate


def _from_packets(
    reader: CountingReader,
    container: Any,
    answer: dict[str, Any],
    packet_errors: tuple[type[Exception], ...],
) -> Scan:
    """Counts every packet where the budget allows it, else the first few."""
    small = reader.can_afford(reader.size - reader.bytes_read)
    if small:
        reader.ceiling = reader.budget
    most = _WHOLE_PACKETS if small else _SAMPLE_PACKETS
    seen = scan(container.demux, packet_errors, most=most)
    seen.whole = seen.whole and not reader.spent
    answer["whole"] = seen.whole
    # Where reading stopped is no damage.
    answer["packet_errors"] = max(0, seen.errors - reader.spent)
    reader.ceiling, reader.spent = reader.budget, False
    for facts, stream in zip(answer["streams"], container.streams, strict=True):
        _add_packets(facts, seen, stream)
    if seen.whole:
        _believe(answer["streams"])
        return seen
    _of_live(reader, answer)
    _of_flv(reader, answer)
    if short(answer["format"]) in CUED:
        # Matroska reads its cues when first asked to seek.
        with suppress(*packet_errors):
            container.seek(container.start_time or 0)
        for facts, stream in zip(answer["streams"], container.streams, strict=True):
            if facts["type"] == "video":
                facts["index_keys"] = _index_keys(stream)
    regions = clock_regions(reader, answer["format"])
    if regions and answer["format"] == "mpegts":
        refuse_taken_over_later(answer["streams"], regions)
    for facts, stream in zip(answer["streams"], container.streams, strict=True):
        facts["size"] = reader.size
        if regions is not None:
            facts["span"] = span_of(regions, stream.id, facts["packets"])
        else:
            _add_tail(reader, container, facts, stream, packet_errors)
    _forget_lengths(reader, answer)
    _guess_length(reader, answer)
    return seen


def _of_live(reader: CountingReader, answer: dict[str, Any]) -> None:
    """The length that nobody wrote, before libav looks for an index to the end."""
    if short(answer["format"]) != "matroska" or answer["duration"]:
        return
    read = [it["packets"] for it in answer["streams"] if it["packets"]["count"]]
    begins = min((it["first"] for it in read if it["first"] is not None), default=0.0)
    lasts = max((it["end"] or 0.0 for it in read), default=0.0) - begins
    head = Read(lasts, sum(it["bytes"] for it in read))
    if (end := likely_end(reader, head)) is None or end <= begins:
        return
    answer["duration"] = end - begins
    seen = any(it["type"] == "video" for it in answer["streams"])
    for facts in answer["streams"]:
        # Of sound beside a picture nobody knows whether it ends with that.
        if facts["type"] == ("video" if seen else "audio"):
            facts["duration"], facts["live"] = end - (facts["start"] or 0.0), True


def _of_flv(reader: CountingReader, answer: dict[str, Any]) -> None:
    """
    What its header says of all, and libav of each, is one of the two ends; without a
    header, the picture's.
    """
    if answer["format"] != "flv":
        return
    ends = flv_ends(reader)
    for facts in answer["streams"]:
        packets, last = facts["packets"], ends.get(facts["type"])
        if last is None or packets.get("end") is None or last <= packets["last"]:
            continue
        facts["tail_end"] = round(last + packets["end"] - packets["last"], 6)


def _guess_length(reader: CountingReader, answer: dict[str, Any]) -> None:
    """
    Of sound alone, at a variable rate that libav believes to be constant, or of several
    recordings in Ogg, of which it knows the last one.
    """
    heard = [it for it in answer["streams"] if it["type"] == "audio"]
    if len(heard) != 1 or (len(answer["streams"]) > 1 and answer["format"] == "ogg"):
        return
    [facts] = heard
    seconds = likely_seconds(reader, answer["format"])
    if seconds is not None:
        facts["varies"] = True
    elif answer["format"] == "ogg" and facts.get("sample_rate"):
        # Of Opus it is 48 kHz, as granule positions count (RFC 7845 §4).
        seconds = joined_seconds(reader, facts["sample_rate"])
        facts["joined"] = seconds is not None
    if seconds is not None:
        answer["duration"] = facts["duration"] = seconds


_LASTING_TOGETHER = {"ogg", "asf", "nut"}


def _forget_lengths(reader: CountingReader, answer: dict[str, Any]) -> None:
    """
    Of sound in Ogg, for libav gives it that of whichever of the streams ends last, and
    all of ASF and NUT likewise; of an AVI that was streamed, of which it divides the
    bytes by rates that nobody knew.
    """
    streams = answer["streams"]
    if answer["format"] == "avi" and open_ended(le(reader.at(4, 4))):
        answer["duration"] = None
        for facts in streams:
            facts["duration"] = None
    several = len(streams) > 1
    for facts in streams if several and answer["format"] in _LASTING_TOGETHER else ():
        if facts["type"] == "audio" or answer["format"] != "ogg":
            facts["duration"] = None


def _add_packets(facts: dict[str, Any], seen: Scan, stream: Any) -> None:
    packets = seen.streams.get(facts["index"])
    if packets is None:
        facts["packets"] = {"count": 0}
        return
    base, form = stream.time_base, stream.container.format.name
    facts["packets"] = {
        "count": packets.count,
        "whole": seen.whole,
        "clocked": form in CLOCKED,
        "mistimed": form in MISTIMED,
        "bare": form in BARE,
        # What lies before 0 is not to be heard: RFC 7845 §4.3, and Vorbis I §A.2.
        "trimmed": form == "ogg" or facts["codec"] == "opus",
        "untimed": packets.untimed,
        "first": _times(packets.first, base),
        "last": _times(packets.last, base),
        "end": _times(packets.end, base),
        "sum": _times(packets.ticks, base),
        "halves": packets.halves,
        "misordered": form in MISORDERED and packets.times == packets.decode_times,
        "unheaded": packets.unheaded if packets.key_count else 0,
        "leaps": packets.leaps,
        "opened": None
        if packets.headed or not packets.keys
        else _times(packets.keys[0], base),
        "keys": [float(k * base) for k in sorted(packets.keys)[:_MOST_KEYS]],
        "steps": packets.steps(whole=seen.whole, bare=form in BARE)
        if facts["type"] == "video"
        else [],
        "bytes": packets.size,
        "intra_only": packets.count == packets.key_count,
    }
    facts["closed"] = packets.closed


def _believe(streams: Sequence[dict[str, Any]]) -> None:
    """
    Note which pictures stand still while the clock goes on.

    Sound that was read from its beginning to its end without a leap has the same clock:
    a picture that is not followed for long is no leap of it then.
    """
    seen = [it["packets"] for it in streams if it.get("packets", {}).get("clocked")]
    heard = [
        it["packets"]
        for it in streams
        if it["type"] == "audio" and it.get("packets") in seen
    ]
    clocks = [it["end"] - it["first"] for it in heard if it["end"] and not it["leaps"]]
    if not clocks:
        return
    for facts in streams:
        packets = facts["packets"]
        if packets in seen and packets["end"] is not None and facts["type"] == "video":
            lasts = packets["end"] - packets["first"]
            packets["steady"] = lasts <= max(clocks) + _SAME_END_SECONDS


def _times(ticks: int | None, base: Any) -> float | None:
    return None if ticks is None else float(ticks * base)


def _add_tail(
    reader: CountingReader,
    container: Any,
    facts: dict[str, Any],
    stream: Any,
    packet_errors: tuple[type[Exception], ...],
) -> None:
    """
    Seeks to the end the header claims and reads what is really there; further back,
    too, where the sound lasts longer.
    """
    claimed = container.duration
    if facts["type"] != "video" or not claimed or not stream.time_base:
        return
    start = container.start_time or 0
    for before in _TAIL_MICROSECONDS:
        try:
            container.seek(start + max(0, claimed - before), backward=True)
            seen = scan(
                lambda: container.demux(stream), packet_errors, most=_SAMPLE_PACKETS * 4
            )
        except packet_errors:
            return
        if not seen.whole or reader.spent:
            return
        packets = seen.streams.get(facts["index"])
        if packets is not None:
            facts["tail_end"] = _times(packets.end, stream.time_base)
            return
        if before >= claimed:
            return


def _index_keys(stream: Any) -> list[float] | None:
    if len(stream.index_entries) > _MOST_INDEX_ENTRIES or not stream.time_base:
        return None
    keys = [e.timestamp for e in stream.index_entries if e.is_keyframe]
    if len(keys) > _MOST_KEYS:
        return None
    return [float(k * stream.time_base) for k in sorted(keys)]
