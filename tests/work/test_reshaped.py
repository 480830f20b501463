"""Pixels that change their shape are found out while encoding, once and for all."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

import transcode.work.encode
from transcode.contract import OutcomeKind, Produced, Task
from transcode.work.reshaped import Reshaped, stretch

SHAPES = (Fraction(12, 11), Fraction(16, 11), Fraction(12, 11))
SECONDS = (1, 2, 1)


ENCODERS = {
    "mpeg2": ("mpeg2video", "-b:v", "2M"),
    "h264": ("libx264", "-preset", "ultrafast"),
    "hevc": ("libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"),
}


PLAIN = ("-c:a", "copy")


@pytest.fixture
def recording(ffmpeg: str, tmp_path: Path) -> Callable[[str, str], Path]:
    """4:3, 16:9 and 4:3 again, with sound that begins a little before the picture."""

    def make(codec: str, container: str) -> Path:
        parts = []
        for n, (aspect, seconds) in enumerate(zip(SHAPES, SECONDS, strict=True)):
            part = tmp_path / f"{n}.ts"
            argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i"]
            argv += [f"testsrc2=s=352x288:r=25:d={seconds},setsar={aspect}"]
            argv += ["-f", "lavfi", "-i", f"sine=d={seconds}:r=44100", "-c:v"]
            argv += [*ENCODERS[codec], "-bf", "2", "-c:a", "mp2", str(part)]
            subprocess.run(argv, check=True)
            parts.append(str(part))
        whole = tmp_path / f"whole.{container}"
        joined = f"concat:{'|'.join(parts)}"
        argv = [ffmpeg, "-v", "error", "-fflags", "+genpts", "-i", joined]
        sound = {"flv": ("-c:a", "mp3"), "m2v": ("-an",)}.get(container, PLAIN)
        subprocess.run([*argv, "-c:v", "copy", *sound, str(whole)], check=True)
        return whole

    return make


@pytest.mark.parametrize(
    ("codec", "container", "pause"),
    [
        ("mpeg2", "ts", 0.0),
        ("hevc", "mp4", 0.0),
        ("h264", "mkv", 0.0),
        ("mpeg2", "avi", 0.0),
        ("mpeg2", "m2v", 0.0),
        ("h264", "flv", 1000.0),
    ],
    ids=["TS", "HEVC in MP4", "Matroska", "AVI", "a bare stream", "the end of FLV"],
)
def test_it_is_begun_anew_with_all_changes_known(  # noqa: PLR0917  a file, and how
    through: Callable[..., tuple[Produced, Path, Task]],
    recording: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
    codec: str,
    container: str,
    pause: float,
) -> None:
    """Seen at once or when all is encoded: verification finds every change followed."""
    monkeypatch.setattr(transcode.work.encode, "_LOOK_SECONDS", pause)

    produced, _, _ = through(recording(codec, container), "hls\n")

    assert produced.outcome is OutcomeKind.SUCCEEDED, produced.failure
    (said,) = (it for it in produced.notes if "change their shape" in it)
    times = [float(it) for it in re.findall(r"(\d+\.\d+) s", said)]
    assert [1.0, 3.0] == pytest.approx(times, abs=0.08)


def test_of_a_turned_picture_it_is_refused(
    through: Callable[..., tuple[Produced, Path, Task]],
    recording: Callable[[str, str], Path],
    ffmpeg: str,
    tmp_path: Path,
) -> None:
    """Nothing can follow there: by name, and never squeezed."""
    turned = tmp_path / "turned.mp4"
    argv = [ffmpeg, "-v", "error", "-display_rotation", "90"]
    argv += ["-i", str(recording("h264", "mp4")), "-c", "copy", str(turned)]
    subprocess.run(argv, check=True)

    produced, _, _ = through(turned, "mp4\n")

    assert produced.failure is not None
    assert "MediaUnsupported" == produced.failure.type
    assert "change their shape at 1.0" in produced.failure.message


@pytest.mark.parametrize("codec", ["h264", "mpeg2"])
def test_what_a_container_says_of_all_counts(
    through: Callable[..., tuple[Produced, Path, Task]],
    recording: Callable[[str, str], Path],
    ffmpeg: str,
    tmp_path: Path,
    codec: str,
) -> None:
    """Headers that say otherwise from the first on are not followed."""
    squeezed = tmp_path / "squeezed.mkv"
    argv = [ffmpeg, "-v", "error", "-i", str(recording(codec, "mkv")), "-aspect", "2"]
    subprocess.run([*argv, "-c", "copy", str(squeezed)], check=True)

    produced, _, task = through(squeezed, "mp4\n")

    assert produced.outcome is OutcomeKind.SUCCEEDED, produced.failure
    assert 2 == task.media.video[0].display_width / task.media.video[0].display_height
    assert not [it for it in produced.notes if "change their shape" in it]


def test_a_day_of_television_changes_hundreds_of_times(ffmpeg: str) -> None:
    """ffmpeg takes them all, and to a hair before each the pixels have its width."""
    changes = [Reshaped(float(n), SHAPES[n % 2]) for n in range(300)]
    wide = f"scale=w='round(12*{stretch(changes)})':h=16:eval=frame"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=s=16x16:r=1:d=300"]
    argv += ["-vf", f"{wide},showinfo", "-loglevel", "info", "-f", "null", "-"]

    done = subprocess.run(argv, capture_output=True, text=True, check=True)

    widths = re.findall(r"sar:\S+ s:(\d+)x16", done.stderr)
    assert ["12", "16"] * 150 == widths
