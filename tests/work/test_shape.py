"""Cropped, turned and mirrored sources: every output shows the one picture meant."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.contract import Produced, Task
from transcode.errors import MediaUnsupported

BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
SIDE = 16


def with_clap(path: Path, width: int, height: int, right: int, down: int) -> None:
    """Give an MP4 whose index comes last a clean aperture, its centre moved."""
    data = bytearray(path.read_bytes())
    clap = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, right, 2, down, 2)
    at = 0
    for kind in BOXES:
        at = data.index(kind, at)
        (size,) = struct.unpack_from(">I", data, at - 4)
        struct.pack_into(">I", data, at - 4, size + len(clap))
        end = at - 4 + size
    data[end:end] = clap
    path.write_bytes(data)


def picture(ffmpeg: str, path: Path, filters: str = "null") -> bytes:
    """The first frame behind *filters*, as a small square of RGB."""
    chain = f"{filters},scale={SIDE}:{SIDE}:flags=area,format=rgb24"
    argv = [ffmpeg, "-nostdin", "-v", "error", "-noautorotate", "-i", str(path)]
    argv += ["-frames:v", "1", "-vf", chain, "-f", "rawvideo", "-"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def difference(one: bytes, other: bytes) -> float:
    """Mean over all samples, 0 to 255."""
    assert len(one) == len(other) > 0
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


@pytest.fixture(scope="module")
def plain(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of which no two corners are alike, in H.264 that could be copied."""
    path = tmp_path_factory.mktemp("shape") / "plain.mp4"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi"]
    argv += ["-i", "testsrc=size=320x240:rate=25:duration=2", "-c:v", "libx264"]
    argv += ["-pix_fmt", "yuv420p", "-g", "25", "-x264-params", "scenecut=0:open-gop=0"]
    argv += ["-b:v", "150k", "-maxrate", "200k", "-bufsize", "400k", str(path)]
    subprocess.run(argv, check=True)
    return path


Kind = tuple[str, str, tuple[int, int]]
KINDS: dict[str, Kind] = {
    "clap in the middle": ("clap 320 180 0 0", "crop=320:180:0:30", (320, 180)),
    "clap to the right": ("clap 240 240 80 0", "crop=240:240:80:0", (240, 240)),
    "clap above, odd": ("clap 320 161 0 -79", "crop=320:161:0:0", (320, 161)),
    "turned by 90": ("rotate=90", "transpose=cclock", (240, 320)),
    "turned by 180": ("rotate=180", "hflip,vflip", (320, 240)),
    "turned by 270": ("rotate=270", "transpose=clock", (240, 320)),
    "mirrored": ("flip=horizontal", "hflip", (320, 240)),
    "upside down": ("flip=vertical", "vflip", (320, 240)),
    "turned otherwise by its container": ("tkhd rotate=90", "hflip,vflip", (320, 240)),
}
"""How it is told, what that means, and the size of what is to be seen."""


@pytest.fixture(scope="module")
def told(
    ffmpeg: str, plain: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The plain picture with something said about how to show it."""
    folder = tmp_path_factory.mktemp("told")

    def make(kind: str) -> Path:
        how = KINDS[kind][0]
        path = folder / f"{kind.replace(' ', '-')}.mp4"
        argv = [ffmpeg, "-v", "error", "-y"]
        if how.startswith("tkhd"):
            argv += ["-display_rotation", "180"]
        argv += ["-i", str(plain), "-c", "copy"]
        if not how.startswith("clap"):
            said = how.removeprefix("tkhd ")
            argv += ["-bsf:v", f"h264_metadata=display_orientation=insert:{said}"]
        subprocess.run([*argv, str(path)], check=True)
        if how.startswith("clap"):
            with_clap(path, *map(int, how.split()[1:]))
        return path

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_every_output_shows_the_picture_that_is_meant(
    ffmpeg: str,
    plain: Path,
    told: Callable[[str], Path],
    through: Callable[[Path, str], tuple[Produced, Path, Task]],
    kind: str,
) -> None:
    """
    Renditions and poster show the part and the way up that the source asks for.

    A copy would ask each player for it again, beside renditions that have it done.
    """
    _, meant, (width, height) = KINDS[kind]

    produced, staging, task = through(told(kind), "large\n[poster]\n")

    assert ("succeeded", None) == (produced.outcome.value, produced.failure)
    video = task.media.video[0]
    assert (width, height) == (video.display_width, video.display_height)
    assert {"encoded"} == {it.made_by for it in task.recipe.video}
    wanted = picture(ffmpeg, plain, meant)
    for name in ("video.mp4", "poster.jpg"):
        assert difference(wanted, picture(ffmpeg, staging / name)) < 20, name
    made = task.recipe.video[0]
    assert abs(made.width / made.height - width / height) < 0.02


def test_what_nobody_said_anything_about_is_copied(
    plain: Path, through: Callable[[Path, str], tuple[Produced, Path, Task]]
) -> None:
    """The same picture without a word: else none of the above would prove a thing."""
    _, _, task = through(plain, "large\n")

    assert {"copied"} == {it.made_by for it in task.recipe.video}


def test_a_copy_is_cropped_to_the_pixel_by_its_own_header(
    ffmpeg: str,
    plain: Path,
    tmp_path: Path,
    through: Callable[[Path, str], tuple[Produced, Path, Task]],
) -> None:
    """Decoders in a hurry leave some columns on the left; no check goes by these."""
    path = tmp_path / "cropped.mp4"
    argv = [ffmpeg, "-v", "error", "-i", str(plain), "-c", "copy", "-bsf:v"]
    subprocess.run([*argv, "h264_metadata=crop_left=40", str(path)], check=True)

    produced, staging, task = through(path, "large\n")

    assert ("succeeded", None) == (produced.outcome.value, produced.failure)
    assert {"copied"} == {it.made_by for it in task.recipe.video}
    wanted = picture(ffmpeg, plain, "crop=280:240:40:0")
    assert difference(wanted, picture(ffmpeg, staging / "video.mp4")) < 20


def hevc(ffmpeg: str, path: Path, source: str, *options: str) -> Path:
    """A short HEVC clip with x265's parameters."""
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libx265"]
    subprocess.run([*argv, *options, str(path)], check=True)
    return path


def test_hlg_that_only_a_message_announces_is_hlg(
    ffmpeg: str,
    tmp_path: Path,
    through: Callable[[Path, str], tuple[Produced, Path, Task]],
) -> None:
    """DVB sends the old curve in the header and the new one in SEI message 147."""
    tags = "-color_primaries bt2020 -colorspace bt2020nc -pix_fmt yuv420p10le"
    grey = "color=c=0xB0B0B0:size=192x108:rate=25:duration=0.2"
    parameters = ("-x265-params", "log-level=none:atc-sei=18")
    told = hevc(
        ffmpeg,
        tmp_path / "message.mp4",
        grey,
        *tags.split(),
        *("-color_trc", "bt2020-10", *parameters),
    )
    plainly = hevc(
        ffmpeg,
        tmp_path / "header.mp4",
        grey,
        *tags.split(),
        *("-color_trc", "arib-std-b67", "-x265-params", "log-level=none"),
    )

    _, staging, task = through(told, "mp4\n")
    _, control, _ = through(plainly, "mp4\n")

    video = task.media.video[0]
    assert ("hlg", "arib-std-b67") == (video.dynamic_range, video.color_transfer)
    assert video.carried
    pictures = (picture(ffmpeg, it / "video.mp4") for it in (staging, control))
    assert difference(*pictures) < 2


def test_hevc_in_single_fields_is_refused(
    ffmpeg: str,
    tmp_path: Path,
    through: Callable[[Path, str], tuple[Produced, Path, Task]],
) -> None:
    """Each is decoded by itself, half as high as the picture."""
    fields = "testsrc2=size=192x96:rate=50:duration=0.4"
    parameters = ("-x265-params", "log-level=none:interlace=tff")
    clip = hevc(ffmpeg, tmp_path / "fields.ts", fields, *parameters)

    with pytest.raises(MediaUnsupported, match="single fields"):
        through(clip, "mp4\n")


def test_yuv4mpeg_is_read(
    ffmpeg: str,
    tmp_path: Path,
    through: Callable[[Path, str], tuple[Produced, Path, Task]],
) -> None:
    """What raw video is passed between tools in; it holds nothing but pictures."""
    path = tmp_path / "raw.y4m"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi"]
    argv += ["-i", "testsrc=size=64x48:rate=25:duration=0.4", "-pix_fmt", "yuv420p"]
    subprocess.run([*argv, str(path)], check=True)

    produced, _, task = through(path, "mp4\n")

    assert ("succeeded", None) == (produced.outcome.value, produced.failure)
    assert ("yuv4mpegpipe", 64, 48) == (
        task.media.container,
        task.media.video[0].width,
        task.media.video[0].height,
    )
