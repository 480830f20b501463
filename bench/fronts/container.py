"""What is the same of every front: a container on this machine, and a server."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from transcode.invoke.local.cgroup import Group
from transcode.platforms.platform import Platform, parse_platform

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
_NUMBERS = itertools.count()
_TRIES, _PAUSE_SECONDS = 100, 0.02
"""Until the kernel has taken leave of a group's last process."""


def platform_file(name: str) -> Platform:
    """The shipped one."""
    path = ROOT / f"profiles/platforms/{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


class Box:
    """
    A control group with the memory and the share of CPU that a container is given.

    Where none may be made, nothing is held; what runs in it is killed all the same, by
    its process group.
    """

    def __init__(self, kind: str, memory_bytes: int, milli_cpus: int) -> None:
        self.group = Group.create(f"{kind}-{next(_NUMBERS)}")
        if self.group is not None:
            self.group.limit_memory(memory_bytes)
            self.group.limit_cpu(milli_cpus)

    def enter(self) -> None:
        """By the container's first process, before it is anything: `preexec_fn`."""
        if self.group is not None:
            self.group.add(os.getpid())

    def start(
        self, argv: list[str], environment: Mapping[str, str], folder: Path, log: Any
    ) -> subprocess.Popen[bytes]:
        """A container's only command, in a process group of its own."""
        return subprocess.Popen(
            argv,
            env=dict(environment),
            cwd=folder,
            stdout=log,
            stderr=log,
            process_group=0,
            preexec_fn=self.enter,  # noqa: PLW1509  the group holds from the first page
        )

    @property
    def limit_mib(self) -> int | None:
        """What the kernel says that it holds the group to."""
        for folder in self.group.directories if self.group is not None else ():
            for name in ("memory.limit_in_bytes", "memory.max"):
                with suppress(OSError, ValueError):
                    return int((folder / name).read_text()) // MIB
        return None

    @property
    def peak_mib(self) -> int | None:
        """The most that it has had, by the kernel's count."""
        for folder in self.group.directories if self.group is not None else ():
            for name in ("memory.max_usage_in_bytes", "memory.peak"):
                with suppress(OSError, ValueError):
                    return -(-int((folder / name).read_text()) // MIB)
        return None

    @property
    def out_of_memory(self) -> bool:
        return self.group is not None and self.group.oom_kills() > 0

    def kill(self, pid: int) -> None:
        """All that runs in it; *pid*: of its first process."""
        if self.group is not None:
            self.group.kill()
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

    def remove(self) -> None:
        """Once its processes are dead and were waited for."""
        for _ in range(_TRIES):
            if self.group is None:
                return
            # What was killed with its box half open has left that within.
            for path in self.group.directories:
                for inner in sorted(path.glob("**/transcode-*"), reverse=True):
                    with suppress(OSError):
                        inner.rmdir()
            if self.group.remove():
                return
            time.sleep(_PAUSE_SECONDS)


class Answering(BaseHTTPRequestHandler):
    """Answers of a server of ours; it logs nothing."""

    protocol_version = "HTTP/1.1"

    def asked(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        # Whoever asked may have been killed by now.
        with suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: calls are told as they end."""


def serving(
    handler: type[Answering], port: int = 0, **bound: Any
) -> ThreadingHTTPServer:
    """Answers in a thread of its own until it is shut down; *bound*: what it has."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", port), type("Bound", (handler,), dict(bound))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
