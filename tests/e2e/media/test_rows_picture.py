"""Rows 7 to 10, 16 and 27 to 31 of what breaks transcoders: what the eye sees."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeClip

from .conftest import SIDE

Run = Callable[..., Any]
Made = Callable[..., Path]

QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def mean(pixels: bytes, channel: int) -> float:
    """Of red (0), green or blue."""
    values = pixels[channel::3]
    return sum(values) / len(values)


def apart(one: bytes, other: bytes) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def turned(pixels: bytes, place: Callable[[int, int], tuple[int, int]]) -> bytes:
    return b"".join(
        pixels[3 * (SIDE * y + x) :][:3]
        for x, y in (place(n % SIDE, n // SIDE) for n in range(SIDE * SIDE))
    )


LAST = SIDE - 1
WAYS: dict[str, Callable[[int, int], tuple[int, int]]] = {
    "upright": lambda x, y: (x, y),
    "right": lambda x, y: (y, LAST - x),
    "upside down": lambda x, y: (LAST - x, LAST - y),
    "left": lambda x, y: (LAST - y, x),
    "mirrored": lambda x, y: (LAST - x, y),
    "flipped": lambda x, y: (x, LAST - y),
    "transposed": lambda x, y: (y, x),
    "transversed": lambda x, y: (LAST - y, LAST - x),
}


@pytest.mark.parametrize("name", ["portrait.MOV", "ios9.mov", "rotated_video.mp4"])
def test_row_07_rotation(ran: Run, eyes: Any, media_dir: Path, name: str) -> None:
    """A phone's turned picture is upright, by its pixels and not by a note."""
    source = media_dir / "edge" / name

    result = ran(source).path

    video = eyes.video(result)
    assert video["height"] > video["width"]
    assert not video.get("side_data_list")
    before, after = eyes.picture(source), eyes.picture(result)
    ways = {way: apart(turned(before, place), after) for way, place in WAYS.items()}
    assert "upright" == min(ways, key=ways.__getitem__)


def test_row_08_odd_dimensions(ran: Run, eyes: Any, media_dir: Path) -> None:
    """161x121 becomes a size that 4:2:0 can hold, with every frame."""
    result = ran(media_dir / "edge" / "bear-vp9-odd-dimensions.webm")

    video = eyes.video(result.path)
    assert (160, 120) == (video["width"] & ~1, video["height"] & ~1)
    assert (0, 0) == (video["width"] % 2, video["height"] % 2)
    assert "30" == video["nb_frames"]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("formats/fixture2.3gp", Fraction(176, 144) * Fraction(12, 11)),
        ("formats/xdcam-hd-1080i60.mov", Fraction(16, 9)),
    ],
)
def test_row_09_pixels_that_are_not_square(
    ran: Run, eyes: Any, media_dir: Path, name: str, shape: Fraction
) -> None:
    """The shape is in the size: pixels are square, and nothing is squeezed."""
    video = eyes.video(ran(media_dir / name).path)

    assert "1:1" == video["sample_aspect_ratio"]
    size = video["width"] / video["height"]
    assert size == pytest.approx(float(shape), rel=0.01)


X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "0")
MPEG2 = ("-c:v", "mpeg2video", "-b:v", "2M")


@pytest.fixture
def reshaped(made: Made) -> Callable[..., Path]:
    """
    A recording whose pixels become wider after a second, as at a change from 4:3 to
    16:9: a white disc before, and one after it that is as round.
    """

    def make(name: str, *codec: str, container: str) -> Path:
        parts = []
        for n, aspect in enumerate((Fraction(12, 11), Fraction(16, 11))):
            disc = f"hypot((X-180)*{float(aspect)},Y-144)"
            chain = f"geq=lum='if(lt({disc},90),235,16)':cb=128:cr=128,setsar={aspect}"
            source = f"color=s=360x288:r=25:d=1,{chain}"
            options = ("-f", "lavfi", "-i", source, *codec, "-g", "25")
            parts.append(made(f"{name}.{n}.ts", *options))
        joined = f"concat:{parts[0]}|{parts[1]}"
        again = ("-fflags", "+genpts", "-i", joined, "-c", "copy", "-f", container)
        return made(f"{name}.{container}", *again)

    return make


def disc(eyes: Any, path: str | Path, number: int) -> tuple[int, int]:
    """How wide and how high it is in a frame, in pixels."""
    argv = [eyes.ffmpeg, "-v", "error", "-i", f"file:{path}", "-vf"]
    argv += [f"select=eq(n\\,{number}),format=gray", "-frames:v", "1"]
    argv += ["-f", "rawvideo", "-"]
    grey = subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout
    wide = eyes.video(path)["width"]
    rows = [grey[at : at + wide] for at in range(0, len(grey), wide)]
    high = sum(max(row) > SIDE * 4 for row in rows)
    return max(sum(it > SIDE * 4 for it in row) for row in rows), high


@pytest.mark.parametrize(
    ("codec", "container", "options"),
    [
        (X264, "mpegts", ()),
        (X264, "mpegts", ("--start", "1.4")),
        (MPEG2, "vob", ()),
    ],
    ids=["transport", "late", "program"],
)
def test_pixels_that_change_their_shape(  # noqa: PLR0917
    ran: Run,
    eyes: Any,
    reshaped: Any,
    codec: tuple[str, ...],
    container: str,
    options: tuple[str, ...],
) -> None:
    """What is round stays round, though the number of pixels says nothing of it."""
    clip = reshaped(codec[1], *codec, container=container)

    result = ran(clip, "mp4", *options)

    frames = int(eyes.video(result.path)["nb_frames"])
    for number in {0, frames - 3}:
        wide, high = disc(eyes, result.path, number)
        assert wide == pytest.approx(high, rel=0.04)
    assert any("change their shape" in it for it in result.document["warnings"])


def test_row_10_interlaced(ran: Run, eyes: Any, made: Made) -> None:
    """Two fields of two moments become one picture without combs."""
    clip = made(
        "fields.ts", "-f", "lavfi",
        "-i", "testsrc2=size=720x576:rate=50:duration=2,scroll=h=0.02",
        "-vf", "tinterlace=interleave_top,setfield=tff",
        "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-b:v", "8M",
    )  # fmt: skip

    result = ran(clip)

    assert result.document["media"]["video"][0]["interlaced"] is True
    assert "50" == eyes.video(result.path)["nb_frames"]
    said = subprocess.run(
        [eyes.ffmpeg, "-hide_banner", "-i",
         result.path, "-vf", "idet", "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    counted = re.findall(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+)", said)
    assert [(0, 0)] == [(int(a), int(b)) for a, b in counted[-1:]]


def test_row_16_hdr(ran: Run, eyes: Any, media_dir: Path) -> None:
    """Ten bits of HLG become eight bits of BT.709, said to be that, and not grey."""
    source = media_dir / "edge" / "hlg10-color-test.mp4"

    result = ran(source).path

    video = eyes.video(result)
    tags = [video.get(f"color_{tag}") for tag in ("space", "primaries", "transfer")]
    assert ["bt709"] * 3 == tags
    assert "yuv420p" == video["pix_fmt"]
    # swscale's own tone mapping, which has nothing in common with ours.
    wanted = eyes.picture(
        source,
        "scale=320:320:out_primaries=bt709:out_transfer=bt709:intent=perceptual",
    )
    assert apart(wanted, eyes.picture(result)) < 30


def test_row_27_alpha(ran: Run, eyes: Any, made: Made, media_dir: Path) -> None:
    """What is transparent is black, whatever colour hides beneath."""
    red = "color=red@0.0:size=320x240:rate=25:duration=0.4,format=argb"
    box = "drawbox=w=160:t=fill:color=lime@1.0:replace=1"
    clip = made("alpha.mov", "-f", "lavfi", "-i", red, "-vf", box, "-c:v", "qtrle")

    pixels = eyes.picture(ran(clip).path)

    row = pixels[3 * SIDE * 16 :][: 3 * SIDE]
    assert row[3 * 8 + 1] > 200
    assert max(row[3 * 24 : 3 * 24 + 3]) < 30
    assert 25 == ran(media_dir / "formats/animation.mov").outputs[0]["video"]["frames"]


def test_row_28_animations(ran: Run, eyes: Any, media_dir: Path) -> None:
    """A GIF is a video with its own times, shown once; Motion JPEG is one, too."""
    source = media_dir / "attack" / "PHP_exif_system.gif"

    result = ran(source).path

    assert 19 == len(eyes.times(result))
    assert eyes.times(source) == pytest.approx(eyes.times(result), abs=0.01)
    moving = ran(media_dir / "formats" / "fixture-mjpeg.mov").one("rendition")
    assert 15 == moving["video"]["frames"]


@pytest.mark.parametrize(
    "name", ["formats/jpeg2000.mov", "formats/h265_10bits.mp4", "edge/chroma1.mp4"]
)
def test_row_29_deep_and_dense_pixels(
    ran: Run, eyes: Any, media_dir: Path, name: str
) -> None:
    """RGB, ten bits, 4:4:4 become what every player takes, in the same colours."""
    source = media_dir / name

    result = ran(source).path

    video = eyes.video(result)
    assert ("yuv420p", "h264") == (video["pix_fmt"], video["codec_name"])
    assert apart(eyes.picture(source), eyes.picture(result)) < 6


@pytest.mark.parametrize("levels", ["pc", "tv"])
def test_row_30_range_and_tags(ran: Run, eyes: Any, made: Made, levels: str) -> None:
    """Full or limited, untagged SD: the same colours, limited, and tagged."""
    clip = made(
        f"{levels}.mov", "-f", "lavfi", "-i", "color=0xC04080:size=320x240:rate=25:d=1",
        "-vf", f"scale=out_range={levels}:out_color_matrix=bt601,format=yuvj420p"
        if levels == "pc" else "scale=out_range=tv:out_color_matrix=bt601",
        "-c:v", "mjpeg" if levels == "pc" else "mpeg4", "-q:v", "1",
    )  # fmt: skip

    result = ran(clip).path

    video = eyes.video(result)
    assert "tv" == video["color_range"]
    # The two names of BT.601's matrix.
    assert video["color_space"] in {"smpte170m", "bt470bg"}
    colours = [mean(eyes.picture(result), channel) for channel in range(3)]
    assert [0xC0, 0x40, 0x80] == pytest.approx(colours, abs=5)


def test_row_31_several_programs(ran: Run, eyes: Any, made: Made) -> None:
    """Two programs: the larger picture, and the sound that belongs to it."""
    clip = made(
        "programs.ts",
        "-f", "lavfi", "-i", "color=blue:size=160x120:rate=25:d=1",
        "-f", "lavfi", "-i", "color=green:size=320x240:rate=25:d=1",
        "-f", "lavfi", "-i", "sine=frequency=300:d=1",
        "-f", "lavfi", "-i", "sine=frequency=1200:d=1",
        "-map", 0, "-map", 1, "-map", 2, "-map", 3, *QUICK, "-c:a", "aac",
        "-program", "title=small:st=0:st=2", "-program", "title=large:st=1:st=3",
    )  # fmt: skip

    result = ran(clip).path

    assert 320 == eyes.video(result)["width"]
    assert mean(eyes.picture(result), 1) > 100
    sound = eyes.sound(result)[2000:6000]
    crossings = sum(a < 0 <= b for a, b in pairwise(sound))
    assert 1200 == pytest.approx(crossings * 2, rel=0.05)


def test_row_31_several_pictures(ran: Run, media_dir: Path) -> None:
    """Two pictures in one file: the larger one, and the manifest names the other."""
    result = ran(media_dir / "formats" / "nasa_13013.mp4", "hls")

    assert 480 == result.one("rendition")["video"]["width"]
    assert any("Video track 0" in warning for warning in result.document["warnings"])


def test_row_06_shapes_are_kept(ran: Run, make_clip: MakeClip) -> None:
    """A square picture stays square: no shape is forced on it."""
    video = ran(make_clip("square.mp4", 0.4, "240x240")).one("rendition")["video"]

    assert video["width"] == video["height"]
