"""
A worker process that is started before anybody knows what for.

A worker imports for as long as the process that will order it does. Whoever is about
to run something calls `begin` before it imports the rest of this package, and a second
core does both at once. Light to import for that reason: the standard library alone.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...sandbox.environment import passed_on
from . import cgroup
from .limits import ProcessLimits
from .reaper import Reaper

__all__ = ["WORKER", "Prestarted", "Started", "abandon", "begin", "start", "take"]

_BOOT = (
    "from transcode.sandbox.environment import start_lean; start_lean(); "
    "from transcode.invoke.worker import main; main()"
)
WORKER = (sys.executable, "-P", "-c", _BOOT)
"""-P: a file of the working folder must not be imported in place of a library's."""


@dataclass(frozen=True, slots=True)
class Started:
    """
    A worker in its own session and box, without an order yet.

    Must be made in the thread that outlives it: the worker asks the kernel to be
    killed when its parent dies, and the kernel means the *thread* that forked it.
    """

    process: subprocess.Popen[bytes]
    box: ProcessLimits


@dataclass(frozen=True, slots=True)
class Prestarted:
    """A worker, and who ends it should this process be killed meanwhile."""

    worker: Started
    reaper: Reaper


_waiting: list[Prestarted] = []
"""One at most."""


def start(argv: Sequence[str], *, cgroup_root: Path) -> Started:
    """Start a worker. Raises OSError."""
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=passed_on(),
        start_new_session=True,
        bufsize=0,
    )
    # Boxed before it has an order, unlimited until then: what it imports meanwhile is
    # charged to the attempt, as on a platform.
    return Started(
        process, ProcessLimits(process.pid, str(process.pid), root=cgroup_root)
    )


def begin() -> None:
    """
    Start a worker now, to be taken later; nothing happens where none can be started.

    Whoever needs it says then what was wrong.
    """
    with suppress(OSError):
        reaper = Reaper()
        try:
            worker = start(WORKER, cgroup_root=cgroup.ROOT)
        except OSError:
            reaper.close()
            return
        reaper.end(worker.process.pid, worker.box.directories)
        _waiting.append(Prestarted(worker, reaper))


def take(argv: Sequence[str], *, cgroup_root: Path) -> Prestarted | None:
    """What `begin` started, if it is what is wanted; it is the caller's to end then."""
    here = threading.current_thread() is threading.main_thread()
    if not _waiting or not here or (tuple(argv), cgroup_root) != (WORKER, cgroup.ROOT):
        return None
    return _waiting.pop()


def abandon() -> None:
    """End what `begin` started and nobody took."""
    while _waiting:
        early = _waiting.pop()
        process = early.worker.process
        early.worker.box.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        early.worker.box.remove()
        early.reaper.close()
