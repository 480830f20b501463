"""The shape of pixels, read from headers that encoders have written."""

from __future__ import annotations

import subprocess
from fractions import Fraction

import pytest

from transcode.media.sequence_headers import UNITS, pixel_aspect

MPEG2 = ("-c:v", "mpeg2video")
X265 = (
    *("-c:v", "libx265", "-preset", "ultrafast"),
    *("-x265-params", "log-level=none"),
)
X264 = ("-c:v", "libx264", "-preset", "ultrafast")


def header(ffmpeg: str, codec: str, aspect: str, *options: str) -> bytes:
    """The one that *codec*'s encoder writes for pixels of *aspect*."""
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=s=352x288:d=0.1"]
    argv += ["-vf", f"setsar={aspect}", *options, "-frames:v", "1", "-map", "0:v"]
    argv += ["-bsf:v", f"filter_units=pass_types={UNITS[codec]}", "-f", "data", "-"]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout


@pytest.mark.parametrize("aspect", ["1/1", "12/11", "40/33", "16/11", "7/5", "0"])
@pytest.mark.parametrize(
    "options",
    [X264, (*X264, "-pix_fmt", "yuv444p10le"), (*X264, "-x264-params", "cqm=jvt")],
    ids=["plain", "444", "scaled"],
)
def test_h264_says_what_was_asked_for(
    ffmpeg: str, aspect: str, options: tuple[str, ...]
) -> None:
    """By a number of the table or by both sides; 0 is left open."""
    unit = header(ffmpeg, "h264", aspect, *options)

    assert Fraction(aspect) == pixel_aspect("h264", unit)


@pytest.mark.parametrize("aspect", ["12/11", "7/5", "0"])
@pytest.mark.parametrize(
    "parameters",
    ["bframes=4", "scaling-list=default:lossless=1", "ref=5:temporal-layers=3"],
)
def test_hevc_says_what_was_asked_for(
    ffmpeg: str, aspect: str, parameters: str
) -> None:
    """Behind lists, layers and sets of references, however they are written."""
    options = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
    unit = header(ffmpeg, "hevc", aspect, *options, f"log-level=none:{parameters}")

    assert Fraction(aspect) == pixel_aspect("hevc", unit)


@pytest.mark.parametrize(("shown", "pixel"), [("4/3", "12/11"), ("16/9", "16/11")])
def test_mpeg_2_says_the_shape_of_the_whole(
    ffmpeg: str, shown: str, pixel: str
) -> None:
    """And that over the picture's size is a pixel's."""
    unit = header(ffmpeg, "mpeg2video", pixel, "-c:v", "mpeg2video")

    assert Fraction(shown) / Fraction(352, 288) == pixel_aspect("mpeg2video", unit)


@pytest.mark.parametrize(
    ("codec", "options"), [("h264", X264), ("hevc", X265), ("mpeg2video", MPEG2)]
)
def test_the_last_of_several_counts(
    ffmpeg: str, codec: str, options: tuple[str, ...]
) -> None:
    """ffmpeg puts what a container says of all before what a picture says."""
    units = [header(ffmpeg, codec, it, *options) for it in ("12/11", "16/11")]

    assert Fraction(16, 11) == pixel_aspect(codec, b"".join(units))


def test_another_view_says_nothing_of_this_one(ffmpeg: str) -> None:
    """HEVC of two eyes has parameters for each."""
    unit = header(ffmpeg, "hevc", "12/11", *X265)
    at = unit.index(b"\0\0\1") + 4
    other = unit[:at] + bytes([unit[at] | 1 << 3]) + unit[at + 1 :]

    assert Fraction(12, 11) == pixel_aspect("hevc", unit + other)
    assert pixel_aspect("hevc", other) is None


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg2video", "mpeg1video"])
@pytest.mark.parametrize("unit", [b"", b"\0\0\1", b"\0\0\1\x67\x42", b"\0" * 40])
def test_what_cannot_be_read_says_nothing(codec: str, unit: bytes) -> None:
    """Cut off, empty, or of a codec that nobody asked for."""
    assert pixel_aspect(codec, unit) is None
