"""Moments of trouble in a service that nobody watches: it goes on, and comes back."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 120


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 16 MiB."""
    place = tmp_path / "out"
    place.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(place)]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `transcode watch in --to out`; its standard error is in `log`."""
    started: list[subprocess.Popen[bytes]] = []
    (tmp_path / "in").mkdir()

    def start(*more: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "transcode", "watch", "in", "--to", "out"]
        argv += ["--profile", "mp4", "--every", "1s", "--settle", "1s", *more]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(argv, cwd=tmp_path, stderr=log)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(holds: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def test_a_disk_that_is_full_for_a_moment(
    small: Path,
    tmp_path: Path,
    watching: Callable[..., subprocess.Popen[bytes]],
    make_clip: Any,
) -> None:
    """Where results and jobs are kept: said, waited for, and the upload is done."""
    full = small / "full"
    with full.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    process = watching()
    shutil.copyfile(make_clip("a", seconds=1, audio=False), tmp_path / "in/a.mp4")

    until(lambda: b"No space is left" in (tmp_path / "log").read_bytes(), process)
    full.unlink()
    until(lambda: list(small.glob("*/manifest.json")), process)

    process.send_signal(signal.SIGTERM)
    assert 0 == process.wait(PATIENCE_SECONDS)
    assert b"Traceback" not in (tmp_path / "log").read_bytes()


def test_a_folder_of_uploads_that_is_away_for_a_moment(
    tmp_path: Path, watching: Callable[..., subprocess.Popen[bytes]], make_clip: Any
) -> None:
    """A drive that was unplugged is looked for until it is back; nobody makes it."""
    (tmp_path / "in/text.mp4").write_text("Dear diary, I am no film.\n" * 50)
    process = watching()
    until(lambda: b"rejected" in (tmp_path / "log").read_bytes(), process)
    away = tmp_path / "away"
    (tmp_path / "in").rename(away)

    until(lambda: b"There is no folder" in (tmp_path / "log").read_bytes(), process)
    assert not (tmp_path / "in").exists()
    shutil.copyfile(make_clip("a", seconds=1, audio=False), away / "a.mp4")
    away.rename(tmp_path / "in")

    until(lambda: list((tmp_path / "out").glob("*/manifest.json")), process)
