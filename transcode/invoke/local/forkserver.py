"""
Workers that are forked from one which has imported everything.

Where a queue of short jobs is worked off, what each new interpreter imports is a good
part of what it costs: half a second of a processor, as much as one second of 240p takes
besides. The process that forks holds no job, no file of anybody and no thread; whoever
it forks works on one order and ends, like one that was started anew.

They share the layout of their memory. So what opens an upload is never forked: the
probing child and ffmpeg are programs of their own, started anew each time.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import anyio

from ...sandbox.environment import passed_on
from ..wire import FORKS
from .limits import ProcessLimits
from .prestart import WORKER

_ANSWER_BYTES = 64


@dataclass(frozen=True, slots=True)
class Forked:
    """A worker in its own session and box; the server is its parent."""

    pid: int
    pidfd: int
    box: ProcessLimits
    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    server: ForkServer

    def poll(self) -> None:
        """Have it reaped, once it was killed."""
        self.server.reap(self.pid)


class ForkServer:
    """
    Forks workers. To be made in the thread that outlives it, see `prestart.Started`.

    Raises OSError where no process can be started.
    """

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*WORKER, FORKS, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=passed_on(),
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        self._lock = anyio.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start(self, *, cgroup_root: Path) -> Forked | None:
        """A worker in its own session and box; None where the server is gone."""
        async with self._lock:
            # Who asks and does not hear the answer leaves a worker that nobody ends.
            with anyio.CancelScope(shield=True):
                forked = await self._start(cgroup_root)
        return forked

    async def _start(self, cgroup_root: Path) -> Forked | None:
        into, out, err = os.pipe(), os.pipe(), os.pipe()
        theirs, ours = (into[0], out[1], err[1]), (into[1], out[0], err[0])
        try:
            pid, pidfd = await self._ask(theirs)
        except (OSError, ValueError):
            # It is gone: an empty answer is no number.
            for end in ours:
                os.close(end)
            return None
        finally:
            for end in theirs:
                os.close(end)
        return Forked(
            pid,
            pidfd,
            ProcessLimits(pid, str(pid), root=cgroup_root),
            os.fdopen(ours[0], "wb", buffering=0),
            os.fdopen(ours[1], "rb", buffering=0),
            os.fdopen(ours[2], "rb", buffering=0),
            self,
        )

    async def _ask(self, streams: Sequence[int]) -> tuple[int, int]:
        socket.send_fds(self._channel, [b"fork"], streams)
        await anyio.wait_readable(self._channel)
        pid = int(self._channel.recv(_ANSWER_BYTES))
        # Before anybody can have reaped it: only we have that done, but for its end
        # with the server's.
        return pid, os.pidfd_open(pid)

    def reap(self, pid: int) -> None:
        """Have a worker that has ended reaped; until then its counters can be read."""
        with suppress(OSError):
            self._channel.send(b"reap %d" % pid)

    def close(self) -> None:
        """End it, and with it whatever it has forked."""
        self._channel.close()
        self._process.kill()
        self._process.wait()


def has_ended(pidfd: int) -> bool:
    """Whether a process, of whatever parent, has ended: pidfd_open(2)."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))
