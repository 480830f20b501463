"""Where the kernel does not hold the fence it is said, or refused: as was asked for."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import MakeClip

Run = Callable[..., subprocess.CompletedProcess[str]]


def _older_kernel(*numbers: int) -> Callable[[], None]:
    """For `preexec_fn`: from there on, and for children, there are no such calls."""
    rows = [(0x20, 0, 0, 0)]
    for number in numbers:
        rows += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | errno.ENOSYS)]
    rows.append((0x06, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("=HBBI", *row) for row in rows)
    libc = ctypes.CDLL(None, use_errno=True)

    def enter() -> None:
        held = ctypes.create_string_buffer(code)
        described = struct.pack("@HP", len(rows), ctypes.addressof(held))
        libc.prctl(38, 1, 0, 0, 0)
        if libc.prctl(22, 2, described, 0, 0):
            raise OSError(ctypes.get_errno(), "no filter")

    return enter


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A command on a Linux before 5.13: without Landlock."""

    def call(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        if platform.system() != "Linux":
            pytest.skip("no filters")
        return subprocess.run(
            [sys.executable, "-m", "transcode", *arguments],
            cwd=tmp_path,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=_older_kernel(444),
        )

    return call


def test_what_is_not_held_is_noted(run: Run, make_clip: MakeClip) -> None:
    """
    By default the work is done, and the manifest says what nothing kept it from.
    """
    clip = str(make_clip("noted", 1, "64x64"))

    done = run("run", clip, "--profile", "preview", "--json", "--quiet")

    assert 0 == done.returncode, done.stderr
    warnings = json.loads(done.stdout)["warnings"]
    assert any("Landlock" in warning for warning in warnings)


@pytest.mark.parametrize("command", ["probe", "plan", "run"])
def test_it_is_refused_where_that_is_asked_for(
    command: str, run: Run, make_clip: MakeClip
) -> None:
    """
    Before the upload is opened, with exit code 2 and a sentence on what is missing.
    """
    clip = str(make_clip("refused", 1, "64x64"))

    done = run(command, clip, "--json", TRANSCODE_FENCE="required")

    assert 2 == done.returncode
    error = json.loads(done.stdout)["error"]
    assert ("SettingsError", False) == (error["type"], error["retryable"])
    assert "Landlock is not to be had (Function not implemented)" in error["message"]
    assert "TRANSCODE_FENCE=required" in error["message"]


@pytest.mark.parametrize(
    ("fence", "level"), [("available", "warn"), ("required", "fail")]
)
def test_the_doctor_says_it(fence: str, level: str, run: Run) -> None:
    """
    As a restriction, or as what keeps it from working.
    """
    done = run("doctor", "--json", TRANSCODE_FENCE=fence)
    found = {it["name"]: it for it in json.loads(done.stdout)["findings"]}

    assert level == found["fence"]["level"]
    assert "Landlock" in found["fence"]["detail"]
    assert ("warn" if os.geteuid() == 0 else "ok") == found["user"]["level"]
