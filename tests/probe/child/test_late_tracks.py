"""Recordings whose picture or sound goes on in tracks that begin in mid-stream."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.contract import Media
from transcode.errors import MediaUnsupported

Look = Callable[..., Media]
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=3")
SOUND = ("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=3")
LARGE = 4 * 1024 * 1024
"""Bytes; more than the probe reads of a file."""


@pytest.fixture(scope="module")
def piece(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Three seconds of a transport stream that begin at second 3 × *number*."""
    folder = tmp_path_factory.mktemp("pieces")

    def make(number: int, *options: str, rate: str = "500k") -> Path:
        path = folder / f"{number}-{abs(hash((options, rate)))}.ts"
        argv = [ffmpeg, "-nostdin", "-v", "error", *PICTURE, *SOUND, *options]
        argv += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac"]
        argv += ["-b:v", rate, "-nal-hrd", "cbr", "-maxrate", rate, "-bufsize", rate]
        argv += ["-tables_version", str(number), "-output_ts_offset", str(3 * number)]
        subprocess.run([*argv, str(path)], check=True)
        return path

    return make


def _joined(path: Path, *pieces: Path) -> Path:
    path.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    return path


@pytest.mark.parametrize("rate", ["500k", "8M"])
def test_a_picture_that_goes_on_under_another_number_is_no_short_success(
    piece: Callable[..., Path], look: Look, tmp_path: Path, rate: str
) -> None:
    """ffmpeg would make the first half, and end with 0; read whole, or in places."""
    second = piece(1, "-mpegts_start_pid", "512", rate=rate)
    upload = _joined(tmp_path / "renumbered.ts", piece(0, rate=rate), second)
    assert (rate == "8M") == (upload.stat().st_size > LARGE)

    with pytest.raises(MediaUnsupported, match="picture is in a track that begins in"):
        look(upload)


@pytest.mark.parametrize("rate", ["500k", "8M"])
def test_sound_that_was_not_announced_is_no_silent_success(
    piece: Callable[..., Path], look: Look, tmp_path: Path, rate: str
) -> None:
    """The first table of the program names a picture alone."""
    silent = piece(0, "-map", "0", rate=rate)
    upload = _joined(tmp_path / "late.ts", silent, piece(1, rate=rate))

    with pytest.raises(MediaUnsupported, match="sound is in a track that begins in"):
        look(upload)


@pytest.mark.parametrize("rate", ["500k", "8M"])
def test_a_language_that_begins_later_is_nobodys_loss(
    piece: Callable[..., Path], look: Look, tmp_path: Path, rate: str
) -> None:
    """What was there from the start goes on: all of it is made."""
    both = piece(1, "-map", "0", "-map", "1", "-map", "1", rate=rate)
    media = look(_joined(tmp_path / "more.ts", piece(0, rate=rate), both))

    assert 6 == pytest.approx(media.duration_seconds, abs=0.1)
    assert 1 == len(media.video)
