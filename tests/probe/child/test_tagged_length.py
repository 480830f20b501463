"""How long streams last of which Matroska's own tag alone tells."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from transcode.contract import Media

Look = Callable[..., Media]
_LATE = 0.4


@pytest.fixture(scope="module")
def recording(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds, larger than what is read of its head; sound begins late."""
    path = tmp_path_factory.mktemp("tagged") / "late.mkv"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi"]
    argv += ["-i", "testsrc2=size=320x180:rate=25:duration=20"]
    argv += ["-itsoffset", f"{_LATE}", "-f", "lavfi"]
    argv += ["-i", "anoisesrc=sample_rate=48000:duration=20"]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "flac"]
    subprocess.run([*argv, str(path)], check=True)
    return path


def test_what_libavformat_tags_is_when_a_stream_ends(
    recording: Path, look: Look
) -> None:
    """Sound that begins 0.4 s late would else last as much longer than it does."""
    media = look(recording)

    assert (20.0, 20.4) == (media.audio[0].duration_seconds, media.duration_seconds)


def test_what_others_tag_is_how_long_it_lasts(
    recording: Path, look: Look, tmp_path: Path
) -> None:
    """As the statistics of mkvmerge say it, from its first time to its last."""
    theirs = tmp_path / "theirs.mkv"
    theirs.write_bytes(recording.read_bytes().replace(b"Lavf", b"Them"))

    assert 20.4 == look(theirs).audio[0].duration_seconds
