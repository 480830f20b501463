"""Zeros in compressed pictures: a hole where they are forbidden, padding where not."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from transcode.media.zeros import PARTED, Zeros
from transcode.work.holes import holes_in

FILES = {
    "edge/hlg10-color-test.mp4": "hevc",
    "formats/foreman-hevc-384.mp4": "hevc",
    "edge/portrait_hevc.ts": "hevc",
    "edge/sample_android_slow_motion.mp4": "h264",
    "workload/VID_1920x1080_cabac_temporal_direct.264": "h264",
    "workload/big_buck_bunny_0_30.webm": "vp8",
    "edge/transparency.webm": "vp9",
}
BLOCK = 65_536


def stream(ffmpeg: str, path: Path, codec: str) -> bytes:
    """A file's picture, compressed as it is, as an encode hands it out."""
    plain = f"{codec}_mp4toannexb" if codec in PARTED else "null"
    argv = [ffmpeg, "-v", "error", "-i", str(path), "-map", "0:v:0", "-c", "copy"]
    argv += ["-bsf:v", plain, "-f", "data", "-"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def found(codec: str, data: bytes, block: int = BLOCK) -> Zeros:
    zeros = Zeros(codec)
    for at in range(0, len(data), block):
        zeros.take(data[at : at + block])
    zeros.close()
    return zeros


@pytest.mark.parametrize(("name", "codec"), FILES.items())
def test_whole_pictures_have_no_hole(
    media_dir: Path, ffmpeg: str, name: str, codec: str
) -> None:
    """Whatever padding stands between them, and however it comes."""
    data = stream(ffmpeg, media_dir / name, codec)

    for block in (BLOCK, 997):
        zeros = found(codec, data, block)
        assert (0, 0) == (zeros.sure, zeros.likely)


@pytest.mark.parametrize(("name", "codec"), FILES.items())
@pytest.mark.parametrize("size", [600, 5000])
def test_a_hole_in_a_picture_is_found_wherever_it_is(
    media_dir: Path, ffmpeg: str, name: str, codec: str, size: int
) -> None:
    data = stream(ffmpeg, media_dir / name, codec)
    chance = random.Random(name)  # noqa: S311

    for _ in range(20):
        at = chance.randrange(len(data) // 20, len(data) - size)
        holed = data[:at] + bytes(size) + data[at + size :]
        for block in (BLOCK, 997):
            assert 1 == holes_in(found(codec, holed, block), None), at


def test_zeros_that_are_in_most_pictures_are_how_they_are_made(
    media_dir: Path, ffmpeg: str
) -> None:
    """Units filled up with zeros are lawful where start codes part them."""
    path = media_dir / "formats/foreman-hevc-384.mp4"
    units = stream(ffmpeg, path, "hevc").split(b"\0\0\1")

    zeros = found("hevc", (bytes(40) + b"\0\0\1").join(units))

    assert zeros.likely > 200
    assert 0 == zeros.sure == holes_in(zeros, 248)


def test_careless_messages_are_no_holes() -> None:
    """What some cameras write beside pictures has zeros, too."""
    message, picture = b"\0\0\0\1\x06\x05", b"\0\0\0\1\x65\x88"

    zeros = found("h264", message + bytes(100) + b"end" + picture + b"data")

    assert (0, 0) == (zeros.sure, zeros.likely)
    assert 1 == found("h264", picture + bytes(100) + b"end").sure
