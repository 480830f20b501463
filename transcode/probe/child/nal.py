"""Tells closed GOPs from open ones by the first bytes of a keyframe."""

from __future__ import annotations

from collections.abc import Iterator

from ...media import h264, hevc
from ...media.codecs import ALWAYS_CLOSED

_IDR = 5
_H264_PICTURES = frozenset({1, 2, 5})


def is_closed(codec: str, head: bytes, extradata: bytes | None) -> bool | None:
    """
    True where no picture after this keyframe can need one before it.

    H.264: an IDR picture (ITU-T H.264 table 7-1, type 5) against a recovery point;
    HEVC: IDR (H.265 table 7-1, types 19 and 20) against CRA and BLA, which may have
    leading pictures; MPEG-2: the GOP header's closed_gop bit (ISO 13818-2 §6.2.2.6).
    None where that is not known.
    """
    if codec in ALWAYS_CLOSED:
        return True
    if codec == "h264":
        kinds = (unit[0] & 0x1F for unit in _units(head, extradata, 4))
        return next((kind == _IDR for kind in kinds if kind in _H264_PICTURES), None)
    if codec == "hevc":
        kinds = (unit[0] >> 1 & 0x3F for unit in _units(head, extradata, 21))
        return next((kind in (19, 20) for kind in kinds if kind < 32), None)  # noqa: PLR2004
    if codec in {"mpeg2video", "mpeg1video"}:
        at = head.find(b"\0\0\1\xb8")
        return bool(head[at + 7] & 0x40) if 0 <= at < len(head) - 7 else None
    return None


def holds_parameters(codec: str, head: bytes, extradata: bytes | None) -> bool:
    """
    Whether a sequence parameter set lies before this keyframe: it may be another one.

    In VP9 and AV1 one always does.
    """
    if codec == "h264":
        return any(unit[0] & 0x1F == h264.SPS for unit in _units(head, extradata, 4))
    if codec == "hevc":
        kinds = (unit[0] >> 1 & 0x3F for unit in _units(head, extradata, 21))
        return any(kind == hevc.SPS for kind in kinds)
    if codec == "mpeg2video":
        return b"\0\0\1\xb3" in head
    return codec in {"vp9", "av1"}


def progressive(codec: str, extradata: bytes | None) -> bool | None:
    """
    Whether an HEVC stream promises frames (True) or fields (False) throughout.

    By the source flags of its profile (H.265 §7.4.4): libavcodec does not report them.
    None for other codecs, and where both flags or neither are set.
    """
    if codec != "hevc" or not extradata:
        return None
    if extradata[0] == 1:
        flags = extradata[6] if len(extradata) > 6 else 0  # noqa: PLR2004  hvcC
    else:
        at = extradata.find(b"\0\0\1\x42")
        profile = (
            extradata[at + 5 : at + 21].replace(b"\0\0\3", b"\0\0") if at >= 0 else b""
        )
        flags = profile[6] if len(profile) > 6 else 0  # noqa: PLR2004
    frames, fields = bool(flags & 0x80), bool(flags & 0x40)
    return None if frames == fields else frames


def _units(head: bytes, extradata: bytes | None, length_at: int) -> Iterator[bytes]:
    """The first bytes of each NAL unit that begins within `head`."""
    if extradata and extradata[0] == 1 and len(extradata) > length_at:
        width, at = (extradata[length_at] & 3) + 1, 0
        while at + width < len(head):
            yield head[at + width : at + width + 2]
            at += width + int.from_bytes(head[at : at + width], "big")
        return
    at = head.find(b"\0\0\1")
    while 0 <= at < len(head) - 3:
        yield head[at + 3 : at + 5]
        at = head.find(b"\0\0\1", at + 3)
