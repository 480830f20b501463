"""A hundred mutated files of the corpus: a verdict for each, and nothing left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _mutations(*options: str) -> subprocess.CompletedProcess[str]:
    argv = [
        sys.executable,
        "-m",
        "bench.stress.mutations",
        "--processes",
        "2",
        *options,
    ]
    return subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def test_a_hundred_mutations_get_their_verdicts(media_dir: Path) -> None:
    """No hang, no crash, no success that another tool contradicts."""
    done = _mutations("--count", "100", "--seed", "7", "--every", "50")

    assert 0 == done.returncode, done.stdout[-3000:] + done.stderr[-1000:]
    assert "100 mutations" in done.stdout
    assert "0 faults" in done.stdout


def test_the_same_seed_makes_the_same_mutations(media_dir: Path) -> None:
    """Or a failing input could not be made again."""
    options = ("--count", "4", "--seed", "3", "--every", "0", "--kinds", "cut")
    tables = [_mutations(*options).stdout.splitlines()[:-1] for _ in range(2)]

    assert tables[0] == tables[1]
    assert tables[0]
