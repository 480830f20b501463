"""A source behind HTTP whose server breaks off while ffmpeg reads it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import (
    FilePackaging,
    Loudness,
    OutcomeKind,
    OutputFile,
    Produced,
    Recipe,
    Source,
    Task,
)
from transcode.retry import RetryPolicy
from transcode.work import fetcher

MP4 = FilePackaging(
    files=(OutputFile(name="video.mp4", container="mp4", video="240p", audio=("aac",)),)
)
PIECE = 8192


@dataclass
class Upstream:
    """Serves one file by ranges until it has sent `lives` bytes; then fails `fails`."""

    data: bytes
    lives: int
    fails: float = float("inf")
    """How many requests; after them it serves on."""
    status: int | None = 503
    """What it says then; None: nothing, and the connection is over."""
    sent: int = 0
    failed: int = 0
    commands: list[bytes] = field(default_factory=list)
    """Command lines of ffmpeg while it reads."""
    url: str = field(default="", init=False)


def encoders() -> list[bytes]:
    """Command lines of every ffmpeg that this process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            own = f"PPid:\t{os.getpid()}\n" in status.read_text(encoding="utf-8")
            command = status.with_name("cmdline").read_bytes()
            if own and b"ffmpeg" in command.partition(b"\0")[0]:
                found.append(command)
    return found


@pytest.fixture
def serve() -> Iterator[Callable[[Upstream], Upstream]]:
    """Starts an upstream."""
    servers: list[ThreadingHTTPServer] = []

    def start(upstream: Upstream) -> Upstream:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                upstream.commands += encoders()
                dead = upstream.sent >= upstream.lives
                if dead and upstream.failed < upstream.fails:
                    upstream.failed += 1
                    self.close_connection = True
                    if upstream.status is not None:
                        self.send_response(upstream.status)
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                    return
                size = len(upstream.data)
                first, _, last = self.headers.get("Range", "bytes=0-")[6:].partition(
                    "-"
                )
                begin, end = int(first), int(last or size - 1) + 1
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
                self.send_header("Content-Length", str(end - begin))
                self.end_headers()
                for at in range(begin, end, PIECE):
                    if not dead and upstream.sent >= upstream.lives:
                        self.close_connection = True
                        return
                    self.wfile.write(upstream.data[at : min(at + PIECE, end)])
                    upstream.sent += PIECE

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        upstream.url = f"http://127.0.0.1:{server.server_port}/x?signature=secret"
        return upstream

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits moments where it would wait half a minute."""
    monkeypatch.setattr(fetcher, "AGAIN", RetryPolicy(0.01, maximum_attempts=4))


@pytest.fixture
def recipe(make_recipe: Any, video: Any) -> Recipe:
    made: Recipe = make_recipe(video=(video(320, 240),), packaging=MP4)
    return made


@pytest.fixture
def attempt(make_clip: Any, make_task: Any, performed: Any, serve: Any) -> Any:
    """A task whose source is at the other end of a connection, and what came of it."""

    def do(
        recipe: Recipe, form: str = "mkv", *, part: float, **upstream: Any
    ) -> tuple[Produced, Upstream]:
        clip: Path = make_clip(f"long.{form}", 20, rate="50")
        data = clip.read_bytes()
        served = serve(Upstream(data, lives=int(len(data) * part), **upstream))
        task: Task = make_task(clip, recipe)
        source = Source(
            uri="http://127.0.0.1/x", bytes=None, etag=None, location=served.url
        )
        produced, _ = performed(task.model_copy(update={"source": source}))
        return produced, served

    return do


@pytest.mark.parametrize("status", [503, None])
@pytest.mark.parametrize("form", ["mp4", "mkv", "ts"])
def test_a_server_that_goes_away_is_not_the_uploads_fault(
    form: str, status: int | None, attempt: Any, recipe: Recipe
) -> None:
    """ffmpeg calls half a source a whole one; it is not refused as cut off."""
    produced, _ = attempt(recipe, form, part=2 / 3, status=status)

    assert produced.outcome is not OutcomeKind.SUCCEEDED
    assert "StoreDown" == produced.failure.type
    assert produced.failure.retryable
    assert "secret" not in produced.to_json()


def test_no_signature_is_on_a_command_line(attempt: Any, recipe: Recipe) -> None:
    """Whoever lists processes sees by what ffmpeg opens it, and not what that is."""
    produced, upstream = attempt(recipe, part=2)

    assert produced.outcome is OutcomeKind.SUCCEEDED
    assert upstream.commands
    for command in upstream.commands:
        assert b"secret" not in command
        assert upstream.url.partition("?")[0].encode() not in command


def test_a_server_that_comes_back_is_read_on(attempt: Any, recipe: Recipe) -> None:
    """A refusal half-way costs a pause, and not a frame."""
    produced, upstream = attempt(recipe, part=1 / 2, fails=1)

    assert 1 == upstream.failed
    assert produced.outcome is OutcomeKind.SUCCEEDED


@pytest.mark.parametrize("status", [503, None])
def test_loudness_is_not_measured_of_a_part(
    status: int | None, attempt: Any, recipe: Recipe, audio: Any
) -> None:
    """Nothing would show afterwards that the first pass had heard only half."""
    target = Loudness(integrated_lufs=-16, true_peak_dbtp=-1.5)
    recipe = recipe.model_copy(update={"audio": (audio(loudness=target),)})

    produced, _ = attempt(recipe, part=1 / 2, fails=3, status=status)

    assert "StoreDown" == produced.failure.type


@pytest.mark.parametrize(
    ("status", "kind"), [(403, "SourceUnreadable"), (429, "StoreDown")]
)
def test_what_the_first_request_is_answered(
    status: int, kind: str, attempt: Any, recipe: Recipe
) -> None:
    """Forbidden stays so; too many requests pass."""
    produced, _ = attempt(recipe, part=0, status=status)

    assert kind == produced.failure.type
