"""Signals, each in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
import anyio
from transcode.signals import run_to_the_end
from transcode.errors import Cancelled, OutOfDisk

async def clean_up():
    try:
        os.kill(os.getpid(), {number})
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0)
            print("cleaned", flush=True)

async def stubborn():
    os.kill(os.getpid(), {number})
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            os.kill(os.getpid(), {number})
            await anyio.sleep_forever()

async def finished():
    return "done"

async def failing():
    raise OutOfDisk("full")

try:
    print(run_to_the_end({work}))
except Cancelled as exc:
    print(type(exc).__name__)
    sys.exit(exc.exit_code)
except OutOfDisk as exc:
    print(exc)
    sys.exit(4)
"""


def run(work: str, number: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(work=work, number=int(number))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "" == done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_and_waits(number: int) -> None:
    """Work that cleans up gets the time to."""
    assert (130, "cleaned\nCancelled\n") == run("clean_up", number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_does_not_wait(number: int) -> None:
    """Work that never ends is left behind."""
    assert (130, "") == run("stubborn", number)


def test_without_a_signal_the_value_comes_out() -> None:
    """And an error comes out as itself, in no group."""
    assert (0, "done\n") == run("finished", signal.SIGINT)
    assert (4, "full\n") == run("failing", signal.SIGINT)
