"""Sources at http(s) addresses: what is wrong with one is told when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest

from transcode.errors import SourceDown, SourceNotFound, SourceUnreadable
from transcode.store.http_source import locate


@pytest.fixture
def answering() -> Iterator[Callable[[int], str]]:
    """An address whose server answers everything with one status."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,)).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/a.mp4?signature=secret"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, SourceNotFound),
        (403, SourceUnreadable),
        (200, SourceUnreadable),
        (503, SourceDown),
        (429, SourceDown),
    ],
)
def test_what_is_wrong_is_told_apart(
    status: int, kind: type[Exception], answering: Callable[[int], str]
) -> None:
    """
    Gone, forbidden or without ranges for good; in trouble for now. No secret is told.
    """
    with pytest.raises(kind) as caught:
        anyio.run(locate, answering(status))

    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("http://127.0.0.1:9/a.mp4", SourceDown),
        ("http://no-such-host.invalid/a.mp4", SourceUnreadable),
    ],
)
def test_nobody_answers(address: str, kind: type[Exception]) -> None:
    """A closed port may open; a name that nobody has is a mistake. Both exit with 2."""
    with pytest.raises(kind, match="cannot be reached") as caught:
        anyio.run(locate, address)

    assert 2 == getattr(caught.value, "exit_code", None)
