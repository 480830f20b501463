"""Files made of chunks that state their size: RIFF, IFF, ASF, MXF, GIF and the like."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .reader import CountingReader

_OPEN_BEFORE = (1 << 31, 1 << 32, 1 << 63, 1 << 64)
_OPEN_WITHIN = 4096
RF64 = (b"RF64", b"BW64")
"""As it is called in EBU Tech 3306 and in ITU-R BS.2088."""
_RM_DATA_HEADER = 18
_MOST_CHUNKS = 200_000
_GIF_HEADER = 13
_CHUNK_HEAD = 8
_AVI_TAIL = 256 * 1024
_AVI_CHUNK = re.compile(rb"[0-9]{2}(?:dc|db|wb|tx|pc)")
_AVI_FIRST = re.compile(rb"movi[0-9]{2}(?:dc|db|wb|tx|pc)")
_AVI_CHAIN = 4
"""Chunks in a row that make a chain no accident."""
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA_HEADER = 50
_ASF_INDEXES = (
    bytes.fromhex("90080033b1e5cf1189f400a0c90349cb"),
    bytes.fromhex("d329e2d6da35d111903400a0c90349be"),
)
"""Of the simple index object and of the index object (ASF spec. §6)."""
_DV_FRAMES = (120_000, 144_000)
"""Bytes of a DV frame of 525 and 625 lines at 25 Mbit/s (SMPTE 314M)."""


def beyond(reader: CountingReader, end: int, what: str) -> str | None:
    """The usual complaint, where *what* should reach to *end*."""
    if end <= reader.size:
        return None
    return f"{what} ends {end - reader.size} bytes past the end of the file"


def open_ended(size: int) -> bool:
    """
    Whether *size* is what is written by who cannot go back to correct it.

    0, or as much as fits: 2^32 - 1 (ffmpeg), 2^31 - 1, 2^31 (arecord) or 2^31 - 4096
    (sox), some less what the header takes; in 64 bits likewise.
    """
    return not size or any(most - _OPEN_WITHIN <= size <= most for most in _OPEN_BEFORE)


def le(data: bytes) -> int:
    return int.from_bytes(data, "little")


def avi(reader: CountingReader) -> str | None:
    """The RIFF chunks of OpenDML follow one another; each states its size."""
    at = 0
    while True:
        head = reader.at(at, 12)
        if len(head) < 12:  # noqa: PLR2004  a whole chunk header and its type
            left = head.strip(b"\0")
            return "the last RIFF chunk has no header" if at and left else None
        size = le(head[4:8])
        if head[:4] != b"RIFF" or open_ended(size):
            return None if at else _avi_unfinished(reader) or _avi_chunks(reader)
        # One pad byte may or may not be there.
        end = at + 8 + size
        if end > reader.size:
            return beyond(reader, end, "its RIFF chunk")
        at = end + size % 2


def _avi_unfinished(reader: CountingReader) -> str | None:
    """A recording that was never closed has no index either."""
    flags = reader.at(0, 64)
    has_index = flags[24:28] == b"avih" and le(flags[44:48]) & 0x10
    if has_index and b"idx1" not in reader.at(max(0, reader.size - 65_536), 65_536):
        return "it announces an index (idx1) and has none"
    return None


def _avi_chunks(reader: CountingReader) -> str | None:
    """Where nothing says how long the whole is: the last chunks, each of which does."""
    base = max(0, reader.size - _AVI_TAIL)
    tail = reader.at(base, _AVI_TAIL)
    first = _AVI_FIRST.search(tail)
    for found in [first] if first else _AVI_CHUNK.finditer(tail):
        ends = list(_linked(tail, found.end() - 4))
        if len(ends) < (1 if first else _AVI_CHAIN):
            continue
        left = len(tail) - ends[-1]
        # One pad byte may or may not be there.
        if left < -1:
            return f"its last chunk ends {-left} bytes past the end of the file"
        return "its last chunk has no whole header" if 0 < left < _CHUNK_HEAD else None
    return None


def _linked(data: bytes, at: int) -> Iterator[int]:
    """Where chunks end that follow one another from *at* on."""
    while at <= len(data) - _CHUNK_HEAD and data[at : at + 4].isalnum():
        size = le(data[at + 4 : at + 8])
        at += 12 if data[at : at + 4] in {b"LIST", b"RIFF"} else 8 + size + size % 2
        yield at


def wave(reader: CountingReader) -> str | None:
    """`data` and what follows it; RF64 gives the size in `ds64`."""
    head = reader.at(0, 12)
    wide = None
    for kind, start, size in chunks(reader, 12):
        if kind == b"ds64":
            wide = le(reader.at(start + 8, 8))
        if kind != b"data":
            continue
        length = wide if head[:4] in RF64 and wide is not None else size
        return (
            None if open_ended(length) else beyond(reader, start + length, "its sound")
        )
    return "its sound (the data chunk) is missing"


def chunks(reader: CountingReader, at: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start of its body, size) of RIFF chunks from *at* on."""
    for _ in range(_MOST_CHUNKS):
        head = reader.at(at, 8)
        if len(head) < 8:  # noqa: PLR2004  kind and size
            return
        size = le(head[4:8])
        yield head[:4], at + 8, size
        at += 8 + size + size % 2


def iff(reader: CountingReader) -> str | None:
    """AIFF: one FORM chunk around everything."""
    head = reader.at(0, 12)
    size = int.from_bytes(head[4:8], "big")
    if head[:4] != b"FORM" or open_ended(size):
        return None
    return beyond(reader, 8 + size, "its FORM chunk")


def asf(reader: CountingReader) -> str | None:
    """File properties state the size, but for live streams (ASF spec. §3.2)."""
    head = reader.at(0, 8192)
    at = head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    if at < 0 or at + 100 > len(head):
        return None
    if head[at + 88] & 1:
        return _asf_packets(reader, le(head[16:24]), le(head[at + 92 : at + 96]))
    return beyond(reader, le(head[at + 40 : at + 48]), "the file it describes")


def _asf_packets(reader: CountingReader, data: int, size: int) -> str | None:
    """Of a live stream: packets of one *size* behind the header of the data object."""
    head = reader.at(data, _ASF_DATA_HEADER)
    tail = reader.at(max(0, reader.size - 65_536), 65_536)
    if head[:16] != _ASF_DATA or size <= 0 or any(it in tail for it in _ASF_INDEXES):
        return None
    rest = (reader.size - data - _ASF_DATA_HEADER) % size
    return f"its last packet has {rest} of {size} bytes" if rest else None


def real(reader: CountingReader) -> str | None:
    """RealMedia: the DATA chunk and the index after it."""
    at = 0
    for _ in range(64):
        head = reader.at(at, 8)
        size = int.from_bytes(head[4:8], "big")
        if len(head) < 8 or not head[:4].strip(b"\0"):  # noqa: PLR2004
            return None
        if size < 8:  # noqa: PLR2004  less than its own header: unknown
            return None
        # Some writers count the header of the last chunk, DATA, twice.
        if head[:4] == b"DATA" and 0 < at + size - reader.size <= _RM_DATA_HEADER:
            return None
        if at + size > reader.size:
            return beyond(reader, at + size, f"its {head[:4].decode('latin-1')} chunk")
        at += size
    return None


def swf(reader: CountingReader) -> str | None:
    """The length in an uncompressed movie's header is the file's."""
    head = reader.at(0, 8)
    length = le(head[4:8])
    return beyond(reader, length, "the movie") if head[:3] == b"FWS" else None


def mxf(reader: CountingReader) -> str | None:
    """A footer that the header partition points to (SMPTE 377-1 §7.1)."""
    head = reader.at(0, 65_536 + 128)
    at = head.find(bytes.fromhex("060e2b34020501010d01020101"))
    if at < 0:
        return None
    start, _ = ber(head, at + 16)
    footer = int.from_bytes(head[start + 24 : start + 32], "big")
    here = int.from_bytes(head[start + 8 : start + 16], "big")
    if not footer:
        return None
    last = reader.at(footer + at - here, 25)
    if len(last) < 25:  # noqa: PLR2004  a key, its length, and something
        return "its footer lies past the end of the file"
    body, length = ber(last, 16)
    return beyond(reader, footer + at - here + body + length, "its footer")


def ber(data: bytes, at: int) -> tuple[int, int]:
    """(offset of the value, its length)."""
    first = data[at]
    if first < 0x80:  # noqa: PLR2004  the short form
        return at + 1, first
    width = first & 0x7F
    return at + 1 + width, int.from_bytes(data[at + 1 : at + 1 + width], "big")


def gif(reader: CountingReader) -> str | None:
    """Blocks until the trailer `;` (GIF89a §27); what follows it is no picture."""
    head = reader.at(0, _GIF_HEADER)
    at = _GIF_HEADER + _table(head[10:11])
    while block := reader.at(at, 11):
        if block[:1] == b"\x3b":
            return None
        if block[:1] == b"\x21":
            at += 2
        elif block[:1] == b"\x2c":
            at += 11 + _table(block[9:10])
        else:
            return None  # damage is not a cut
        while size := reader.at(at, 1):
            at += 1 + size[0]
            if not size[0]:
                break
    return None if reader.spent else "it ends before its trailer"


def _table(flags: bytes) -> int:
    """Bytes of the colour table that packed flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def apng(reader: CountingReader) -> str | None:
    """Chunks until IEND (PNG §5.3)."""
    at = 8
    while len(head := reader.at(at, 8)) == 8:  # noqa: PLR2004  length and kind
        if head[4:] == b"IEND":
            return None
        at += 12 + int.from_bytes(head[:4], "big")
    return None if reader.spent else "it ends before its last chunk (IEND)"


def dv(reader: CountingReader) -> str | None:
    """Frames of one size; nothing says how many."""
    # The 50/60 flag of the header block.
    size = _DV_FRAMES[bool(reader.at(3, 1)[:1] > b"\x7f")]
    rest = reader.size % size
    return f"its last frame has {rest} of {size} bytes" if rest else None
