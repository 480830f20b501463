"""Servers that destinations are tested against, over real sockets."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.conftest import manifest_of
from transcode.contract import (
    Failure,
    ProfileRef,
    SourceRecord,
    Verification,
)
from transcode.contract.job import Envelope, Submission
from transcode.settings import Settings

SENT_AT = datetime(2026, 11, 22, 22, 15, tzinfo=UTC)
WEBHOOK_SECRET = "whsec_" + "dGhpcyBpcyBhIHNlY3JldCBmb3IgdGVzdHMgb25seSE="


class MakeEnvelope(Protocol):
    """Makes a result, or a failure where *error* is given."""

    def __call__(
        self,
        *,
        error: Failure | None = None,
        uri: str = "s3://uploads/clip.mov",
        warnings: tuple[str, ...] = (),
        options: dict[str, Any] | None = None,
        linkable: bool = True,
    ) -> Envelope: ...


@pytest.fixture(scope="session")
def make_envelope() -> MakeEnvelope:
    def make(
        *,
        error: Failure | None = None,
        uri: str = "s3://uploads/clip.mov",
        warnings: tuple[str, ...] = (),
        options: dict[str, Any] | None = None,
        linkable: bool = True,
    ) -> Envelope:
        source = SourceRecord(uri=uri, bytes=1, etag="e", version=None)
        profile = ProfileRef(name="hls", digest="sha256:0")
        submission = Submission(
            job_id="3f2a9c1d04be3f2a9c1d04be3f2a9c1d",
            folder="clip.hls.3f2a9c1d04be",
            source=source,
            profile=profile,
            to="s3://results/",
            tags={"customer": "acme"},
            options=options or {},
            submitted_at=SENT_AT,
        )
        manifest = manifest_of(
            submission.job_id,
            status="failed" if error else "succeeded",
            source=source,
            verification=Verification(passed=not error, checks=()),
            warnings=warnings,
            error=error,
        )
        where = f"s3://results/{submission.folder}/manifest.json"
        return Envelope.of(
            submission,
            manifest,
            manifest_uri=where if linkable and not error else None,
            tries=1,
            sent_at=SENT_AT,
        )

    return make


@dataclass(frozen=True)
class Answer:
    """What the listener does with one request."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: bool = False
    hang: bool = False


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class Listener:
    """An HTTP server that answers by a script; the last answer is repeated."""

    def __init__(self) -> None:
        self.script: list[Answer] = [Answer()]
        self.received: list[Received] = []
        self.closing = threading.Event()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {k.lower(): v for k, v in self.headers.items()}
                listener.received.append(Received(self.path, headers, body))
                more = len(listener.script) > 1
                answer = listener.script.pop(0) if more else listener.script[0]
                if answer.hang:
                    listener.closing.wait(60)
                if answer.reset:
                    # Closed with unsent data and no linger, TCP sends RST.
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, linger
                    )
                if answer.hang or answer.reset:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    # Polled often: closing waits for a poll.
    thread = threading.Thread(target=listener.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield listener
    finally:
        listener.closing.set()
        listener.server.shutdown()
        thread.join()
        listener.server.server_close()


@pytest.fixture
def free_port() -> int:
    return _free_port()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of moto: SQS, SNS and Lambda, in a process of its own."""
    log = tmp_path_factory.mktemp("moto") / "log"
    moto = shutil.which("moto_server", path=str(Path(sys.executable).parent))
    argv = [sys.executable, "-m", "moto.server"] if moto is None else [moto]
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    environ = os.environ | {"AWS_DEFAULT_REGION": "eu-west-1"}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*argv, "-H", "127.0.0.1", "-p", str(port)],
            stdout=out,
            stderr=out,
            env=environ,
        )
        try:
            _wait_for(endpoint, server, log)
            yield endpoint
        finally:
            server.kill()
            server.wait()


def _wait_for(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            # Functions are listed and invoked, and need no container for it.
            request = urllib.request.Request(  # noqa: S310  loopback
                f"{endpoint}/moto-api/config",
                data=json.dumps({"lambda": {"use_docker": False}}).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310  loopback
                return
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def aws_settings(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tester-secret")
    return Settings(aws_endpoint_url=aws_server, aws_region="eu-west-1")
