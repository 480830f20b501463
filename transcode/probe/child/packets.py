"""Counts packets and their times: all of a small file, a sample of a large one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .fields import FieldPairs
from .nal import is_closed
from .steps import counted

_MOST_TIMES = 50_000
_REORDER = 20
_KEYS_LOOKED_AT = 4
_KEY_BYTES = 4096
_BACK_SECONDS = 0.1
_AHEAD_SECONDS = 10
"""Where ffmpeg, too, takes a step for a new clock (`ts_discontinuity_process`)."""


@dataclass(slots=True)
class PacketsSeen:
    """Packets seen of one stream; times in its own ticks."""

    count: int = 0
    first: int | None = None
    last: int | None = None
    end: int | None = None
    keys: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    decode_times: list[int] = field(default_factory=list)
    closed: list[bool] = field(default_factory=list)
    untimed: int = 0
    size: int = 0
    ticks: int = 0
    """Sum of the durations, as far as packets have one."""
    key_count: int = 0
    decoded: int | None = None
    position: int | None = None
    """Where in the file its last packet begins."""
    leaps: int = 0
    """How often the clock of decoding went back, or far ahead."""
    headed: bool = False
    """The first packet was a keyframe."""
    unheaded: int = 0
    """Packets before the first keyframe."""
    halves: int = 0
    """Packets that are the second field of a picture."""
    pairs: FieldPairs = field(default_factory=FieldPairs)

    def steps(self, *, whole: bool, bare: bool = False) -> list[tuple[int, int]]:
        """
        (ticks between neighbours as shown, how often), commonest first.

        Where libav made up the times of *bare* pictures, the first is a step early.
        """
        # Second fields and repeats have no presentation time of their own.
        timed = 2 * len(self.times) >= len(self.decode_times)
        came = self.times if timed else self.decode_times
        order = sorted(came)[bare:]
        if not whole:
            # Pictures shown before these were still to come. Where none has come late
            # yet, the last may be the first to be waited for.
            waiting = 1 if order == came else _REORDER
            order = order[: max(2, len(order) - waiting)]
        return counted(order)


@dataclass(slots=True)
class Scan:
    """What a run over packets saw."""

    streams: dict[int, PacketsSeen] = field(default_factory=dict)
    whole: bool = False
    """The end of the file was reached, and every packet before it seen."""
    errors: int = 0


def scan(
    demux: Callable[[], Iterator[Any]],
    errors: tuple[type[Exception], ...],
    *,
    most: int,
    most_errors: int = 20,
) -> Scan:
    """Reads up to `most` packets; damaged ones are counted and stepped over."""
    result = Scan()
    packets = demux()
    total = 0
    while total < most:
        try:
            packet = next(packets)
        except (StopIteration, EOFError):
            result.whole = True
            break
        except IndexError:
            # PyAV has no name for a track that begins after the file was opened; its
            # packets are passed over from here on.
            packets = demux()
            continue
        except errors:
            result.errors += 1
            if result.errors > most_errors:
                break
            # A generator that raised is finished; the demuxer goes on where it was.
            packets = demux()
            continue
        if packet.size == 0 and packet.pts is None and packet.dts is None:
            continue
        total += 1
        seen = result.streams.setdefault(packet.stream_index, PacketsSeen())
        if packet.size or not seen.count:
            _note(seen, packet)
        else:
            # Theora's word for a picture that stands longer: nothing new is shown.
            _stand(seen, packet)
    return result


def _stand(seen: PacketsSeen, packet: Any) -> None:
    seen.ticks += packet.duration or 0
    if packet.pts is not None and seen.last is not None and packet.pts > seen.last:
        seen.end = packet.pts + (packet.duration or 0)


def _note(seen: PacketsSeen, packet: Any) -> None:
    seen.count += 1
    seen.size += packet.size
    seen.position = packet.pos
    seen.ticks += packet.duration or 0
    seen.key_count += packet.is_keyframe
    seen.headed = seen.headed or seen.count == seen.key_count
    seen.unheaded += not seen.key_count
    picture = packet.stream.type == "video"
    if picture:
        _look(seen, packet)
    if packet.dts is not None:
        _follow(seen, packet.dts, packet.time_base)
    shown = _shown(packet)
    time = shown if shown is not None else packet.dts
    if time is None:
        seen.untimed += 1
        return
    if seen.first is None or (not seen.leaps and time < seen.first):
        seen.first = time
    if seen.last is None or time > seen.last:
        seen.last, seen.end = time, time + (packet.duration or 0)
    if picture:
        if packet.is_keyframe:
            seen.keys.append(time)
        for value, times in (
            (shown, seen.times),
            (packet.dts, seen.decode_times),
        ):
            if value is not None and len(times) < _MOST_TIMES:
                times.append(value)


def _shown(packet: Any) -> int | None:
    """
    Ticks. An AVI has times of decoding alone, from which libav reckons: of pictures
    that no header says to be reordered a step too late.
    """
    stream = packet.stream
    if stream.type == "video" and stream.container.format.name == "avi":
        codec = stream.codec_context
        if codec is not None and not codec.has_b_frames and packet.dts is not None:
            return int(packet.dts)
    return None if packet.pts is None else int(packet.pts)


def _follow(seen: PacketsSeen, decoded: int, tick: Any) -> None:
    if seen.decoded is not None and tick:
        step = (decoded - seen.decoded) * tick
        seen.leaps += not -_BACK_SECONDS <= step <= _AHEAD_SECONDS
    seen.decoded = decoded


def _look(seen: PacketsSeen, packet: Any) -> None:
    seen.halves += seen.pairs.second(packet)
    if not packet.is_keyframe:
        return
    codec = packet.stream.codec_context
    if codec is None or len(seen.closed) >= _KEYS_LOOKED_AT:
        return
    head = bytes(packet)[:_KEY_BYTES]
    verdict = is_closed(codec.codec.canonical_name, head, codec.extradata)
    if verdict is not None:
        seen.closed.append(verdict)
