"""
The probing child's start, apart from what it is asked.

It can be started before the rest of this package is imported, see `begin`. Light to
import for that reason: the standard library alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["abandon", "begin", "close", "kill", "start"]

# The child is made of this package's modules, but what asks it (the contract and its
# validation library) would double its start: it gets bare packages instead, and the
# search path by hand, which spares it `site` and the environment.
_HERE = Path(__file__).resolve().parent
_PACKAGES = (str(_HERE.parent), str(_HERE), str(_HERE / "child"))
_BOOT = """
import gc, sys, types
# One answer, and gone: there is no garbage worth looking for (`start_lean`).
gc.set_threshold(200_000)
sys.path[:] = sys.argv[4:]
names = ("transcode", "transcode.probe", "transcode.probe.child")
for name, path in zip(names, sys.argv[1:4]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
from transcode.probe.child.__main__ import main
main()
"""

_waiting: list[subprocess.Popen[bytes]] = []
"""One at most."""


def start(python: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A child that waits to be asked, early or new. Raises OSError."""
    argv = _argv(python)
    # One that saw another environment, or died while it imported, is not wanted.
    while _waiting:
        child = _waiting.pop()
        if not environ and child.args == argv and child.poll() is None:
            return child
        kill(child)
        close(child)
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd="/",
        env=dict(environ),
        start_new_session=True,
    )


def begin() -> None:
    """Start one now, to be asked later; nothing happens where none can be started."""
    with suppress(OSError):
        _waiting.append(start(sys.executable, {}))


def abandon() -> None:
    """End what `begin` started and nobody asked."""
    while _waiting:
        child = _waiting.pop()
        kill(child)
        close(child)


def kill(child: subprocess.Popen[bytes]) -> None:
    """End it and all it may have started: its own group, so nothing survives it."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def close(child: subprocess.Popen[bytes]) -> None:
    """Reap it, once killed; waits where the kernel still holds it."""
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()


def _argv(python: str) -> list[str]:
    paths = filter(os.path.isabs, sys.path)
    return [python, "-I", "-S", "-c", _BOOT, *_PACKAGES, *paths]
