"""Child processes that live and die together: watched, drained, never left behind."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from ..contract import Source
from ..errors import WorkerLost
from ..sandbox.fence import Fence, Permissions
from .command.seek import SERVED
from .opened import handed_on

if TYPE_CHECKING:
    from .fetcher import Fetcher, FetchFault

_CHUNK = 65_536
_FROM_OUTSIDE = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
)
"""By which a program never ends itself: somebody has done it, or the kernel for its
memory, which the engine is told by the kernel."""
_ENDING_SECONDS = 1.0
"""For a killed process to give back what it held, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and who reads what it prints."""

    name: str
    argv: Sequence[str]
    out: Callable[[bytes], None]
    err: Callable[[bytes], None]
    may: Permissions
    source: Source | None = None
    """The upload among its inputs: a file, see `opened`, or remote, see `fetcher`."""
    pipes: Mapping[str, Callable[[bytes], None]] = field(default_factory=dict)
    """Named ones that are there and that it writes, too: path → who reads."""


@dataclass(frozen=True, slots=True)
class ChildExit:
    """How it went."""

    statuses: Mapping[str, int]
    """Program → exit status; negative: the signal that killed it."""
    first_to_fail: str | None


class Children:
    """
    Programs that need each other.

    The first one that fails takes the others with it, so that none waits for ever at
    a pipe whose other end is gone. Leaving the context kills what still runs, and
    the kernel does so when this process dies. To be used in the main thread: the
    kernel's promise is tied to the thread that starts a child.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._fetchers: list[Fetcher] = []
        self._pipes: dict[str, list[IO[bytes]]] = {}
        self.refused: dict[str, str] = {}
        """What the kernel did not take from one of them, as `Fence` names it."""
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            _kill(process)
            process.wait()
        for fetcher in self._fetchers:
            fetcher.close()
        for key in list(self._selector.get_map().values()):
            self._close(key.fileobj)
        self._selector.close()

    @property
    def fault(self) -> FetchFault | None:
        """Why a remote source was not read to its end, once all have ended."""
        return next(filter(None, (it.fault() for it in self._fetchers)), None)

    def start(self, program: Program) -> int:
        """
        Start one; its process id. Raises OSError when it cannot be started,
        `WorkerLost` when it was killed meanwhile, and what `handed_on` raises.
        """
        argv, may, source = program.argv, program.may, program.source
        if source is not None and source.is_remote and SERVED in argv:
            # Only where there is a network: TLS and HTTP are long to load.
            from .fetcher import Fetcher  # noqa: PLC0415

            self._fetchers.append(Fetcher(source))
            argv, may = self._fetchers[-1].given(argv, may)
        local = None if source is None or source.is_remote else source.location
        for path, take in program.pipes.items():
            # Open before it starts: else it would wait for a reader.
            opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            named = os.fdopen(opened, "rb", buffering=0)
            self._selector.register(named, selectors.EVENT_READ, take)
            self._pipes.setdefault(program.name, []).append(named)
        hear, say = os.pipe()
        try:
            with (
                handed_on(argv, may, local) as given,
                Fence(given.may) as fence,
            ):
                process = subprocess.Popen(
                    given.argv,
                    pass_fds=given.descriptors,
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    preexec_fn=_give_up(fence, say, os.getpid()),  # noqa: PLW1509 no threads here
                )
            said = os.read(hear, _CHUNK)
            if not said:
                process.wait()
                raise _lost(program.name, process.returncode)
            self.refused |= json.loads(said)
        except ConnectionError as exc:
            # It was to hand on what its system calls are watched by.
            raise _lost(program.name, None) from exc
        finally:
            os.close(hear)
            os.close(say)
        self._running[program.name] = process
        for pipe, take in (
            (process.stdout, program.out),
            (process.stderr, program.err),
        ):
            if pipe is not None:
                self._selector.register(pipe, selectors.EVENT_READ, take)
        end = os.pidfd_open(process.pid)
        self._selector.register(end, selectors.EVENT_READ, program.name)
        return process.pid

    def wait(self) -> ChildExit:
        """
        Drain them all until they have ended.

        Raises `WorkerLost` where one was killed by somebody else: that is no fault of
        what it worked on.
        """
        statuses: dict[str, int] = {}
        failed: str | None = None
        while self._selector.get_map():
            for key, _ in self._selector.select():
                if key.fd not in self._selector.get_map():
                    continue  # closed in this round
                if not isinstance(key.data, str):
                    self._drain(key.fileobj, key.data)
                    continue
                self._close(key.fileobj)
                status = self._running.pop(key.data).wait()
                statuses[key.data] = status
                self._empty(self._pipes.pop(key.data, []))
                if status != 0 and failed is None:
                    failed = self._killed() if status > 0 else None
                    failed = failed or key.data
                    for other in self._running.values():
                        _kill(other)
        if failed is not None and -statuses[failed] in _FROM_OUTSIDE:
            raise _lost(failed, statuses[failed])
        return ChildExit(statuses, failed)

    def _empty(self, pipes: Sequence[IO[bytes]]) -> None:
        """Of those that nobody has ever opened for writing no end is to be seen."""
        for pipe in pipes:
            while not pipe.closed:
                self._drain(pipe, self._selector.get_key(pipe).data)

    def _killed(self) -> str | None:
        """
        One that a signal ends by itself, shortly after another failed.

        A process that is killed lets go of its pipes before its end is to be seen, so
        that whoever reads them may be seen to fail first: losing the other end of a
        pipe is an error like any, and being killed is never a consequence of it.
        """
        until = time.monotonic() + _ENDING_SECONDS
        for name, process in self._running.items():
            with suppress(subprocess.TimeoutExpired):
                if process.wait(max(until - time.monotonic(), 0.0)) < 0:
                    return name
        return None

    def _drain(self, pipe: object, take: Callable[[bytes], None]) -> None:
        # What the selector holds are the pipes registered above.
        assert hasattr(pipe, "fileno")  # noqa: S101
        data = os.read(pipe.fileno(), _CHUNK)
        if data:
            take(data)
        else:
            self._close(pipe)

    def _close(self, file: int | IO[bytes] | object) -> None:
        if isinstance(file, int):
            self._selector.unregister(file)
            os.close(file)
        elif hasattr(file, "close") and hasattr(file, "fileno"):
            self._selector.unregister(file)
            file.close()


def _lost(program: str, status: int | None) -> WorkerLost:
    how = "" if status is None else f" by signal {-status}"
    return WorkerLost(
        f"{program} was killed{how}, and not by us.", program=program, status=status
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)


def _give_up(fence: Fence, say: int, parent: int) -> Callable[[], None]:
    def prepare() -> None:
        os.write(say, json.dumps(fence.enter()).encode())
        # It dies with its parent from now on; that one may be dead already.
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare
