"""
What the fence holds, told by a program that runs inside of it and tries.

    python -m bench.fence

One column for each kernel and privilege: older kernels and strict containers are this
one with a filter that takes calls away. `docs/media.md` has the table.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from transcode.sandbox.fence import Permissions
from transcode.work.children import Children, Program

_INSIDE = r"""
import ctypes, json, os, socket, sys
told = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
said = {}

def tries(name, *acts):
    # What one of them does is not held.
    open_ = False
    for act in acts:
        try:
            act()
            open_ = True
        except OSError:
            pass
    said[name] = not open_

def connect(protocol=0, port=told["port"]):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as it:
        it.settimeout(5)
        it.connect(("127.0.0.1", port))

def by_path():
    with socket.socket(socket.AF_UNIX) as it:
        it.connect(told["unix"])

def limits():
    two = (ctypes.c_uint64 * 2)(1000, 1000)
    number = {"x86_64": 302, "aarch64": 261}[os.uname().machine]
    if libc.syscall(number, told["victim"], 7, two, None):
        raise OSError(ctypes.get_errno(), "")

def child():
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def program():
    number = {"x86_64": 59, "aarch64": 221}[os.uname().machine]
    # With a list of arguments that cannot be read: it is looked up, and not started.
    if libc.syscall(number, b"/bin/true", ctypes.c_void_p(1), None):
        if ctypes.get_errno() != 14:
            raise OSError(ctypes.get_errno(), "")

f = told["foreign"]
tries("read a file of somebody else", lambda: open(f).read())
tries("write one", lambda: open(f, "a").write(""))
tries("list a folder of somebody else", lambda: os.listdir(os.path.dirname(f)))
tries("see that a file is there, and its size", lambda: os.stat(f))
tries("change mode, owner, times or attributes", lambda: os.chmod(f, 0o644),
      lambda: os.chown(f, -1, -1), lambda: os.utime(f),
      lambda: os.setxattr(f, "user.x", b""))
tries("connect by TCP", connect)
tries("connect by multipath TCP", lambda: connect(262))
tries("send by UDP", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      .sendto(b"x", ("127.0.0.1", told["port"])))
tries("connect to a Unix socket by path", by_path)
tries("start another program", program)
tries("have a program in memory", lambda: os.memfd_create("x"))
tries("make a process of its own", child)
tries("signal another process", lambda: os.kill(told["victim"], 0))
tries("change limits of another process", limits)
print(json.dumps(said))
"""

_CALLS = {
    "x86_64": {"landlock": 444, "unshare": 272, "prctl": 157},
    "aarch64": {"landlock": 444, "unshare": 97, "prctl": 167},
}
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "no namespaces": ("unshare",),
    "no Landlock": ("landlock",),
    "neither": ("unshare", "landlock"),
    "no filter": ("filter",),
    "nothing": ("unshare", "landlock", "filter"),
}
"""Linux before 5.13 has no Landlock; containers often forbid namespaces."""


def main() -> None:
    if sys.argv[1:2] in (["-h"], ["--help"]):
        print(f"usage: fence.py\n{__doc__}")
        return
    if len(sys.argv) > 1:
        _one(json.loads(sys.argv[1]))
        return
    columns: dict[str, Mapping[str, bool]] = {}
    for user in ("root", "nobody") if os.geteuid() == 0 else ("nobody",):
        for name, taken in _COLUMNS.items():
            argv = [sys.executable, "-m", "bench.fence", json.dumps([user, taken])]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.stderr.write(done.stderr[-400:])
                continue
            columns[f"{name}, {user}"] = json.loads(done.stdout)
    rows = list(next(iter(columns.values())))
    sys.stdout.write(f"Linux {platform.release()}, {platform.machine()}\n\n")
    sys.stdout.write(f"| what it tries | {' | '.join(columns)} |\n")
    sys.stdout.write("| --- " * (1 + len(columns)) + "|\n")
    for row in rows:
        cells = ["held" if held[row] else "open" for held in columns.values()]
        sys.stdout.write(f"| {row} | {' | '.join(cells)} |\n")


def _one(order: tuple[str, list[str]]) -> None:
    user, taken = order
    base = Path(tempfile.mkdtemp(prefix="transcode-bench-fence-"))
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.socket(socket.AF_UNIX) as local,
            subprocess.Popen(["/bin/sleep", "60"], user=_id(user)) as victim,
        ):
            local.bind(str(base / "socket"))
            local.listen()
            told = {
                "port": server.getsockname()[1],
                "unix": str(base / "socket"),
                "victim": victim.pid,
                "foreign": str(base / "foreign"),
            }
            try:
                _try(base, user, taken, json.dumps(told))
            finally:
                victim.kill()
    finally:
        shutil.rmtree(base)


def _try(base: Path, user: str, taken: list[str], told: str) -> None:
    own = base / "own"
    own.mkdir()
    (base / "foreign").write_bytes(b"theirs")
    for path in (base, own, base / "foreign", base / "socket"):
        os.chown(path, _id(user), -1)
    reads = (*map(sysconfig.get_path, ("stdlib", "platstdlib")), sys.base_prefix)
    if user != "root" and os.geteuid() == 0:
        # The system's own: its library is among what may be read anyway.
        python, reads = _reachable(), ()
        os.setgroups([])
        os.setgid(_id(user))
        os.setuid(_id(user))
    else:
        python = os.path.realpath(sys.executable)
    said: list[bytes] = []
    may = Permissions(reads=reads, writes=(str(own),), runs=python)
    _take(taken)
    with Children(own) as children:
        argv = [python, "-I", "-S", "-c", _INSIDE, told]
        children.start(Program("x", argv, said.append, said.append, may))
        status = children.wait().statuses["x"]
    if status:
        raise SystemExit(b"".join(said).decode())
    sys.stdout.buffer.write(b"".join(said))


def _id(user: str) -> int:
    return 0 if user == "root" and os.geteuid() == 0 else (os.geteuid() or 65_533)


def _reachable() -> str:
    """A Python that others may run: not one in the home of root."""
    for name in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if Path(name).exists():
            return os.path.realpath(name)
    raise SystemExit("no python3 that everybody may run")


def _take(names: list[str]) -> None:
    """There are no such calls from here on; of prctl alone what sets a filter."""
    calls = _CALLS[platform.machine()]
    denied = 0x00050000 | errno.ENOSYS
    rows = [(0x20, 0, 0, 0)]
    for name in names:
        if name == "filter":
            # Its option is SECCOMP's, and goes before the others: it loads another.
            rows += [
                (0x15, 0, 3, calls["prctl"]),
                (0x20, 0, 0, 16),
                (0x15, 0, 1, 22),
                (0x06, 0, 0, denied),
                (0x20, 0, 0, 0),
            ]
        else:
            rows += [(0x15, 0, 1, calls[name]), (0x06, 0, 0, denied)]
    rows.append((0x06, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("=HBBI", *row) for row in rows)
    held = ctypes.create_string_buffer(code)
    described = struct.pack("@HP", len(rows), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, described, 0, 0):
        raise SystemExit(os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
