"""Bytes after a recording's own end: another recording, or nothing that is played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .leftover_blocks import (
    AMR_HEADER,
    IVF_HEADER,
    MXF_KEY,
    PNG_HEADER,
    amr,
    apng,
    caf,
    ivf,
    mxf,
    ogg,
    tta,
    wavpack,
)
from .reader import CountingReader, Refused
from .tail_matroska import elements
from .tail_riff import RF64, chunks, le, open_ended

_EBML = 0x1A45DFA3
_SEGMENT = 0x18538067
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FLAC_HEADER = b"fLaC\0\0\0\x22"
_FLV_TAGS = {8, 9, 18}
_BEGINNINGS: Mapping[bytes, str] = {
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"RIFF": "AVI or WAV",
    **dict.fromkeys(RF64, "WAV"),
    b"FORM": "AIFF",
    b"FLV\1": "FLV",
    b"OggS": "Ogg",
    b"GIF8": "GIF",
    b"fLaC": "FLAC",
    b".snd": "AU",
    b"TTA1": "TTA",
    b"wvpk": "WavPack",
    b"caff": "CAF",
    IVF_HEADER: "IVF",
    AMR_HEADER: "AMR",
    PNG_HEADER: "PNG",
    _ASF_HEADER: "WMA or WMV",
}
_LEAST_BYTES = 1024
"""Fewer are padding, or a tag that some program hung on."""


class Leftover(NamedTuple):
    """What lies behind the end that the structure states."""

    start: int
    bytes: int


def joined(start: int, size: int) -> Refused:
    """What to say of another recording that begins at *start* of *size* bytes."""
    return Refused(
        "unsupported",
        f"several recordings were joined byte by byte: another one begins at byte"
        f" {start} of {size}, and players show the first alone; split it there, or join"
        " them with a program that writes one file",
    )


def leftover(reader: CountingReader, demuxer: str) -> Leftover | None:
    """
    What lies behind the recording's end; None where that is nothing, or not known.

    Raises `Refused` where another recording begins there.
    """
    find = _ENDS.get(demuxer.split(",", maxsplit=1)[0])
    end = None if find is None else find(reader)
    return None if end is None or reader.spent else behind(reader, end)


def refuse_joined_mxf(reader: CountingReader) -> None:
    """Before it is opened, for libav looks for its index at the end of all."""
    if reader.at(0, len(MXF_KEY)) != MXF_KEY:
        return
    if (at := mxf(reader)) is not None:
        raise joined(at, reader.size)


def behind(reader: CountingReader, end: int) -> Leftover | None:
    """The same where the *end* is known."""
    if end >= reader.size:
        return None
    if begins_recording(reader.at(end, 16)):
        raise joined(end, reader.size)
    left = reader.size - end
    return Leftover(end, left) if left >= _LEAST_BYTES else None


def begins_recording(head: bytes) -> bool:
    """Whether something with these first bytes is a file of its own."""
    return head[4:8] == b"ftyp" or head.startswith(tuple(_BEGINNINGS))


def _matroska(reader: CountingReader) -> int | None:
    """Behind the Segment; where its size is open, before the next EBML header."""
    begun = False
    for kind, start, body, size in elements(reader):
        # A header said twice, before anything is in between, is no second recording.
        if kind == _EBML and begun:
            return start
        begun = begun or kind == _SEGMENT
        if kind == _SEGMENT and size is not None:
            return body + size
    return None


def _riff(reader: CountingReader) -> int | None:
    """AVI: behind the last RIFF chunk that belongs to it (OpenDML: `AVIX`)."""
    at = 0
    while len(head := reader.at(at, 12)) == 12 and head[:4] == b"RIFF":  # noqa: PLR2004
        size = le(head[4:8])
        if open_ended(size) or (at and head[8:12] != b"AVIX"):
            return at or None
        at += 8 + size
        # One pad byte may or may not be there.
        if size % 2 and reader.at(at, 1) == b"\0":
            at += 1
    return at or None


def _wave(reader: CountingReader) -> int | None:
    """Behind the last chunk that makes sense."""
    end, wide = 12, None
    rf64 = reader.at(0, 4) in RF64
    for kind, start, size in chunks(reader, 12):
        if kind in {b"RIFF", *RF64} or not kind.isascii() or not kind.strip(b"\0"):
            return start - 8
        if kind == b"ds64":
            wide = le(reader.at(start + 8, 8))
        if kind == b"data" and rf64 and wide is not None:
            # What follows four gibibytes is not looked at.
            return None if open_ended(wide) else start + wide
        if kind == b"data" and open_ended(size):
            return None
        end = start + size + size % 2
    return end


def _iff(reader: CountingReader) -> int | None:
    head = reader.at(0, 8)
    size = int.from_bytes(head[4:8], "big")
    return None if head[:4] != b"FORM" or open_ended(size) else 8 + size + size % 2


def _asf(reader: CountingReader) -> int | None:
    head = reader.at(0, 8192)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or at + 92 > len(head) or head[at + 88] & 1:
        return None
    return le(head[at + 40 : at + 48]) or None


def _flv(reader: CountingReader) -> int | None:
    """Before the next header between two tags."""
    at = int.from_bytes(reader.at(5, 4), "big") + 4
    while len(head := reader.at(at, 11)) == 11:  # noqa: PLR2004  a tag's header
        if head[0] & 0x1F not in _FLV_TAGS:
            return at
        at += 11 + int.from_bytes(head[1:4], "big") + 4
    return at


def _au(reader: CountingReader) -> int | None:
    head = reader.at(0, 12)
    size = int.from_bytes(head[8:12], "big")
    if head[:4] != b".snd" or open_ended(size):
        return None
    return int.from_bytes(head[4:8], "big") + size


def _flac(reader: CountingReader) -> int | None:
    """Before the next header (RFC 9639 §8.2), as far as all of it may be read."""
    if not reader.can_afford(reader.size):
        return None
    at = reader.at(0, reader.size).find(_FLAC_HEADER, 4)
    return at if at > 0 else None


_ENDS: Mapping[str, Callable[[CountingReader], int | None]] = {
    "matroska": _matroska,
    "avi": _riff,
    "wav": _wave,
    "aiff": _iff,
    "asf": _asf,
    "flv": _flv,
    "au": _au,
    "flac": _flac,
    "caf": caf,
    "ivf": ivf,
    "amr": amr,
    "apng": apng,
    "ogg": ogg,
    "tta": tta,
    "wv": wavpack,
}
"""Demuxer → where its structure ends. Transport streams, MPEG audio, sound in Ogg and
other bare streams may be joined as they are, and all of them is read."""
