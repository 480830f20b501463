"""
A real worker process that does what its first argument says, with one order.

Speaks the worker's protocol with nothing but the standard library, so that it starts
fast and needs little memory of its own.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

PAGE = 4096


def say(**report: object) -> None:
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


def produced(outcome: str = "succeeded", **more: object) -> None:
    say(produced={"outcome": outcome, **more})


def progress(seconds: float) -> None:
    said = {"done_seconds": seconds, "total_seconds": 2.0, "speed": None}
    say(progress={"task_id": ORDER["task"]["task_id"], **said})


def eat(mib: int) -> list[bytearray]:
    held = []
    for _ in range(mib):
        block = bytearray(2**20)
        block[::PAGE] = b"x" * (2**20 // PAGE)
        held.append(block)
    return held


def work() -> None:
    """Behave: use a little of everything and say so."""
    path = pathlib.Path(ORDER["staging"], "out.bin")
    path.write_bytes(b"x" * 1000)
    progress(1.0)
    held = eat(20)
    time.sleep(0.2)
    del held
    progress(2.0)
    said = {"path": "out.bin", "kind": "rendition", "made_by": "encoded", "sha256": "-"}
    made = [said | {"bytes": 1000}]
    produced(artifacts=made, read_bytes=11, written_bytes=1000, notes=["it went well"])


def hog() -> None:
    eat(100_000)


def modest() -> None:
    """Need a given amount, whatever the spec is."""
    held = eat(100)
    time.sleep(0.1)
    produced(notes=[str(len(held))])


def bereaved() -> None:
    """Survive a child that was killed for its memory, and misread it."""
    child = subprocess.run(
        [sys.executable, __file__, "child-hog"], stdin=subprocess.DEVNULL, check=False
    )
    produced("encoder_failed", notes=[f"child: {child.returncode}"])


def spin() -> None:
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        pass
    produced()


def parent_of_spinner() -> None:
    """All CPU is used by a child that is dead when it is asked about."""
    loop = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-S", "-c", loop], check=True)
    produced()


def linger() -> None:
    """Start a grandchild, leave files, and never stop."""
    pathlib.Path(ORDER["scratch"], "half").write_bytes(b"x" * 100)
    pathlib.Path(ORDER["staging"], "half").write_bytes(b"x" * 100)
    subprocess.Popen(["/bin/sh", "-c", "sleep 997 & sleep 998; true"])
    progress(0.1)
    while True:
        time.sleep(100)


def desert() -> None:
    """Report, but leave a child behind that holds the pipes."""
    subprocess.Popen(["/bin/sleep", "999"])
    produced()


def hang_at_exit() -> None:
    produced()
    while True:
        time.sleep(100)


def vanish() -> None:
    sys.stderr.write("last words\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def babble() -> None:
    say(nonsense=True)
    time.sleep(100)


def verbose() -> None:
    sys.stderr.write("x" * 1_000_000 + "the end")
    sys.stderr.flush()
    sys.exit(3)


def refuse() -> None:
    failure = {"type": "EncoderFailed", "message": "No.", "retryable": False}
    produced("encoder_failed", failure=failure)


def copy() -> None:
    """Make something unfit of whatever is small, as a copy of a bad source is."""
    if ORDER["task"]["spec"]["memory_mib"] > 64:
        produced(notes=["it went well"])
        return
    failure = {"type": "OutputRejected", "message": "Unfit.", "retryable": False}
    produced("encoder_failed", failure=failure)


if sys.argv[1] == "child-hog":
    hog()
ORDER = json.loads(sys.stdin.readline() or "{}")
if ORDER:
    globals()[sys.argv[1]]()
