"""Colour bars of every kind of source look as they did, and transparency is black."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import FilePackaging, OutputFile, Poster

BARS = "smptebars=size=320x180:rate=25:duration=0.2,format=gbrp"
FILE = FilePackaging(
    files=(OutputFile(name="video.mp4", container="mp4", video="180p"),)
)
X264 = "-c:v libx264 -preset ultrafast -crf 8"
"""How sources are encoded, but for their colours."""


def yuv(matrix: str, form: str, *, full: bool = False, tags: str = "") -> str:
    """A filter: RGB becomes *form* in *matrix*, tagged as told."""
    span = "pc" if full else "tv"
    return f"scale=out_color_matrix={matrix}:out_range={span},format={form}{tags}"


def tagged(name: str, span: str = "tv") -> str:
    said = f"colorspace={name}:color_primaries={name}:color_trc={name}"
    return f",setparams={said}:range={span}"


HD = tagged("bt709")
SD = tagged("smpte170m")
SOURCES = {
    "bt709": ("mp4", yuv("bt709", "yuv420p", tags=HD), X264),
    "bt601": ("mp4", yuv("bt601", "yuv420p", tags=SD), X264),
    "untagged SD": (
        "mp4",
        yuv("bt601", "yuv420p", tags=",setparams=colorspace=unknown"),
        X264,
    ),
    "full range": (
        "mp4",
        yuv("bt709", "yuvj420p", full=True, tags=tagged("bt709", "pc")),
        X264,
    ),
    "mjpeg": ("mov", yuv("bt601", "yuvj420p", full=True), "-c:v mjpeg -q:v 2"),
    "4:2:2 10 bits": ("mp4", yuv("bt709", "yuv422p10le", tags=HD), X264),
    "4:4:4": ("mp4", yuv("bt709", "yuv444p", tags=HD), X264),
    "prores": ("mov", yuv("bt709", "yuv422p10le", tags=HD), "-c:v prores_ks"),
    "rgb": ("mp4", "format=rgb24", "-c:v libx264rgb -preset ultrafast -crf 8"),
    "gbr": ("mkv", "format=gbrp", "-c:v ffv1"),
    "raw bgr": ("avi", "format=bgr24", "-c:v rawvideo"),
    "palette": ("gif", "null", "-c:v gif"),
}


@pytest.fixture
def performed_file(
    make_task: Any, make_recipe: Any, video: Any, performed: Any
) -> Callable[..., Path]:
    """The folder with one MP4 of the clip's size, and a poster."""

    def make(clip: Path, **changes: Any) -> Path:
        rendition = video(320, 180, max_bit_rate=9_000_000, buffer_bits=18_000_000)
        recipe = make_recipe(
            video=(rendition.model_copy(update={"crf": 12}),),
            audio=(),
            packaging=FILE,
            poster=Poster(width=320, height=180, candidates=1),
            **changes,
        )
        produced, staging = performed(make_task(clip, recipe))
        assert ("succeeded", None) == (produced.outcome.value, produced.failure)
        return Path(staging)

    return make


def colours(ffmpeg: str, *source: str) -> bytes:
    """The first frame as RGB, small."""
    chain = "scale=64:36:flags=area,format=gbrp,format=rgb24"
    argv = [ffmpeg, "-nostdin", "-v", "error", *source, "-frames:v", "1"]
    argv += ["-vf", chain, "-f", "rawvideo", "-"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def difference(one: bytes, other: bytes) -> float:
    """Mean over all samples, 0 to 255."""
    assert len(one) == len(other)
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


@pytest.mark.parametrize("name", SOURCES)
def test_bars_keep_their_colours(
    ffmpeg: str, tmp_path: Path, performed_file: Any, name: str
) -> None:
    """
    A player that follows the tags sees the bars that were put in; so does the poster.

    Read in the wrong matrix, BT.601 bars would be 6 off in the mean, full range 9.
    """
    suffix, chain, encoder = SOURCES[name]
    clip = tmp_path / f"bars.{suffix}"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", BARS, "-vf", chain]
    subprocess.run([*argv, *encoder.split(), str(clip)], check=True)

    staging = performed_file(clip)

    bars = colours(ffmpeg, "-f", "lavfi", "-i", BARS)
    assert difference(bars, colours(ffmpeg, "-i", str(staging / "video.mp4"))) < 2
    assert difference(bars, colours(ffmpeg, "-i", str(staging / "poster.jpg"))) < 3


@pytest.mark.parametrize(
    "kind",
    [
        ("mov", "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le", None),
        ("mov", "-c:v qtrle -pix_fmt argb", None),
        ("webm", "-c:v libvpx-vp9 -pix_fmt yuva420p -auto-alt-ref 0", "libvpx-vp9"),
        ("webm", "-c:v libvpx -pix_fmt yuva420p -auto-alt-ref 0", "libvpx"),
        ("apng", "-c:v apng -f apng", None),
    ],
    ids=["prores 4444", "argb", "vp9", "vp8", "apng"],
)
def test_transparency_is_black(
    ffmpeg: str,
    tmp_path: Path,
    performed_file: Any,
    kind: tuple[str, str, str | None],
) -> None:
    """
    What is hidden under transparency stays hidden: opaque red, and black beside it.
    """
    suffix, encoder, decoder = kind
    clip = tmp_path / f"half.{suffix}"
    half = "color=red:size=320x180:rate=25:duration=0.2,format=rgba"
    half += ",geq=r=255:g=0:b=0:a='255*lt(X,160)'"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", half, *encoder.split()]
    subprocess.run([*argv, str(clip)], check=True)

    staging = performed_file(clip, decoder=decoder)

    seen = colours(ffmpeg, "-i", str(staging / "video.mp4"))
    left, right = (18 * 64 + 16) * 3, (18 * 64 + 48) * 3
    assert [255, 0, 0] == pytest.approx(list(seen[left : left + 3]), abs=4)
    assert [0, 0, 0] == pytest.approx(list(seen[right : right + 3]), abs=4)


def test_strong_colours_in_rgb_are_no_fault(
    made: Callable[..., Path], through: Any
) -> None:
    """
    A picture that is right passes, however pure its colours: it is compared in the
    matrix that it got.
    """
    pure = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=0.4")
    clip = made("pure.mov", *pure, "-c:v", "qtrle", "-pix_fmt", "rgb24")

    produced, _, _ = through(clip, "large\n")

    assert ("succeeded", None) == (produced.outcome.value, produced.failure)


@pytest.mark.parametrize("matrix", [4, 7, 9], ids=["FCC", "240M", "BT.2020"])
def test_a_matrix_alone_is_converted_and_no_fault(
    made: Callable[..., Path], through: Any, matrix: int
) -> None:
    """
    Its numbers are others than the source's, since they mean the same colours.
    """
    clip = made(
        f"{matrix}.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=0.4"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p"),
        *("-bsf:v", f"h264_metadata=matrix_coefficients={matrix}"),
    )

    produced, _, _ = through(clip, "mp4\n")

    assert ("succeeded", None) == (produced.outcome.value, produced.failure)


@pytest.mark.parametrize("size", ["4x4", "8x8", "15x9", "16x16"])
def test_few_pixels_are_no_fault(
    made: Callable[..., Path], through: Any, size: str
) -> None:
    """
    Their colours stand in half as many places, of which none is like the source's.
    """
    pattern = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=2")
    clip = made(f"{size}.mkv", *pattern, "-c:v", "ffv1", "-pix_fmt", "yuv444p")

    produced, _, _ = through(clip, "mp4\n")

    assert ("succeeded", None) == (produced.outcome.value, produced.failure)
