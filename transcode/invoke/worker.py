"""
The worker process: one order on stdin, reports on stdout, then it exits.

    {"task": …, "staging": …, "scratch": …, "settings": …}      in, once
    {"progress": …}                                             out, any number
    {"produced": …}                                             out, last

Everything that libraries and children print goes to stderr.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..contract import Failure, OutcomeKind, Produced, Task
from ..errors import TranscodeError
from ..sandbox.environment import WORKING, start_lean
from ..settings import Settings
from .wire import FORKS, Report, StagedOrder

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
"""From linux/prctl.h; prctl(2)."""

Perform = Callable[..., Produced]


def main() -> None:
    """Serve one order. Exits with status 0 whatever became of it, once reported."""
    _confine()
    if sys.argv[1:2] == [FORKS]:
        fork_on_demand(int(sys.argv[2]))
    work()


def fork_on_demand(channel: int) -> None:
    """
    Import everything, then fork a worker whenever the engine asks over *channel*:
    returns in each of them, its standard streams in place, and in nobody else.

    `fork`, with its three streams, is answered with its process id; `reap PID` is not.
    """
    from ..work import perform  # noqa: F401, PLC0415 - for those that are forked

    gc.freeze()
    asked = socket.socket(fileno=channel)
    over: set[int] = set()
    own = os.getpid()
    while True:
        message, streams, _, _ = socket.recv_fds(asked, 64, 3)
        if not message:
            os._exit(0)
        word, _, rest = message.partition(b" ")
        if word == b"reap":
            over.add(int(rest))
            over -= {pid for pid in over if os.waitpid(pid, os.WNOHANG)[0]}
            continue
        waited, ready = os.pipe()
        pid = os.fork()
        if not pid:
            # Killed with its parent from here on; who is an orphan by now goes, too.
            os.setsid()
            _confine()
            if os.getppid() != own:
                os._exit(1)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            for held in (*streams, channel, waited, ready):
                os.close(held)
            asked.detach()
            return
        for held in (*streams, ready):
            os.close(held)
        # It has a session of its own before anybody looks for it there.
        os.read(waited, 1)
        os.close(waited)
        asked.send(b"%d" % pid)


def work() -> None:
    """Read one order, serve it and exit."""
    # What others print must not end up between reports.
    reports = os.dup(1)
    os.dup2(2, 1)
    # Before there is an order: this is the import that takes time, and the parent is
    # still probing.
    from ..sandbox.required import refuse_without, refusing  # noqa: PLC0415
    from ..sandbox.seal import seal  # noqa: PLC0415
    from ..work.perform import perform  # noqa: PLC0415
    from ..work.toolchain import find_ffmpeg, find_packager  # noqa: PLC0415

    line = sys.stdin.buffer.readline()
    if not line:
        os._exit(0)

    def fenced(task: Task, *, settings: Settings, **places: Any) -> Produced:
        if settings.fence != "required":
            return perform(task, settings=settings, seal=seal, **places)
        found = find_ffmpeg(settings), find_packager(settings)
        programs = [program for program in found if program is not None]
        refuse_without(programs, remote=task.source.is_remote)
        return perform(task, settings=settings, seal=refusing(seal), **places)

    serve(StagedOrder.from_json(line), fenced, say=_writer(reports))
    sys.stderr.flush()
    # Decoder libraries are known to hang at teardown; everything is said and closed.
    os._exit(0)


def serve(
    order: StagedOrder, perform: Perform, *, say: Callable[[Report], None]
) -> None:
    """Do what is ordered, and report how it ended, whatever happens."""
    try:
        produced = perform(
            order.task,
            staging=Path(order.staging),
            scratch=Path(order.scratch),
            settings=order.settings,
            report=lambda progress: say(Report(progress=progress)),
        )
    except TranscodeError as exc:
        produced = Produced(outcome=exc.outcome, failure=exc.describe())
    except Exception as exc:  # noqa: BLE001 - the outermost edge: becomes a value
        produced = Produced(outcome=_outcome(exc), failure=_describe(exc))
    say(Report(produced=produced))


def _outcome(exc: Exception) -> OutcomeKind:
    if isinstance(exc, MemoryError):
        return OutcomeKind.OUT_OF_MEMORY
    if isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return OutcomeKind.OUT_OF_DISK
    return OutcomeKind.ENCODER_FAILED


def _describe(exc: Exception) -> Failure:
    kinds = {
        OutcomeKind.OUT_OF_MEMORY: "OutOfMemory",
        OutcomeKind.OUT_OF_DISK: "OutOfDisk",
    }
    outcome = _outcome(exc)
    return Failure(
        type=kinds.get(outcome, "WorkError"),
        message=f"The worker failed: {type(exc).__name__}: {exc}.",
        retryable=outcome is OutcomeKind.OUT_OF_MEMORY,
        evidence={"traceback": "".join(traceback.format_exception(exc))},
    )


def _writer(fd: int) -> Callable[[Report], None]:
    def say(report: Report) -> None:
        rest = memoryview(report.to_json().encode() + b"\n")
        while rest:
            rest = rest[os.write(fd, rest) :]

    return say


def _confine() -> None:
    """Die with the parent, gain no rights, leave no core; be the first to go."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Nothing that meets an upload needs a credential: also where nobody kept them back.
    for name in {*os.environ} - WORKING:
        del os.environ[name]
    start_lean()
    # If the machine itself runs out of memory, an attempt can be repeated; who keeps
    # its books cannot. Raising one's own score is always allowed.
    Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


if __name__ == "__main__":
    main()
