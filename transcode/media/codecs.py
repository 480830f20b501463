"""Codecs by libavcodec's names: what pictures and subtitles are coded in, as facts."""

from __future__ import annotations

from typing import Final

NEVER_INTERLACED: Final = frozenset(
    {"vp8", "vp9", "av1", "theora", "gif", "apng", "png", "webp", "vvc"}
)
"""Codecs without fields."""
ALWAYS_CLOSED: Final = frozenset(
    {"vp8", "vp9", "av1", "mjpeg", "prores", "dnxhd", "ffv1", "gif"}
)
"""Codecs whose keyframes reset every reference, or that have nothing else."""
DRAWN_SUBTITLES: Final = frozenset(
    {"dvb_subtitle", "dvd_subtitle", "hdmv_pgs_subtitle"}
)
"""Subtitles that are pictures, and that can be drawn into others."""
BITMAP_SUBTITLES: Final = DRAWN_SUBTITLES | {"xsub", "dvb_teletext"}
"""Subtitles of which no text can be made."""
SOFTWARE_ENCODERS: Final = {
    "h264": "libx264",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
}
HARDWARE_ENCODERS: Final = {
    "h264": "h264_nvenc",
    "hevc": "hevc_nvenc",
    "av1": "av1_nvenc",
}
BITS_AS_H264: Final = {"hevc": 0.6, "av1": 0.5, "vp9": 0.65}
"""Of H.264's bits for the same picture; the same figures as in bench/calibrate.py."""
