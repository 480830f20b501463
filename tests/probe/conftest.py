"""Asking for facts, and an HTTP server that counts who asks it for what."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from transcode.contract import Media, Source
from transcode.probe.probe import ProbeLimits, probe

PATIENT = ProbeLimits(wall_seconds=60)
"""For what must not fail because the machine is busy."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def source_at(location: Path | str) -> Source:
    return Source(uri=str(location), bytes=None, etag=None, location=str(location))


@pytest.fixture(scope="session")
def look() -> Callable[[Path | str], Media]:
    """Probes one path or URL."""

    def ask(
        location: Path | str,
        limits: ProbeLimits = PATIENT,
        *,
        accept_partial: bool = False,
    ) -> Media:
        async def run() -> Media:
            return await probe(
                source_at(location), limits=limits, accept_partial=accept_partial
            )

        return anyio.run(run)

    return ask


class Server(ThreadingHTTPServer):
    """Serves files by ranges; everything it was asked for stands in `asked`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Path] = {}
        self.answers: dict[str, tuple[int, dict[str, str]]] = {}
        self.hiccups = 0
        """How many more requests are answered with 503."""
        self.dies_after: int | None = None
        """After so many more requests it never answers again."""
        self.asked: list[tuple[str, str | None]] = []
        self.drip = threading.Event()
        """Set to end whoever is being served a byte at a time, from `/drip`."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.server.asked.append((self.path, span))
        name = self.path.partition("?")[0]
        if self.server.hiccups:
            self.server.hiccups -= 1
            self._answer(503, {}, b"")
            return
        if self.server.dies_after is not None:
            self.server.dies_after -= 1
            if self.server.dies_after < 0:
                self.close_connection = True
                return
        if name in self.server.answers:
            status, headers = self.server.answers[name]
            self._answer(status, headers, b"")
            return
        if name == "/drip":
            self._drip()
            return
        path = self.server.files.get(name)
        if path is None:
            self._answer(404, {}, b"")
            return
        data = path.read_bytes()
        if span is None:
            self._answer(200, {}, data)
            return
        first, _, last = span.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1]
        end = int(first) + len(part) - 1
        headers = {"Content-Range": f"bytes {first}-{end}/{len(data)}"}
        self._answer(206, headers, part)

    def _drip(self) -> None:
        self.send_response(206)
        self.send_header("Content-Range", "bytes 0-32767/1000000")
        self.send_header("Content-Length", "32768")
        self.end_headers()
        with suppress(OSError):
            while not self.server.drip.wait(0.2):
                self.wfile.write(b"\0")
                self.wfile.flush()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silence: what was asked is kept, not printed."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    """Whatever a test does, nothing it started outlives it."""
    # A server that a whole session shares may be a child of ours.
    before = _children()
    yield
    assert _children() <= before


def _children() -> set[int]:
    """Of this process, those included that ended and were not waited for."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name before the last bracket may hold anything.
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.add(int(status.parent.name))
    return found
