"""Files in blocks or chunks that state their size, or how many samples they hold."""

from __future__ import annotations

from .leftover_blocks import AMR_HEADER, caf, tta
from .reader import CountingReader
from .tail_riff import beyond, le, open_ended

_TAIL = 256 * 1024
_WAVPACK_HEADER = 32
_WAVPACK_OPEN = (1 << 32) - 1
_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_NUT_INDEX = bytes.fromhex("4e58dd672f23e64e")
AMR_FRAMES = {
    b"#!AMR\n": (13, 14, 16, 18, 20, 21, 27, 32, 6),
    b"#!AMR-WB\n": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6),
}
"""Bytes of a frame by its type, its own first byte included (RFC 4867 §5.3); the types
that are not listed have that byte alone."""


def sun(reader: CountingReader) -> str | None:
    """AU: the header states the sound's size."""
    head = reader.at(0, 12)
    size = int.from_bytes(head[8:12], "big")
    if head[:4] != b".snd" or open_ended(size):
        return None
    return beyond(reader, int.from_bytes(head[4:8], "big") + size, "its sound")


def core(reader: CountingReader) -> str | None:
    """CAF: each chunk states its size, but for sound that was not closed."""
    end = caf(reader)
    return None if end is None else beyond(reader, end, "its last chunk")


def true(reader: CountingReader) -> str | None:
    """TTA: a table of the sizes of all frames."""
    end = tta(reader)
    return None if end is None else beyond(reader, end, "its last frame")


def wide(reader: CountingReader) -> str | None:
    """Sony Wave64: one chunk around everything, in 64 bits, its header included."""
    head = reader.at(0, 24)
    size = le(head[16:24])
    if head[:16] != _W64 or open_ended(size):
        return None
    return beyond(reader, size, "its riff chunk")


def wavpack(reader: CountingReader) -> str | None:
    """
    The last block is whole, and ends where the first says that the sound does.

    That is left open by who cannot go back to write it.
    """
    first = reader.at(0, _WAVPACK_HEADER)
    base = max(0, reader.size - _TAIL)
    tail = reader.at(base, _TAIL)
    at = tail.rfind(b"wvpk")
    while at > 0 and len(tail) - at < _WAVPACK_HEADER:
        at = tail.rfind(b"wvpk", 0, at)
    if at < 0 or first[:4] != b"wvpk":
        return None
    head = tail[at : at + _WAVPACK_HEADER]
    if short := beyond(reader, base + at + 8 + le(head[4:8]), "its last block"):
        return short
    if le(first[12:16]) == _WAVPACK_OPEN:
        return None
    promised = le(first[12:16]) | first[11] << 32
    end = (le(head[16:20]) | head[10] << 32) + le(head[20:24])
    if end >= promised:
        return None
    return f"its last block ends with sample {end}, and it promises {promised}"


def adaptive(reader: CountingReader) -> str | None:
    """AMR: frames whose type says how long they are, where all of it may be read."""
    if not reader.can_afford(reader.size):
        return None
    data = reader.at(0, reader.size)
    header = next((it for it in AMR_FRAMES if data.startswith(it)), AMR_HEADER)
    sizes = AMR_FRAMES.get(header)
    if sizes is None:
        return None
    at = len(header)
    while at < len(data):
        # Bits that are always 0: damage is not a cut.
        if data[at] & 0x83:
            return None
        kind = data[at] >> 3 & 15
        at += sizes[kind] if kind < len(sizes) else 1
    return beyond(reader, at, "its last frame")


def indexed(reader: CountingReader) -> bool:
    """True where NUT ends in its index, as all do that were closed."""
    back = int.from_bytes(reader.at(max(0, reader.size - 12), 8), "big")
    return 0 < back <= reader.size and reader.at(reader.size - back, 8) == _NUT_INDEX
