"""Files made of tags or pages that can be read from their end: FLV, Ogg, IVF."""

from __future__ import annotations

import struct

from .leftover_blocks import IVF_HEADER
from .reader import CountingReader

_TAIL = 128 * 1024
_FLV_TAGS = {8, 9, 18}
_FLV_FIRST = 13
"""Where the first tag begins, behind a header and its size."""
_LAST_TAGS = 4
_LEAST_SHORT_SECONDS = 0.5
_SHORT_SHARE = 0.02
_IVF_OPEN = (1 << 32) - 1


def flv(reader: CountingReader) -> str | None:
    """
    The last four bytes repeat the size of the last tag (FLV 10.1, annex E.3).

    Cut right between two tags: `onMetaData` may state the file's size, or a duration
    that the last tag's time falls short of by more than 0.5 s and 2 %.
    """
    tail = reader.at(max(0, reader.size - 4), 4)
    back = int.from_bytes(tail, "big")
    start = reader.size - 4 - back
    head = reader.at(start, 11) if start >= 9 else b""  # noqa: PLR2004  file header
    length = int.from_bytes(head[1:4], "big") + 11
    if not head or head[0] & 0x1F not in _FLV_TAGS or length != back:
        return "its last tag is incomplete"
    meta = reader.at(0, 4096)
    size = _number(meta, b"filesize")
    if size is not None and size > reader.size:
        return f"it says of itself that it has {size:.0f} bytes"
    seconds = _number(meta, b"duration")
    last = _last_seconds(reader, start)
    short = 0 if seconds is None else seconds - last
    if seconds and short > max(_LEAST_SHORT_SECONDS, _SHORT_SHARE * seconds):
        return f"its last tag is of {last:.1f} s, and it promises {seconds:.1f} s"
    return None


def flv_from_zero(reader: CountingReader, seconds: float, begins: float) -> bool:
    """
    Whether the *seconds* that a header promises count from the clock's 0, and not from
    where the file *begins*: it does not say, but its last tags' times do.
    """
    back = int.from_bytes(reader.at(max(0, reader.size - 4), 4), "big")
    last = _last_seconds(reader, reader.size - 4 - back)
    return abs(seconds - last) < abs(seconds - (last - begins))


def _last_seconds(reader: CountingReader, start: int) -> float:
    """
    The latest time of the last tags, of which the very last begins at *start*.

    The end of a picture that ended long before the sound is a tag behind all others.
    """
    latest = 0
    for _ in range(_LAST_TAGS):
        before = reader.at(start - 4, 15)
        latest = max(latest, int.from_bytes(before[8:11], "big") | before[11] << 24)
        back = int.from_bytes(before[:4], "big")
        if not 0 < back <= start - _FLV_FIRST:
            break
        start -= 4 + back
    return latest / 1000


def _number(meta: bytes, name: bytes) -> float | None:
    """A number of an AMF0 object, by its name."""
    at = meta.find(len(name).to_bytes(2, "big") + name + b"\0")
    value = meta[at + len(name) + 3 : at + len(name) + 11]
    if at < 0 or len(value) < 8:  # noqa: PLR2004  a double
        return None
    number: float = struct.unpack(">d", value)[0]
    return number if 0 < number < 1 << 53 else None


def ogg(reader: CountingReader) -> str | None:
    """
    The last page is whole, and the last page of a stream says so (RFC 3533 §6).

    Streams whose last page lies before the last 128 KiB are not asked.
    """
    base = max(0, reader.size - _TAIL)
    tail = reader.at(base, _TAIL)
    at = tail.rfind(b"OggS")
    if at < 0:
        return "it ends inside a page"
    if (end := _page_end(tail, at)) is None or end > len(tail):
        return "its last page is incomplete"
    ended: dict[bytes, bool] = {}
    at = tail.find(b"OggS")
    while at >= 0:
        if len(tail) >= at + 27:
            ended[tail[at + 14 : at + 18]] = bool(tail[at + 5] & 4)
        at = tail.find(b"OggS", at + 4)
    # Some writers mark the end of one stream only.
    return None if any(ended.values()) else "none of its streams has a last page"


def _page_end(data: bytes, at: int) -> int | None:
    if len(data) < at + 27 or len(data) < at + 27 + data[at + 26]:
        return None
    count = data[at + 26]
    return at + 27 + count + sum(data[at + 27 : at + 27 + count])


def ivf(reader: CountingReader) -> str | None:
    """
    Frames that state their size, as far as the budget reaches, and how many.

    The header counts frames, or, as newer ffmpeg writes it, ticks.
    """
    header = reader.at(0, 32)
    at = int.from_bytes(header[6:8], "little") or 32
    frames, last = 0, 0
    while len(head := reader.at(at, 12)) == 12:  # noqa: PLR2004  size and time
        if head.startswith(IVF_HEADER):
            return None
        frames, last = frames + 1, int.from_bytes(head[4:12], "little")
        at += 12 + int.from_bytes(head[:4], "little")
    if reader.spent:
        return None
    if at != reader.size:
        return "its last frame is incomplete"
    said = int.from_bytes(header[24:28], "little")
    # The last one may last longer than the others.
    ends = last + 2 * max(1, last // max(1, frames - 1))
    if said <= frames or last <= said <= ends or said == _IVF_OPEN:
        return None
    return f"it has {frames} frames, and its header promises {said}"
