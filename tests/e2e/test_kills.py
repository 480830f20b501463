"""Killed at random moments, nothing is left; at length: `bench/stress/kills.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench/stress"


def test_kills_at_random_moments_leave_nothing() -> None:
    """A round of each kind; the seed is printed where one fails."""
    done = subprocess.run(
        [sys.executable, BENCH / "kills.py", "--rounds", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
