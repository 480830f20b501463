"""Where files end that are made of blocks: CAF, IVF, MXF, Ogg, TTA, WavPack."""

from __future__ import annotations

from collections.abc import Iterator

from .reader import CountingReader
from .tail_riff import ber, le

IVF_HEADER = b"DKIF"
_MOST_BLOCKS = 10_000
_WAVPACK_FIRST = 1 << 11
"""Of the blocks that hold one stretch of time, one for each two channels."""
_TTA_HEADER, _TTA_FRAME = 22, (256, 245)
_CAF_OPEN = (1 << 64) - 1
MXF_KEY = bytes.fromhex("060e2b34020501010d01020101")
"""Of a partition; its kind is the byte after it (SMPTE 377-1 table 4)."""
_MXF_HEAD = 2
_OGG_FIRST = 2
"""`header_type` of the first page of a stream (RFC 3533 §6)."""
_OGG_PICTURES = (b"\x80theora", b"OVP80", b"BBCD\0", b"\x01video")
_OGG_SOUND = ((b"OpusHead", 9, 10), (b"\x01vorbis", 11, 16), (b"\x7fFLAC", 27, 31))
"""How each begins, and where it says its rate and channels (RFC 7845 §5.1, RFC 9639
§8.2 behind §10.1, Vorbis I §4.2.2)."""
AMR_HEADER = b"#!AMR"
PNG_HEADER = b"\x89PNG\r\n\x1a\n"
_OGG_PAGE = 64 * 1024
"""No page is longer than this and its header."""


def caf(reader: CountingReader) -> int | None:
    """Behind the last chunk; None where the sound's size is left open."""
    at = 8
    while len(head := reader.at(at, 12)) == 12:  # noqa: PLR2004  kind and size
        size = int.from_bytes(head[4:12], "big")
        if head[:4] == b"caff" or not head[:4].strip(b"\0"):
            return at
        if size == _CAF_OPEN:
            return None
        at += 12 + size
    return at


def ivf(reader: CountingReader) -> int | None:
    """Behind the last frame, or before another header."""
    at = int.from_bytes(reader.at(6, 2), "little") or 32
    while len(head := reader.at(at, 12)) == 12:  # noqa: PLR2004  size and time
        if head.startswith(IVF_HEADER):
            return at
        at += 12 + le(head[:4])
    return at


def tta(reader: CountingReader) -> int | None:
    """Behind all the frames of its table."""
    head = reader.at(0, _TTA_HEADER)
    rate, samples = le(head[10:14]), le(head[14:18])
    if head[:4] != b"TTA1" or not rate:
        return None
    frame = rate * _TTA_FRAME[0] // _TTA_FRAME[1]
    count = -(-samples // frame)
    if not reader.can_afford(4 * count):
        return None
    table = reader.at(_TTA_HEADER, 4 * count)
    sizes = sum(le(table[at : at + 4]) for at in range(0, len(table), 4))
    return _behind_tags(reader, _TTA_HEADER + 4 * count + 4 + sizes)


def wavpack(reader: CountingReader) -> int | None:
    """Before the block that begins at an earlier sample than the one before it."""
    at, before = 0, -1
    for _ in range(_MOST_BLOCKS):
        head = reader.at(at, 32)
        if len(head) < 32 or not head.startswith(b"wvpk"):  # noqa: PLR2004  a header
            return _behind_tags(reader, at) if at else None
        index, flags = le(head[16:20]) | head[10] << 32, le(head[24:28])
        if flags & _WAVPACK_FIRST and le(head[20:24]):
            if index <= before:
                return at
            before = index
        at += 8 + le(head[4:8])
    return None


def _behind_tags(reader: CountingReader, at: int) -> int:
    """APEv2 begins with how long it is, ID3v1 has 128 bytes; both follow the sound."""
    head = reader.at(at, 32)
    if head.startswith(b"APETAGEX"):
        at += 32 + le(head[12:16])
    return at + 128 if reader.at(at, 3) == b"TAG" else at


def mxf(reader: CountingReader) -> int | None:
    """Before the next header partition, behind the footer that the first points to."""
    head = reader.at(0, _OGG_PAGE)
    first = head.find(MXF_KEY)
    if first < 0:
        return None
    start, _ = ber(head, first + 16)
    here, footer = (
        int.from_bytes(head[start + n : start + n + 8], "big") for n in (8, 24)
    )
    at = footer + first - here
    for _ in range(_MOST_BLOCKS if footer else 0):
        pack = reader.at(at, 25)
        if len(pack) < 25:  # noqa: PLR2004  a key and the longest length
            return None
        if pack.startswith(MXF_KEY) and pack[13] == _MXF_HEAD:
            return at
        body, length = ber(pack, 16)
        at += body + length
    return None


def ogg(reader: CountingReader) -> int | None:
    """
    Before the first page of what is chained to it and is not read.

    Sound of one codec, rate and number of channels is; of pictures libav reads the
    first recording alone.
    """
    whole = reader.can_afford(reader.size)
    head = reader.at(0, reader.size if whole else _OGG_PAGE)
    pictures = any(it in head[:1024] for it in _OGG_PICTURES)
    begun = False
    mine: set[bytes] = set()
    sounds: set[bytes] = set()
    for at, page in _pages(head):
        if not page[5] & _OGG_FIRST:
            begun = True
            continue
        sound = _ogg_sound(head[at : at + 128])
        if begun and (pictures or sound not in sounds):
            return at
        mine.add(page[14:18])
        sounds.add(sound)
    if whole:
        return None
    other = _other_streams(reader, mine)
    alike = other is not None and _ogg_sound(reader.at(other, 128)) in sounds
    return None if alike and not pictures else other


def _ogg_sound(page: bytes) -> bytes:
    """What decoders go by of a stream's first page; all of it where that is unknown."""
    for magic, begin, end in _OGG_SOUND:
        if (at := page.find(magic)) > 0:
            return magic + page[at + begin : at + end]
    return page[28:]


def amr(reader: CountingReader) -> int | None:
    """Before the next header (RFC 4867 §5.1), as far as all of it may be read."""
    if not reader.can_afford(reader.size):
        return None
    at = reader.at(0, reader.size).find(AMR_HEADER, 1)
    return at if at > 0 else None


def apng(reader: CountingReader) -> int | None:
    """Behind the last chunk, IEND (PNG §5.3)."""
    at = len(PNG_HEADER)
    while len(head := reader.at(at, 8)) == 8:  # noqa: PLR2004  length and kind
        at += 12 + int.from_bytes(head[:4], "big")
        if head[4:] == b"IEND":
            return at
    return None


def _other_streams(reader: CountingReader, mine: set[bytes]) -> int | None:
    """Where pages of streams begin that are none of *mine*."""
    low, high = 0, max(0, reader.size - 2 * _OGG_PAGE)
    found = None
    while low <= high and not reader.spent:
        middle = (low + high) // 2
        pages = _pages(reader.at(middle, 2 * _OGG_PAGE))
        foreign = (at for at, page in pages if page[14:18] not in mine)
        if (other := next(foreign, None)) is None:
            low = middle + _OGG_PAGE
        else:
            found = middle + other if found is None else min(found, middle + other)
            high = middle - _OGG_PAGE
    return found


def _pages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each page begins, and its header."""
    at = data.find(b"OggS")
    while 0 <= at <= len(data) - 27:
        if data[at + 4] == 0:
            yield at, data[at : at + 27]
        at = data.find(b"OggS", at + 4)
