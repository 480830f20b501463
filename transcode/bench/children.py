"""Processes that are measured from outside: what they said, took, and for how long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MediaError, PlanError, TranscodeError, UsageError, WorkError

_SAID = 2000
"""The last characters of standard error that a failure quotes."""
_PATIENCE_SECONDS = 20.0
"""For one that was asked to end."""


@dataclass(frozen=True, slots=True)
class Took:
    """One process, with all that it has started and waited for."""

    wall_seconds: float
    cpu_seconds: float
    """User and system, as `wait4` counts them: exact, however busy the machine is."""
    out: str
    """Its standard output."""

    @property
    def document(self) -> Any:
        """The JSON on its standard output."""
        return json.loads(self.out)


def transcode(*arguments: str) -> list[str]:
    """`transcode …` of the Python that runs this."""
    return [sys.executable, "-P", "-m", "transcode", *arguments]


def run(
    argv: Sequence[str],
    *,
    heard: Callable[[str], None] | None = None,
    folder: Path | None = None,
) -> Took:
    """
    Run it to its end; *heard* gets its standard error line by line.

    Raises `UsageError`, `MediaError` or `PlanError` where it is `transcode` and ends
    with their exit codes, `WorkError` where it fails otherwise. Where we are
    interrupted, it is asked to end, and is waited for.
    """
    with begun(argv, heard=heard, folder=folder) as child:
        return child.end()


class ChildProcess:
    """A process under way."""

    def __init__(
        self,
        argv: Sequence[str],
        heard: Callable[[str], None] | None,
        folder: Path | None,
    ) -> None:
        self.argv = argv
        self._heard = heard
        self._said: list[str] = []
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - until `end`
        self._began = time.perf_counter()
        self._child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.PIPE,
            cwd=folder,
            text=True,
            errors="replace",
        )
        assert self._child.stderr is not None  # noqa: S101 - asked for above
        self._said_by = self._child.stderr
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def end(self, *, asked: bool = False) -> Took:
        """Wait for it; with *asked* it is told to end now, and any status is well."""
        if asked:
            self._child.terminate()
        _, status, used = os.wait4(self._child.pid, 0)
        wall = time.perf_counter() - self._began
        code = self._child.returncode = os.waitstatus_to_exitcode(status)
        self._listener.join(_PATIENCE_SECONDS)
        self._out.seek(0)
        out = self._out.read().decode(errors="replace")
        if code and not asked:
            raise _failure(self.argv, code, "\n".join(self._said)[-_SAID:])
        return Took(wall, used.ru_utime + used.ru_stime, out)

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself; says nothing of why."""
        return os.waitid(
            os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ) is None  # fmt: skip

    def close(self) -> None:
        """See to it that it has ended."""
        if self._child.returncode is None:
            self._child.terminate()
            try:
                self._child.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._listener.join(_PATIENCE_SECONDS)
        self._said_by.close()
        self._out.close()

    def _listen(self) -> None:
        for line in self._said_by:
            self._said.append(line.rstrip())
            if self._heard is not None:
                self._heard(line.rstrip())


@contextmanager
def begun(
    argv: Sequence[str],
    *,
    heard: Callable[[str], None] | None = None,
    folder: Path | None = None,
) -> Iterator[ChildProcess]:
    """The process under way; whatever happens here, it has ended afterwards."""
    child = ChildProcess(argv, heard, folder)
    try:
        yield child
    finally:
        child.close()


_KINDS: Mapping[int, type[TranscodeError]] = {
    kind.exit_code: kind for kind in (UsageError, MediaError, PlanError)
}
"""Of ours: whose fault it was, by the exit code."""


def _failure(argv: Sequence[str], code: int, said: str) -> TranscodeError:
    # `python -P -m transcode`, or the tool's own path.
    ours = list(argv[1:4]) == ["-P", "-m", "transcode"]
    name = " ".join(["transcode", *argv[4:6]]) if ours else Path(argv[0]).name
    last = said.strip().splitlines()[-1:] or [f"status {code}"]
    what = f"{name} failed: {last[0].removeprefix('transcode: ')}"
    evidence = {"argv": list(argv), "status": code, "stderr": said}
    kind = _KINDS.get(code, WorkError) if ours else WorkError
    return kind(what, **evidence)
