"""Filters that convert colours: wide gamuts, odd curves and matrices, HDR to SDR."""

from __future__ import annotations

from ...contract import VideoStream
from ...media.colours import (
    BT709,
    Colour,
    is_converted,
    is_scalable,
    output_colour,
    source_colour,
    zimg_transfer,
)
from ...media.gamuts import has_other_white, to_bt709
from ...media.pixels import is_rgb, whole_chroma
from .hdr import peak_nits
from .stream import Stream

_WHITE_NITS = 100
"""cd/m²: what SDR calls white. With Hable's curve and 1000 cd/m² at most, HDR's diffuse
white (203, ITU-R BT.2408) comes to 73 % of the signal, as in HLG itself (75 %); with
203 here pictures came out a tenth darker than HLG's own SDR look."""
_HDR_SIDE_DATA = (
    "MASTERING_DISPLAY_METADATA",
    "CONTENT_LIGHT_LEVEL",
    "DYNAMIC_HDR_PLUS",
    "DOVI_RPU_BUFFER",
    "DOVI_METADATA",
    "DYNAMIC_HDR_VIVID",
    "AMBIENT_VIEWING_ENVIRONMENT",
)


def in_known_colours(stream: Stream, video: VideoStream) -> Stream:
    """By arithmetic, not by another label: wide gamuts, odd curves and matrices."""
    if not is_converted(video):
        return stream
    source, output = source_colour(video), output_colour(video, tone_map=False)
    stream = _with_whole_chroma(stream, video)
    seen: dict[str, object] = {
        "primariesin": source.primaries,
        "transferin": zimg_transfer(source.transfer),
    }
    wanted: dict[str, object] = {
        "primaries": output.primaries,
        "transfer": output.transfer,
    }
    if not is_rgb(video):
        # What is red, green and blue stays so until it is scaled.
        seen["matrixin"] = source.matrix
        wanted["matrix"] = output.matrix
    if not has_other_white(source.primaries):
        return stream.filter("zscale", **seen, **wanted)
    # `zscale` keeps colours as they are, seen beside each other: grey of another white
    # would be tinted. White goes to white here.
    linear = {"primaries": source.primaries, "transfer": "linear"}
    stream = stream.filter("zscale", **seen, **linear)
    stream = stream.filter("format", "gbrpf32le")
    mixed = {
        f"{to}{of}": f"{share:.6f}"
        for to, row in zip("rgb", to_bt709(source.primaries), strict=True)
        for of, share in zip("rgb", row, strict=True)
    }
    stream = stream.filter("colorchannelmixer", **mixed)
    stream = stream.filter("setparams", color_primaries=BT709.primaries)
    stream = stream.filter("zscale", **wanted)
    return stream.filter("format", whole_chroma(video))


def harmless(stream: Stream, video: VideoStream) -> Stream:
    """
    Tags with which `scale` takes any pixels, and changes but their size and format.

    The colours' own have to be said again after it.
    """
    return stream.filter(
        "setparams",
        colorspace="gbr" if is_rgb(video) else BT709.matrix,
        color_primaries=BT709.primaries,
        color_trc=BT709.transfer,
    )


def tone_mapped(
    stream: Stream, video: VideoStream, size: tuple[int, int], source: Colour
) -> Stream:
    strange = not is_rgb(video) and not is_scalable(source.matrix)
    if strange:
        stream = harmless(stream, video)
    # Smaller first: float pixels are 12 bytes, and the largest rendition is all
    # that anybody will see.
    stream = stream.filter("scale", w=size[0], h=size[1])
    if strange:
        stream = _with_whole_chroma(stream, video)
    stream = stream.filter(
        "zscale",
        matrixin=source.matrix,
        primariesin=source.primaries,
        transferin=source.transfer,
        transfer="linear",
        npl=_WHITE_NITS,
    )
    stream = stream.filter("format", "gbrpf32le")
    stream = stream.filter("zscale", primaries="bt709")
    # Hable keeps detail in highlights; desaturation would wash out bright colours.
    stream = stream.filter(
        "tonemap",
        tonemap="hable",
        desat=0,
        # Told, because left alone it expects 10 000 cd/m² where PQ says nothing.
        peak=f"{max(1.0, peak_nits(video) / _WHITE_NITS):.4f}",
    )
    stream = stream.filter("zscale", transfer="bt709", matrix="bt709", range="tv")
    for kind in _HDR_SIDE_DATA:
        # Encoders would write it into SDR, and players take that for HDR.
        stream = stream.filter("sidedata", mode="delete", type=kind)
    return stream.filter("format", "yuv420p")


def _with_whole_chroma(stream: Stream, video: VideoStream) -> Stream:
    """As `zscale` takes it in any size and format, its colours untouched."""
    source = source_colour(video)
    stream = harmless(stream, video).filter("format", whole_chroma(video))
    return stream.filter(
        "setparams",
        colorspace="gbr" if is_rgb(video) else source.matrix,
        color_primaries=source.primaries,
        color_trc=zimg_transfer(source.transfer),
    )
