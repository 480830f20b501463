"""Progress as a user sees it: of shipped profiles, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

MakeClip = Callable[..., Path]

PERCENT = re.compile(r"encode\b[^%\r\n]*?(\d+) %")


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    """Long enough for a few reports, and for sprites whose sheet is never full."""
    return make_clip("moving", 8, "1280x720")


@pytest.mark.parametrize("profile", ["hls", "mp4", "preview"])
def test_a_pipe_hears_of_the_first_tenth(
    clip: Path, profile: str, tmp_path: Path
) -> None:
    """The first line of progress comes with the first pictures, stills or not."""
    argv = [sys.executable, "-m", "transcode", "run", str(clip), "--profile", profile]
    ended = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )

    said = PERCENT.findall(ended.stderr)
    assert said, ended.stderr
    assert int(said[0]) <= 10


@pytest.mark.parametrize("profile", ["hls", "preview"])
def test_a_terminal_shows_it_move(
    make_clip: MakeClip, profile: str, tmp_path: Path
) -> None:
    """From the first tenth on, in steps, and never backwards."""
    # A fast machine makes short ones between two reports, of which there are four a
    # second: as many pictures as take it several, and a fifth of a core where it can
    # be held to that.
    short = profile == "preview"
    clip = make_clip("moving", 40 if short else 8, "1280x720")
    argv = [sys.executable, "-m", "transcode", "run", str(clip), "--profile", profile]
    if short:
        argv += ["--platform", "functiongraph", "--memory", "256"]

    text = on_terminal(argv, tmp_path)
    # What follows says by how many percent the prediction was off.
    moving, _, _ = text.partition("Bill (")
    shown = [int(it) for it in re.findall(r"(\d+) %", moving)]

    assert shown[0] <= 10
    assert len({*shown}) >= 3
    assert sorted(shown) == shown


def test_a_failure_breaks_between_words(tmp_path: Path) -> None:
    """On a terminal of 60 columns; in a pipe it is one line."""
    argv = [sys.executable, "-m", "transcode", "profiles", "hsl"]
    piped = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, check=False
    ).stderr

    lines = on_terminal(argv, tmp_path, columns=60, code=2).split("\r\n")

    assert 60 >= max(map(len, lines)), lines
    assert len(lines) > 2
    assert piped.split() == " ".join(lines).split()
    assert 1 == len(piped.splitlines())


def on_terminal(
    argv: list[str], folder: Path, *, columns: int = 160, code: int = 0
) -> str:
    """What a command of its own writes to a terminal, escape sequences and all."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, columns))
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)}
    process = subprocess.Popen(
        argv, cwd=folder, stdin=its, stdout=its, stderr=its, env=environ
    )
    os.close(its)
    text = bytearray()
    try:
        while data := os.read(ours, 65_536):
            text += data
    except OSError:
        pass  # Linux says so when the last writer has gone
    finally:
        os.close(ours)
    assert code == process.wait(timeout=60), text
    return text.decode("utf-8", "replace")
