"""Sources at http(s) addresses: what is wrong with one is told when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest

from transcode.errors import (
    SourceDown,
    SourceNotFound,
    SourceUnreadable,
    UsageError,
)
from transcode.settings import Settings
from transcode.store.http_source import locate

HERE = Settings(private_hosts="127.0.0.1")


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
        anyio.run(locate, answering(status), HERE)

    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("http://127.0.0.1:9/a.mp4", SourceDown),
        ("http://no-such-host.invalid/a.mp4", SourceUnreadable),
        ("http://127.0.0.1:99999/a.mp4", UsageError),
        ("http://user:word@127.0.0.1/a.mp4", UsageError),
        ("http://127.0.0.1/a.mp4#part", UsageError),
        ("http://127.0.0.1/in/..%2fa.mp4", UsageError),
    ],
)
def test_nobody_answers(address: str, kind: type[Exception]) -> None:
    """A closed port may open; a name that nobody has is a mistake. All exit with 2."""
    with pytest.raises(kind) as caught:
        anyio.run(locate, address, HERE)

    assert 2 == getattr(caught.value, "exit_code", None)


@pytest.mark.parametrize("allowed", [None, "media.internal", "127.0.0.2"])
def test_no_private_place_unless_it_is_named(
    allowed: str | None, answering: Callable[[int], str]
) -> None:
    """This machine is asked nothing; the error says what to set."""
    with pytest.raises(SourceUnreadable, match="TRANSCODE_PRIVATE_HOSTS"):
        anyio.run(locate, answering(404), Settings(private_hosts=allowed))
