"""Pixel formats by ffmpeg's names: what samples mean, and how chroma is sampled."""

from __future__ import annotations

from typing import Final

from ..contract import VideoStream

SAMPLES_PER_PIXEL: Final = {
    "420": 1.5,
    "411": 1.5,
    "410": 1.125,
    "422": 2.0,
    "440": 2.0,
    "444": 3.0,
    "rgb": 3.0,
    "gbr": 3.0,
}
"""By a part of the format's name: luma and chroma together, without alpha."""
_RGB = (
    *("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr"),
    *("x2rgb", "x2bgr", "bayer", "pal8"),
)
_DEEP_BITS = 10


def is_rgb(video: VideoStream) -> bool:
    """Whether the pixels are red, green and blue, or indices into such."""
    return (video.pixel_format or "").startswith(_RGB)


def is_rgb_name(pixel_format: str | None) -> bool:
    """The same of a format's name."""
    return (pixel_format or "").startswith(_RGB)


def is_xyz(video: VideoStream) -> bool:
    """Whether the pixels are CIE XYZ (SMPTE ST 428-1, digital cinema)."""
    return (video.pixel_format or "").startswith("xyz")


def samples_per_pixel(pixel_format: str | None) -> float:
    """Luma and chroma together; 4:2:0's where the format is unknown."""
    form = pixel_format or ""
    found = (count for part, count in SAMPLES_PER_PIXEL.items() if part in form)
    return next(found, SAMPLES_PER_PIXEL["420"])


def columns_per_chroma(pixel_format: str | None) -> int:
    """Columns of a frame that share a sample of chroma: 4 in 4:1:1 and 4:1:0."""
    return 4 if "41" in (pixel_format or "") else 2


def whole_chroma(video: VideoStream) -> str:
    """
    A format like the picture's, with chroma for each pixel and bits to spare.

    What converts colours takes it at any size: subsampled ones must be even.
    """
    kind = "gbrp" if is_rgb(video) or is_xyz(video) else "yuv444p"
    deep = (video.bit_depth or 8) > _DEEP_BITS
    return f"{kind}{'16le' if deep else '10le'}"
