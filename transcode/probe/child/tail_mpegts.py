"""MPEG transport and program streams: the last packet of each stream."""

from __future__ import annotations

from .reader import CountingReader
from .timestamps import packet_size

_TAIL = 256 * 1024
_SYNC = 0x47
_PAYLOAD = 184


def transport(reader: CountingReader) -> str | None:
    """
    A packet of less than its 188 (192, 204) bytes, or a PES packet of sound that is
    shorter than its header says.

    Pictures state no size: of those, only decoding the last one can tell.
    """
    layout = packet_size(reader.at(0, 1024))
    if layout is None:
        return None
    size, lead = layout
    rest = reader.size % size
    tail_at = max(0, reader.size - rest - _TAIL // size * size)
    tail = reader.at(tail_at, reader.size - tail_at)
    if rest and tail[-rest:][lead : lead + 1] == b"\x47":
        return f"its last packet has {rest} of {size} bytes"
    if rest and rest <= lead:
        return f"its last packet has {rest} of {size} bytes"
    missing: dict[int, int] = {}
    for at in range(lead, len(tail) - 187, size):
        _follow(tail, at, missing)
    short = {pid: left for pid, left in missing.items() if left > 0}
    if short:
        pid, left = next(iter(short.items()))
        return f"the last packet of stream {pid:#x} lacks {left} bytes"
    return None


def stuffed(reader: CountingReader) -> bool:
    """
    True where the last packet of each stream of pictures is filled up, as it is at the
    end of a PES packet (ISO 13818-1 §2.4.3.5) but once in 184 times.
    """
    layout = packet_size(reader.at(0, 1024))
    if layout is None:
        return True
    size, lead = layout
    count = min(reader.size, _TAIL) // size
    tail = reader.at((reader.size // size - count) * size, count * size)
    open_: dict[int, bool] = {}
    for at in range(lead, len(tail) - 187, size):
        if tail[at] != _SYNC or not tail[at + 3] & 0x10:
            continue
        start = at + 4 + (1 + tail[at + 4] if tail[at + 3] & 0x20 else 0)
        pid = (tail[at + 1] & 0x1F) << 8 | tail[at + 2]
        if tail[at + 1] & 0x40:
            open_.pop(pid, None)
            unsized = tail[start : start + 3] + tail[start + 4 : start + 6]
            if unsized == b"\0\0\1\0\0":
                open_[pid] = False
        if pid in open_:
            open_[pid] = _is_filled(tail, at)
    return all(open_.values())


def _is_filled(data: bytes, at: int) -> bool:
    """Stuffing bytes at the end of the adaptation field."""
    length = data[at + 4] if data[at + 3] & 0x20 else 0
    if not data[at + 3] & 0x20:
        return False
    clocks = data[at + 5] & 0x18 if length else 0
    used = 1 + 6 * clocks.bit_count()
    return length == 0 or length > used


def _follow(data: bytes, at: int, missing: dict[int, int]) -> None:
    """Counts down what each stream's open PES packet still lacks."""
    if data[at] != _SYNC or not data[at + 3] & 0x10:
        return
    start = at + 4
    if data[at + 3] & 0x20:
        start += 1 + data[at + 4]
    here = at + 188 - start
    if here <= 0:
        return
    pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
    if data[at + 1] & 0x40:
        missing.pop(pid, None)
        if data[start : start + 3] == b"\0\0\1" and here >= 6:  # noqa: PLR2004
            length = int.from_bytes(data[start + 4 : start + 6], "big")
            if length:
                missing[pid] = length + 6 - here
    elif pid in missing:
        missing[pid] -= here


def program(reader: CountingReader) -> str | None:
    """The last PES packet or pack of a program stream is whole (ISO 13818-1 §2.5)."""
    base = max(0, reader.size - _TAIL)
    tail = reader.at(base, _TAIL)
    last = None
    at = tail.find(b"\0\0\1")
    while 0 <= at <= len(tail) - 6:
        kind = tail[at + 3]
        if kind >= 0xBB:  # noqa: PLR2004  from the system header on, a size follows
            end = at + 6 + int.from_bytes(tail[at + 4 : at + 6], "big")
            last = end if last is None or end > last else last
            at = tail.find(b"\0\0\1", min(end, len(tail)))
        else:
            at = tail.find(b"\0\0\1", at + 4)
    if last is not None and last > len(tail):
        return f"its last packet lacks {last - len(tail)} bytes"
    return None
