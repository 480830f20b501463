"""Each guard stops what it is there for by itself, and nothing does without it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from transcode.contract import Source, Task
from transcode.errors import MachineBusy, SettingsError
from transcode.probe.probe import ProbeLimits, probe
from transcode.work.command.build import build

from .rig import Rig

ROOT = Path(__file__).resolve().parents[2]

GUARDS = {
    "network namespace": {"address"},
    "landlock": {"address", "program", "foreign file"},
    "seccomp": {"address", "program", "local socket"},
    "rlimits": {"memory", "descriptors", "bytes", "seconds"},
    "no_new_privs": {"new rights"},
}
"""Guard → what it alone stops."""
_NEEDS = {"seccomp": ("no_new_privs",)}
"""A process without capabilities gets no filter else."""

_FENCED = """
import json, mmap, os, resource, signal, socket, sys
from transcode.sandbox import fence as confine
"x".encode("idna")  # Imported when first used: too late behind a fence.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, port, on = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])

class Libc:
    # The kernel with some of its doors painted on the wall.
    def __init__(self, libc):
        self.libc = libc
    def __getattr__(self, name):
        return getattr(self.libc, name)
    def unshare(self, flags):
        return self.libc.unshare(flags) if "network namespace" in on else 0
    def prctl(self, option, *rest):
        if option == 38 and "no_new_privs" not in on:
            return 0
        if option == 22 and "seccomp" not in on:
            return 0
        return self.libc.prctl(option, *rest)

if "rlimits" not in on:
    confine._lower = lambda limit, value: None
if "landlock" not in on:
    confine.Fence._rules = lambda self: None
may = confine.Permissions(writes=(folder,), open_files=32, memory_bytes=1 << 30,
                  cpu_seconds=60, file_bytes=0)
with confine.Fence(may) as fence:
    fence._libc = Libc(fence._libc)
    refused = dict(fence.enter())
said = {}
def tries(name, act):
    try:
        act()
        said[name] = "done"
    except (OSError, MemoryError) as exc:
        said[name] = "stopped"
def spends():
    if resource.getrlimit(resource.RLIMIT_CPU)[0] == 60:
        raise MemoryError
def gains():
    if "NoNewPrivs:\\t1" in status:
        raise MemoryError
status_fd = os.open("/proc/self/status", os.O_RDONLY) if "landlock" not in on else None
status = os.read(status_fd, 65536).decode() if status_fd is not None else ""
tries("address", lambda: socket.create_connection(("127.0.0.1", port), 1))
tries("local socket", lambda: socket.socket(socket.AF_UNIX))
tries("program", lambda: os.posix_spawn("/bin/true", ["true"], {}))
tries("foreign file", lambda: open("/etc/passwd").read())
tries("memory", lambda: mmap.mmap(-1, 2 << 30))
tries("bytes", lambda: open(folder + "/x", "wb", 0).write(b"x"))
tries("descriptors", lambda: [os.dup(0) for _ in range(40)])
tries("seconds", spends)
tries("new rights", gains)
print(json.dumps([said, refused]))
"""


def _stopped(folder: Path, *guards: str) -> set[str]:
    """What a process that has only *guards* cannot do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", _FENCED, str(folder), port, json.dumps(guards)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    said, refused = json.loads(done.stdout)
    if refused:
        pytest.skip(f"this kernel or container refuses: {refused}")
    return {name for name, how in said.items() if how == "stopped"}


def test_without_a_guard_everything_is_reached(tmp_path: Path) -> None:
    """
    What the next test finds stopped is stopped by that guard.
    """
    if os.geteuid() != 0:
        pytest.skip("only root enters filters without giving up new rights")
    assert set() == _stopped(tmp_path)


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_of_the_kernel_stops_its_own(guard: str, tmp_path: Path) -> None:
    """
    By itself, with all others taken away.
    """
    if os.geteuid() != 0:
        pytest.skip("only root enters filters without giving up new rights")
    others = _NEEDS.get(guard, ())
    expected = GUARDS[guard].union(*(GUARDS[other] for other in others))

    assert expected == _stopped(tmp_path, guard, *others)


_ENCODER = {
    "format_whitelist": "hls-relative.m3u8",
    "protocol_whitelist": "hls-http.m3u8",
    "f": "concat-relative.mp4",
}
_UNSAFE = ["-allowed_extensions", "ALL", "-extension_picky", "0"]


@pytest.mark.parametrize("guard", _ENCODER)
def test_each_option_of_the_encoder_is_enough(
    guard: str, rig: Rig, ffmpeg: str, honest: dict[str, Task]
) -> None:
    """
    Unfenced, with the worst options beside it: the bait is taken without it alone.
    """
    name = _ENCODER[guard]
    source = rig.source(name, remote=False)
    task = honest["mp4"].model_copy(update={"source": source})
    argv = build(task, program=ffmpeg, fifo="/nowhere").argv
    at = argv.index(f"-{guard}")
    assert at < argv.index("-i")
    option = argv[at : at + 2]
    demuxer = [] if guard == "f" else ["-f", "hls", *_UNSAFE]
    loose = ["-protocol_whitelist", "file,http,tcp,crypto,data"]
    if guard == "protocol_whitelist":
        loose = []

    def taken(*options: str) -> set[str]:
        rig.touched(name)
        subprocess.run(
            [
                *(ffmpeg, "-nostdin", "-v", "error", *demuxer, *loose, *options),
                *("-i", source.location, "-c", "copy", "-f", "null", "-"),
            ],
            check=False,
            capture_output=True,
            timeout=15,
        )
        found: set[str] = rig.touched(name)
        return found

    bare = ("-protocol_whitelist", "file,http,tcp") if not loose else ()
    assert set() != taken(*bare)
    assert set() == taken(*option)


def test_the_wall_clock_is_what_ends_a_child_that_stands_still(tmp_path: Path) -> None:
    """
    It uses no processor time; a clock that is set to an hour leaves it standing.
    """
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -STOP $$\n", encoding="ascii")
    python.chmod(0o755)
    source = Source(uri="x", bytes=None, etag=None, location="/x")

    async def ask(seconds: float, patience_seconds: float) -> bool:
        with anyio.move_on_after(patience_seconds) as patience:
            await probe(
                source, limits=ProbeLimits(wall_seconds=seconds), python=str(python)
            )
        return patience.cancelled_caught

    with pytest.raises(MachineBusy):
        anyio.run(ask, 0.2, 60)
    assert anyio.run(ask, 3600, 1)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ((62, 28, 101), r"libavcodec 62\.28\.101, and 62\.28\.102"),
        ((62, 28, 102), "no such file"),
    ],
)
def test_decoders_with_known_holes_look_at_nothing(
    version: tuple[int, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The probe's own library is held to what the encoder is: it may be a system's.
    """
    import av  # noqa: PLC0415

    from transcode.probe.child import __main__  # noqa: PLC0415
    from transcode.probe.child.reader import Refused  # noqa: PLC0415

    monkeypatch.setitem(av.library_versions, "libavcodec", version)

    with pytest.raises(Refused) as caught:
        __main__._examine({"location": "/gone"})
    assert re.search(said, caught.value.message)


def test_an_old_library_is_a_matter_of_settings(tmp_path: Path) -> None:
    """
    Not of the upload, which nobody opened.
    """
    python = tmp_path / "python"
    said = '{"ok": false, "verdict": "outdated", "message": "it was not opened"}'
    python.write_text(f"#!/bin/sh\nread -r x; echo '{said}'\n", encoding="ascii")
    python.chmod(0o755)
    source = Source(uri="x", bytes=None, etag=None, location="/x")

    async def ask() -> None:
        await probe(source, python=str(python))

    with pytest.raises(SettingsError, match="it was not opened"):
        anyio.run(ask)
