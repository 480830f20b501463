"""Every bench still starts: each is run too seldom for its rot to be noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
SCRIPTS = sorted(
    path
    for path in BENCH.rglob("*.py")
    if '\nif __name__ == "__main__":\n' in path.read_text("utf-8")
)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_bench_says_what_it_is_for(path: Path, tmp_path: Path) -> None:
    """With all that it imports, from wherever it is called."""
    argv = [sys.executable, str(path), "--help"]
    done = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith(f"usage: {path.name}")


def test_all_benches_are_found() -> None:
    """Or the test above would test nothing."""
    assert 13 <= len(SCRIPTS)
