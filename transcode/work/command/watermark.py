"""A watermark over pictures: where it stands, and the filters that put it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...contract import Watermark
from ...media.colours import HDR_TRANSFERS, Colour, scaler_name
from .stream import Drawn, Stream

DEMUXERS = {"png": "png_pipe", "jpeg": "jpeg_pipe", "webp": "webp_pipe"}
"""One picture's bytes, whatever its name is; none of them opens further files."""
DECODERS = {"png": "png", "jpeg": "mjpeg", "webp": "webp"}

Draw = Callable[[Stream, int, int, Colour, str], Stream]
"""A stream, its width and height, its colours, its pixel format → the same, marked."""

STILL = Colour("bt601", "bt709", "bt709")
"""Of JPEG pictures: JFIF's matrix, in full range."""


def placed(mark: Watermark, width: int, height: int) -> tuple[int, int, int, int]:
    """
    Left, top, width and height in a frame, in pixels.

    All even, since chroma has half the resolution: nothing outside is touched.
    """
    image = mark.image
    share = min(mark.size * width / image.width, mark.size * height / image.height)
    wide, high = _even(image.width * share), _even(image.height * share)
    edge = mark.margin * min(width, height)
    words = mark.position.split("-")
    left, top = (width - wide) / 2, (height - high) / 2
    if "left" in words:
        left = edge
    elif "right" in words:
        left = width - wide - edge
    if "top" in words:
        top = edge
    elif "bottom" in words:
        top = height - high - edge
    return int(left) // 2 * 2, int(top) // 2 * 2, wide, high


def drawing(mark: Watermark, images: Iterator[Stream]) -> Draw:
    """
    What draws the mark on a stream, in that stream's own colours.

    Each time it takes one of *images*.
    """

    def draw(
        stream: Stream, width: int, height: int, colour: Colour, pixel_format: str
    ) -> Stream:
        left, top, wide, high = placed(mark, width, height)
        deep = "10" in pixel_format
        logo = next(images).filter("scale", w=wide, h=high, flags="area+accurate_rnd")
        if colour.transfer in HDR_TRANSFERS:
            logo = _in_hdr(logo, colour)
        logo = logo.filter("format", "rgba64le" if deep else "rgba")
        logo = logo.filter("colorchannelmixer", aa=f"{mark.opacity:.6g}")
        logo = logo.filter(
            "scale",
            out_color_matrix=scaler_name(colour.matrix),
            out_range="pc" if colour is STILL else "tv",
        )
        logo = logo.filter("format", "yuva420p10le" if deep else "yuva420p")
        return stream.overlay(
            logo, x=left, y=top, format="yuv420p10" if deep else "yuv420"
        )

    return draw


def on_still(draw: Draw) -> Drawn:
    """The same for JPEG pictures."""
    return lambda stream, width, height: draw(stream, width, height, STILL, "yuv420p")


def _in_hdr(logo: Stream, colour: Colour) -> Stream:
    # White of graphics in HDR: 203 cd/m² (ITU-R BT.2408, table 1).
    logo = logo.filter("format", "gbrap16le")
    return logo.filter(
        "zscale",
        transferin="iec61966-2-1",
        primariesin="bt709",
        transfer=colour.transfer,
        primaries="bt2020",
        npl=203,
    )


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)
