"""One worker process: started early, given one order, listened to, ended."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import IO

import anyio

from ...contract import Produced, Progress
from ..wire import Report, StagedOrder
from .forkserver import Forked, has_ended
from .prestart import Started
from .procfs import exit_code

_CHUNK = 65536
_TAIL_BYTES = 16384
_LINE_BYTES = 64 * 2**20
"""No honest report is longer: 100 000 segments with their digests are 30 MB."""
_TEARDOWN_SECONDS = 2.0
"""Decoder libraries are known to hang at exit; the report is complete before that."""


class Worker:
    """A worker that was started: given its order, listened to, ended, reaped."""

    def __init__(self, started: Started | Forked) -> None:
        self.process: subprocess.Popen[bytes] | Forked
        if isinstance(started, Started):
            self.process = started.process
            self._pidfd = os.pidfd_open(self.process.pid)
        else:
            self.process, self._pidfd = started, started.pidfd
        self.box, self.pid = started.box, self.process.pid
        self._stdin = _unblocked(self.process.stdin)
        self._stdout = _unblocked(self.process.stdout)
        self._stderr = _unblocked(self.process.stderr)
        self._reported = anyio.Event()
        self._tail: deque[bytes] = deque()
        self.produced: Produced | None = None
        self.complaint: str | None = None
        """What was wrong with the worker's side of the conversation, if anything."""

    @property
    def alive(self) -> bool:
        """False once it exited; does not reap it, its counters stay readable."""
        return not has_ended(self._pidfd)

    @property
    def exit_status(self) -> str:
        """How it ended, in words."""
        if self.alive:
            return "still running"
        try:
            info = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            code = exit_code(self.pid)
        else:
            assert info is not None  # noqa: S101 - it has ended
            exited = info.si_code == os.CLD_EXITED
            code = info.si_status if exited else -info.si_status
        if code is None:
            return "an unknown status"
        return f"status {code}" if code >= 0 else f"signal {-code}"

    @property
    def stderr_tail(self) -> str:
        """The last 16 KiB of what it and its children wrote to stderr."""
        return b"".join(self._tail)[-_TAIL_BYTES:].decode("utf-8", "replace")

    async def converse(
        self, order: StagedOrder, *, on_progress: Callable[[Progress], None]
    ) -> None:
        """
        Give it the order and listen until it is gone; then nothing of it is left.

        Never raises for anything the worker does: see `produced`, `complaint`,
        `exit_status`.
        """
        async with anyio.create_task_group() as talk:
            talk.start_soon(self._send, order)
            talk.start_soon(self._listen, on_progress)
            talk.start_soon(self._collect)
            async with anyio.create_task_group() as wait:
                wait.start_soon(self._lose_patience)
                await anyio.wait_readable(self._pidfd)
                wait.cancel_scope.cancel()
            # A surviving child would hold the pipes open, and us with them.
            await self.kill()

    async def stop(self) -> None:
        """Kill it and all it started; until `discard` its counters stay readable."""
        await self.kill()
        with anyio.move_on_after(1):
            await anyio.wait_readable(self._pidfd)

    async def discard(self) -> bool:
        """Reap it and remove its box, once stopped; False where the box stays."""
        self.process.poll()
        for fd in (self._stdin, self._stdout, self._stderr, self._pidfd):
            os.close(fd)
        for _ in range(100):
            # The kernel takes a moment to let go of what has just died.
            if self.box.remove():
                return True
            await anyio.sleep(0.01)
        return False

    async def kill(self) -> None:
        """SIGKILL it and all it started, until nothing is left but a zombie."""
        # A process in uninterruptible sleep dies when its I/O returns, not before.
        for _ in range(200):
            if self.box.kill():
                return
            await anyio.sleep(0.005)

    async def _lose_patience(self) -> None:
        await self._reported.wait()
        await anyio.sleep(_TEARDOWN_SECONDS)
        await self.kill()

    async def _send(self, order: StagedOrder) -> None:
        rest = memoryview(order.to_json().encode() + b"\n")
        while rest:
            await anyio.wait_writable(self._stdin)
            try:
                rest = rest[os.write(self._stdin, rest[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return

    async def _listen(self, on_progress: Callable[[Progress], None]) -> None:
        buffer = bytearray()
        async for chunk in _chunks(self._stdout):
            buffer += chunk
            if len(buffer) > _LINE_BYTES:
                self.complaint = f"it wrote a line of more than {_LINE_BYTES} bytes"
            elif b"\n" in chunk:
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._take(bytes(line), on_progress)
            if self.complaint is not None:
                await self.kill()
                return

    def _take(self, line: bytes, on_progress: Callable[[Progress], None]) -> None:
        try:
            report = Report.from_json(line)
        except ValueError as exc:
            self.complaint = f"it wrote no report but {line[:200]!r} ({exc})"
            return
        if report.progress is not None:
            on_progress(report.progress)
        if report.produced is not None:
            self.produced = report.produced
            self._reported.set()

    async def _collect(self) -> None:
        held = 0
        async for chunk in _chunks(self._stderr):
            self._tail.append(chunk)
            held += len(chunk)
            while held - len(self._tail[0]) > _TAIL_BYTES:
                held -= len(self._tail.popleft())


def _unblocked(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        msg = "a pipe was asked for and is not there"
        raise RuntimeError(msg)
    # Ours from here on: the object would close it again when it is collected.
    fd = os.dup(pipe.fileno())
    pipe.close()
    os.set_blocking(fd, False)
    return fd


async def _chunks(fd: int) -> AsyncIterator[bytes]:
    while True:
        await anyio.wait_readable(fd)
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            continue
        if not chunk:
            return
        yield chunk
