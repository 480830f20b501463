"""The browser, and the small server that it plays from and reports to."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import urlencode

import pytest

# What a web server in front of a bucket would say.
TYPES = {
    "": "application/octet-stream",
    ".html": "text/html",
    ".js": "text/javascript",
    ".jpg": "image/jpeg",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".mpd": "application/dash+xml",
    ".vtt": "text/vtt",
}


class Stage(ThreadingHTTPServer):
    """Serves named folders on loopback and keeps the reports that pages post."""

    daemon_threads = True

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up in mid-file is no news; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    server: Stage

    extensions_map = TYPES

    def translate_path(self, path: str) -> str:
        name, _, rest = path.partition("?")[0].lstrip("/").partition("/")
        folder = self.server.folders.get(name)
        if folder is None:
            return os.devnull + "/nothing"
        self.directory = str(folder)
        return super().translate_path("/" + rest)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.reports.put(json.loads(body))

    def log_message(self, *args: object) -> None:
        """Say nothing; the browser's own log is kept."""


@contextlib.contextmanager
def serving(folders: dict[str, Path]) -> Iterator[Stage]:
    """A stage that is open while the block runs."""
    with Stage(folders) as stage:
        thread = threading.Thread(target=stage.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield stage
        finally:
            stage.shutdown()
            thread.join()


@contextlib.contextmanager
def browsing(chromium: str, url: str, folder: Path) -> Iterator[Path]:
    """
    A headless browser that shows *url* while the block runs, with all of its state
    under *folder*. Yields the file that its console is written to.
    """
    log = folder / "chromium.log"
    argv = [
        chromium,
        "--headless",
        "--autoplay-policy=no-user-gesture-required",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-gpu",
        "--disable-quic",
        "--disable-sync",
        "--enable-logging=stderr",
        # Nothing but the stage is reached, whatever a page or the browser would like.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--no-first-run",
        # The sandbox wants a user other than root; our own page needs none.
        "--no-sandbox",
        f"--user-data-dir={folder / 'profile'}",
        url,
    ]
    with log.open("wb") as output:
        # Its own session: the wrapper script's children end with it.
        process = subprocess.Popen(
            argv, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield log
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Play(Protocol):
    """Plays to the end and returns the page's report, see `play.html`."""

    def __call__(
        self, media: Path, *, player: str, source: str, content_type: str
    ) -> dict[str, Any]: ...


def _absent(message: str) -> NoReturn:
    """A laptop may lack a browser; where everything must be tested, none may."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium with H.264 and AAC."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    _absent("no Chromium; on Debian: apt install chromium")


@pytest.fixture(scope="session")
def players() -> Path:
    """The folder of npm packages, installed as `package-lock.json` pins them."""
    here = Path(__file__).parent
    target = here.parents[1] / "build" / "players"
    lock = here / "package-lock.json"
    done = target / "node_modules" / ".package-lock.json"
    if done.exists() and (target / lock.name).read_bytes() == lock.read_bytes():
        return target / "node_modules"

    npm = shutil.which("npm")
    if npm is None:
        _absent("no npm to install the players with; on Debian: apt install npm")
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", lock.name):
        shutil.copyfile(here / name, target / name)
    argv = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(
        argv, cwd=target, capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        shutil.rmtree(target)
        _absent(f"npm could not install the players: {installed.stderr[-1000:]}")
    return target / "node_modules"


LIBRARIES = {
    "native": "",
    "hls": "/npm/hls.js/dist/hls.min.js",
    "dash": "/npm/dashjs/dist/modern/umd/dash.all.min.js",
    "shaka": "/npm/shaka-player/dist/shaka-player.compiled-es2021.js",
}


@pytest.fixture
def play(chromium: str, players: Path, tmp_path: Path) -> Play:
    """
    Plays *source*, a path under the folder *media*, in a fresh browser.

    Raises `AssertionError` with the end of the browser's log when no report comes.
    """

    def run(
        media: Path, *, player: str, source: str, content_type: str
    ) -> dict[str, Any]:
        folders = {"page": Path(__file__).parent, "npm": players, "media": media}
        with serving(folders) as stage:
            query = urlencode(
                {
                    "player": player,
                    "library": LIBRARIES[player],
                    "src": f"/media/{source}",
                    "type": content_type,
                    "rate": 2,
                }
            )
            url = f"{stage.address}/page/play.html?{query}"
            with browsing(chromium, url, tmp_path) as log:
                try:
                    return stage.reports.get(timeout=90)
                except queue.Empty:
                    lines = log.read_text(errors="replace").splitlines()
                    tail = "\n".join(x for x in lines if "dbus" not in x)[-2000:]
                    raise AssertionError(
                        f"{player} did not finish {source}:\n{tail}"
                    ) from None

    return run
