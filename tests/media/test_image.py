"""What may be a watermark: three formats, told by content, small enough."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from transcode.errors import WatermarkError
from transcode.media.image import LARGEST_BYTES, look_at, refuse_change


def image(ffmpeg: str, path: Path, size: str = "40x20", *options: str) -> Path:
    source = f"color=red@0.5:size={size},format=rgba"
    argv = [ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", source]
    subprocess.run([*argv, "-frames:v", "1", *options, str(path)], check=True)
    return path


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("a.png", (), "png"),
        ("a.jpg", (), "jpeg"),
        ("a.webp", ("-lossless", "1"), "webp"),
        ("b.webp", ("-pix_fmt", "yuv420p"), "webp"),
        ("c.webp", ("-pix_fmt", "yuva420p"), "webp"),
    ],
)
def test_a_picture_is_measured_without_decoding_it(
    name: str, options: tuple[str, ...], expected: str, tmp_path: Path, ffmpeg: str
) -> None:
    """Format and size as they are, from the header alone."""
    path = image(ffmpeg, tmp_path / name, "40x20", *options)

    found = look_at(path)

    assert (expected, 40, 20) == (found.format, found.width, found.height)


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/x'/></svg>",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile x.png\n",
        b"GIF89a\x01\x00\x01\x00",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\x00\x02" * 4,
        b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02" + bytes(9),
        b"",
    ],
)
def test_what_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever it is called: drawings, playlists, animations, heads without bodies."""
    path = tmp_path / "logo.png"
    path.write_bytes(content)

    with pytest.raises(WatermarkError, match=r"no PNG, JPEG or WebP"):
        look_at(path)


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    """In bytes and in pixels, by its header's word."""
    head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"
    wide = tmp_path / "wide.png"
    wide.write_bytes(head + (50_000).to_bytes(4, "big") * 2 + bytes(8))
    long = tmp_path / "long.png"
    long.write_bytes(head + (50).to_bytes(4, "big") * 2 + bytes(LARGEST_BYTES))

    with pytest.raises(WatermarkError, match="50000x50000"):
        look_at(wide)
    with pytest.raises(WatermarkError, match="MiB"):
        look_at(long)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe of that name holds nobody up."""
    pipe = tmp_path / "logo.png"
    os.mkfifo(pipe)

    for path in (pipe, tmp_path, tmp_path / "missing.png"):
        with pytest.raises(WatermarkError):
            look_at(path)


def test_a_picture_that_changes_is_refused(tmp_path: Path, ffmpeg: str) -> None:
    """What is drawn is what the job id names."""
    found = look_at(image(ffmpeg, tmp_path / "a.png"))
    refuse_change(found)
    image(ffmpeg, tmp_path / "a.png", "20x40")

    with pytest.raises(WatermarkError, match="changed"):
        refuse_change(found)
