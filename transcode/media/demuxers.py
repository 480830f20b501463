"""Containers by libavformat's demuxer names: what each stores, and what it does not."""

from __future__ import annotations

from typing import Final

INDEXED: Final = frozenset({"mp4", "mov", "3gp", "matroska", "webm"})
"""Containers (as `Media.container` names them) whose index says where each keyframe is,
and whose packets say when they are shown. Transport and program streams, Ogg, AVI and
FLV are searched or guessed."""
SEARCHED: Final = frozenset({"mpegts"})
"""Containers without an index whose times can be searched for: where every packet has
been seen, it is known where each keyframe is, and reading finds it a little early."""
SEEKABLE: Final = frozenset({"mov", "matroska", "avi", "mxf"})
"""Demuxers that find a time by an index, without reading what lies between."""
CUED: Final = frozenset({"matroska", "avi", "flv", "asf", "mxf", "nut"})
"""Demuxers that read an index of keyframes before the media."""
BARE: Final = frozenset(
    {"h264", "hevc", "vvc", "mpegvideo", "m4v", "h263", "vc1", "obu"}
)
"""Elementary streams: pictures after pictures, and nothing about them."""
TIMELESS: Final = frozenset({"avi", *BARE})
"""Without presentation times: what is copied from them may be misordered."""
MISORDERED: Final = frozenset({"mxf"})
"""Whose index may leave out in which order pictures are shown: then they have the times
at which they are decoded."""
MISTIMED: Final = frozenset({"m4v"})
"""Without times, whose pictures FFmpeg 9 shows a thousandth of their time apart where
their rate is one of 1001ths."""
CLOCKED: Final = frozenset({"mpegts", "mpeg"})
"""Whose clock runs over, and leaps where recordings are joined."""
RECORDED: Final = frozenset({"mpegts", "mpeg", "flv", "matroska"})
"""What is recorded as it comes: pictures may change their size in mid-stream."""
LENGTHS: Final = frozenset({"flv", "matroska", "mov"})
"""Whose units of H.264 and HEVC have their length before them."""
READS: Final = {"mp4": "mov", "webm": "matroska", "ogg": "ogg"}
"""Container that we write → demuxer that reads it."""


def short(format_name: str) -> str:
    """The first of a demuxer's names: `mov,mp4,m4a` is `mov`."""
    return format_name.split(",", maxsplit=1)[0]
