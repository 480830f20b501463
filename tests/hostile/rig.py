"""A listening address, files that nobody may open, and who touched them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from transcode.contract import Source

from .attacks import NEIGHBOUR, Bait, attacks

_IN_OPEN = 0x20
"""linux/inotify.h; inotify(7)."""


class Web(ThreadingHTTPServer):
    """Answers every path, and remembers who connected."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Path] = {}
        self.connections = 0
        self.asked: set[str] = set()
        self.otherwise = b""
        self.port = self.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def get_request(self) -> tuple[Any, Any]:
        self.connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.server.asked.add(self.path)
        path = self.server.files.get(self.path)
        data = self.server.otherwise if path is None else path.read_bytes()
        span = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=")
        first, _, last = span.partition("-")
        part = data[int(first) : int(last) + 1 if last else None]
        self.send_response(206)
        end = int(first) + len(part) - 1
        self.send_header("Content-Range", f"bytes {first}-{end}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def handle(self) -> None:
        # A client that was killed does not say goodbye.
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silence: what was asked is kept, not printed."""


class Watch:
    """Tells which files of some folders were opened, by inotify."""

    def __init__(self, *folders: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._fd >= 0
        for folder in folders:
            assert self._libc.inotify_add_watch(self._fd, bytes(folder), _IN_OPEN) >= 0

    def opened(self) -> set[str]:
        """Names since the last call; what denies an open leaves no trace here."""
        names: set[str] = set()
        while True:
            try:
                data = os.read(self._fd, 65_536)
            except BlockingIOError:
                return names - {""}
            at = 0
            while at < len(data):
                length = struct.unpack_from("=I", data, at + 12)[0]
                name = data[at + 16 : at + 16 + length].rstrip(b"\0")
                names.add(os.fsdecode(name))
                at += 16 + length

    def close(self) -> None:
        os.close(self._fd)


class Rig:
    """Everything an attack could reach, and whether it did."""

    def __init__(self, folder: Path, canary: Web, store: Web, clip: bytes) -> None:
        self.canary, self.store = canary, store
        self.token = secrets.token_hex(24)
        self.uploads = folder / "uploads"
        outside = folder / "canary"
        for place in (self.uploads, outside):
            place.mkdir()
        secret, film = outside / "secret.txt", outside / "film.ts"
        secret.write_text(f"{self.token}\n" * 40, encoding="ascii")
        film.write_bytes(canary.otherwise)
        (self.uploads / NEIGHBOUR).write_bytes(canary.otherwise)
        self.bait = Bait(canary.url, canary.port, secret, film)
        self.names = []
        for name, content in attacks(self.bait, clip).items():
            (self.uploads / name).write_bytes(content)
            self.names.append(name)
        self.watch = Watch(self.uploads, outside)
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.setblocking(False)
        with contextlib.suppress(OSError):  # Somebody else's, and then not watched.
            self.datagrams.bind(("127.0.0.1", canary.port))

    def source(self, name: str, *, remote: bool) -> Source:
        """The attack as a path, or as an object of the store."""
        path = self.uploads / name
        self.store.files = {"/object": path}
        self.store.asked.clear()
        place = f"{self.store.url}/object" if remote else str(path)
        size = path.stat().st_size
        return Source(uri=name, bytes=size, etag=None, location=place)

    def touched(self, name: str, *said: object, folders: tuple[Path, ...] = ()) -> Any:
        """What was reached besides the upload itself; empty for a safe opening."""
        others = self.watch.opened() - {name}
        if self.store.asked:
            others |= self.store.asked - {"/object"}
        if self.canary.connections:
            others.add("the address")
            self.canary.connections = 0
        with contextlib.suppress(BlockingIOError):
            self.datagrams.recv(1)
            others.add("the address")
        texts = [repr(it).encode() for it in said]
        for folder in folders:
            texts += [it.read_bytes() for it in folder.rglob("*") if it.is_file()]
        for sign in (self.token.encode(), b"root:x:0:0"):
            if any(sign in text for text in texts):
                others.add(f"the words {sign!r}")
        return others


@contextlib.contextmanager
def rigged(folder: Path, clip: Path, ffmpeg: str) -> Iterator[Rig]:
    """A rig in *folder* around *clip*, an MP4 without sound; its servers run."""
    canary, store = Web(), Web()
    film = folder / "bait.ts"
    argv = [ffmpeg, "-v", "error", "-i", str(clip), "-c", "copy", str(film)]
    subprocess.run(argv, check=True)
    canary.otherwise = film.read_bytes()
    servers = (canary, store)
    threads = [
        threading.Thread(target=it.serve_forever, args=(0.05,)) for it in servers
    ]
    for thread in threads:
        thread.start()
    rig = Rig(folder, canary, store, clip.read_bytes())
    try:
        yield rig
    finally:
        rig.watch.close()
        rig.datagrams.close()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
