"""
What it costs that who decodes a remote source has no network.

    python -m bench.remote [--runs 7]

ffmpeg reads a file of raw pictures over http and throws them away: by itself, as it
would, and behind the fence, served by the process that fetches for it. In turns, so
that both meet the same machine; ratios of wall and processor time.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from transcode.contract import Source
from transcode.sandbox.fence import Permissions
from transcode.settings import Settings
from transcode.work.children import Children, Program
from transcode.work.command.seek import SERVED
from transcode.work.toolchain import find_ffmpeg

_SECONDS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    program = os.path.realpath(find_ffmpeg(Settings()))
    with tempfile.TemporaryDirectory(prefix="transcode-bench-remote-") as made:
        folder = Path(made)
        file = folder / "raw.mkv"
        pictures = f"testsrc2=s=640x360:r=25:d={_SECONDS}"
        argv = [program, "-v", "error", "-f", "lavfi", "-i", pictures]
        subprocess.run([*argv, "-c:v", "rawvideo", str(file)], check=True)
        url, server = _serve(file)
        try:
            ways: dict[str, _Way] = {"by itself": _bare, "served": _served}
            spent = _in_turns(ways, program, url, folder, runs=runs)
        finally:
            os.kill(server, 9)
            os.waitpid(server, 0)
        size = file.stat().st_size
    for name, times in spent.items():
        wall = statistics.median(it[0] for it in times)
        cpu = statistics.median(it[1] for it in times)
        sys.stdout.write(
            f"{name:10} {wall:.3f} s, {cpu:.3f} s of a processor, "
            f"{size / wall / 1e6:.0f} MB/s\n"
        )
    for place, what in enumerate(("wall", "processor")):
        pairs = zip(*spent.values(), strict=True)
        ratios = sorted(after[place] / before[place] for before, after in pairs)
        sys.stdout.write(
            f"{what}: {statistics.median(ratios):.2f} times "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}), {size / 1e6:.0f} MB\n"
        )


_Way = Callable[[str, str, Path], None]


def _in_turns(
    ways: dict[str, _Way], program: str, url: str, folder: Path, *, runs: int
) -> dict[str, list[tuple[float, float]]]:
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            began, used = time.monotonic(), _processor()
            way(program, url, folder)
            spent[name].append((time.monotonic() - began, _processor() - used))
    return spent


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reading(program: str, address: str) -> list[str]:
    argv = [program, "-v", "error", "-nostdin", "-protocol_whitelist", "http,tcp"]
    return [*argv, "-i", address, "-c", "copy", "-f", "null", "-"]


def _bare(program: str, url: str, _folder: Path) -> None:
    subprocess.run(_reading(program, url), check=True)


def _served(program: str, url: str, folder: Path) -> None:
    source = Source(uri=url, bytes=None, etag=None, location=url)
    said: list[bytes] = []
    may = Permissions(writes=(str(folder),), runs=program)
    with Children(folder) as children:
        argv = _reading(program, SERVED)
        children.start(Program("ffmpeg", argv, said.append, said.append, may, source))
        ended = children.wait()
    if ended.first_to_fail is not None:
        raise SystemExit(b"".join(said).decode())


def _serve(file: Path) -> tuple[str, int]:
    size = file.stat().st_size

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            first = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - first))
            self.end_headers()
            with file.open("rb") as opened:
                self.connection.settimeout(30)
                self.connection.sendfile(opened, first)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    child = os.fork()
    if child == 0:
        server.serve_forever()
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}/raw.mkv", child


if __name__ == "__main__":
    main()
