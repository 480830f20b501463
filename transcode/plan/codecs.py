"""
What is known of each codec: who writes it, in which words, and how hungry it is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

from ..contract import VideoCodec
from ..media.codecs import SOFTWARE_ENCODERS

Encoder = Literal[
    "libx264",
    "libx265",
    "libsvtav1",
    "libvpx-vp9",
    "h264_nvenc",
    "hevc_nvenc",
    "av1_nvenc",
]

ENCODERS: Final[dict[VideoCodec, tuple[Encoder, ...]]] = {
    "h264": ("libx264", "h264_nvenc"),
    "hevc": ("libx265", "hevc_nvenc"),
    "av1": ("libsvtav1", "av1_nvenc"),
    "vp9": ("libvpx-vp9",),
}
"""The encoders that write each codec; the first is what a profile gets unasked."""

SOFTWARE: Final = frozenset(SOFTWARE_ENCODERS.values())

AUDIO_ENCODERS: Final = {"aac": "aac", "opus": "libopus"}

_X26X = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium"),
    *("slow", "slower", "veryslow"),
)
PRESETS: Final[dict[VideoCodec, tuple[str, ...]]] = {
    "h264": _X26X,
    "hevc": _X26X,
    "av1": tuple(str(n) for n in range(14)),
    "vp9": tuple(str(n) for n in range(9)),
}
"""Fast or slow, in the words of each codec's software encoder."""

TUNES: Final[dict[VideoCodec, tuple[str, ...]]] = {
    "h264": (
        *("film", "animation", "grain", "stillimage"),
        *("psnr", "ssim", "fastdecode", "zerolatency"),
    ),
    "hevc": ("animation", "grain", "psnr", "ssim", "fastdecode", "zerolatency"),
    "av1": (),
    "vp9": (),
}

CODEC_PROFILES: Final[dict[VideoCodec, tuple[str, ...]]] = {
    "h264": ("baseline", "main", "high"),
    "hevc": ("main", "main10"),
    "av1": ("main",),
    "vp9": ("0", "2"),
}

CRF_LIMIT: Final[dict[VideoCodec, int]] = {"h264": 51, "hevc": 51, "av1": 63, "vp9": 63}

ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these leave transparency out, and show what is hidden."""

HDR_CODECS: Final = frozenset({"hevc", "av1"})
"""Codecs in which devices play HDR, and whose encoders here write its metadata."""

LEAST_SIDE: Final[dict[VideoCodec, int]] = {"h264": 2, "hevc": 16, "av1": 16, "vp9": 2}
"""Pixels; below it the software encoder refuses. Tried with FFmpeg 9.0.2: x265 makes
16x16 and not 10x12, x264 and libvpx even 2x2. SVT-AV1 writes past its memory and dies
at 8x8 where colours are tagged, and at 16x8 where HDR was mastered."""

LARGEST_PICTURE: Final = 8192 * 4352
"""Pixels: the largest picture of HEVC and AV1 level 6.2; no camera records more."""

APPETITE: Final = {
    "mpeg1video": 2.0,
    "mpeg2video": 2.0,
    "h263": 1.6,
    "mpeg4": 1.5,
    "msmpeg4v2": 1.6,
    "msmpeg4v3": 1.6,
    "wmv2": 1.5,
    "wmv3": 1.1,
    "vc1": 1.1,
    "theora": 1.4,
    "vp8": 1.2,
    "h264": 1.0,
    "vp9": 0.7,
    "hevc": 0.65,
    "av1": 0.55,
    "vvc": 0.45,
}
"""Bits for equal quality, H.264 = 1: assumed, not measured here. Codecs of
single pictures (ProRes, MJPEG, DV) are not in it: their rates say nothing about what
an encode needs."""

BITS: Final[dict[tuple[VideoCodec, str], Decimal]] = {
    ("h264", "veryfast"): Decimal("1.00"),
    ("h264", "medium"): Decimal("0.85"),
    ("h264", "slow"): Decimal("0.80"),
    ("av1", "10"): Decimal("0.63"),
    ("av1", "8"): Decimal("0.62"),
}
"""Bits at equal VMAF, libx264 `veryfast` as 1: means of BD-rate over two or three
public clips of 10 s at 540 and 720 lines (2026-11-28, FFmpeg 9.0.2, SVT-AV1 4.2);
titles differ by 0.15. What is not in it was not measured, and is no way to take."""
