"""Ways out that others found, tried by a program inside the real fence."""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from transcode.sandbox.fence import Permissions
from transcode.work.children import Children, Program

HELD = {"EACCES", "ENOSYS", "EPERM"}

_INSIDE = r"""
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
told = json.loads(sys.argv[1])
numbers, victim, foreign, port = (
    told["numbers"], told["victim"], told["foreign"], told["port"])
here = ("127.0.0.1", port)
said = {}

def call(name, *arguments):
    ctypes.set_errno(0)
    arguments = [a if isinstance(a, (bytes, ctypes.Array)) or a is None
                 else ctypes.c_long(a) for a in arguments]
    if libc.syscall(ctypes.c_long(numbers[name]), *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def tries(name, act):
    try:
        act()
        said[name] = "done"
    except OSError as exc:
        said[name] = errno.errorcode.get(exc.errno, str(exc))
    except AttributeError:
        said[name] = "unknown"

def connect(kind, protocol=0):
    with socket.socket(socket.AF_INET, kind, protocol) as it:
        it.settimeout(5)
        it.connect(here)

def fast_open():
    with socket.socket() as it:
        it.settimeout(5)
        it.sendto(b"x", 0x20000000, here)

def fast_open_connect():
    with socket.socket() as it:
        it.setsockopt(socket.IPPROTO_TCP, 30, 1)
        it.settimeout(5)
        it.connect(here)
        it.send(b"x")

def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        it.sendto(b"x", here)

def by_path():
    with socket.socket(socket.AF_UNIX) as it:
        it.connect(told["unix"])

def apart(act):
    # In a child, where one can be had: what it does to itself must not end this.
    child = os.fork()
    if child == 0:
        code = 0
        try:
            act()
        except OSError as exc:
            code = exc.errno
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, "in a child")

def cloned(flags):
    # Negative: nothing above it is shared, so this returns twice.
    if (child := libc.syscall(ctypes.c_long(numbers["clone"]),
                              *map(ctypes.c_long, (flags | 17, 0, 0, 0, 0)))) == 0:
        os._exit(0)
    if child < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os.waitpid(child, 0)

def owned():
    import fcntl
    r, w = os.pipe()
    fcntl.fcntl(r, 8, victim)

def rename_over():
    os.replace("own", foreign)

limits = (ctypes.c_uint64 * 2)(1000, 1000)
mask = (ctypes.c_uint64 * 16)(1)
code = b"\x7fELF"
if told["network"]:
    tries("multipath tcp", lambda: connect(socket.SOCK_STREAM, 262))
    tries("sctp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132))
    tries("fast open", fast_open)
    tries("fast open by option", fast_open_connect)
else:
    tries("tcp", lambda: connect(socket.SOCK_STREAM))
    tries("udp", datagram)
tries("unix socket by path", by_path)
tries("unix socket pair", socket.socketpair)
tries("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
tries("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
tries("limits of another", lambda: call("prlimit64", victim, 7, limits, None))
tries("processors of another", lambda: call("sched_setaffinity", victim, 128, mask))
tries("priority of another", lambda: os.setpriority(os.PRIO_PROCESS, victim, 19))
tries("class of another", lambda: os.sched_setscheduler(
    victim, os.SCHED_IDLE, os.sched_param(0)))
tries("signal", lambda: os.kill(victim, 0))
tries("signal of a thread", lambda: call("tgkill", victim, victim, 0))
tries("signal by owner", owned)
tries("handle of another", lambda: call("pidfd_open", victim, 0))
tries("memory of another", lambda: call("ptrace", 16, victim, 0, 0))
tries("owner of a file", lambda: os.chown(foreign, -1, -1))
tries("mode of a file", lambda: os.chmod(foreign, 0o4755))
tries("mode of one's own", lambda: os.chmod("own", 0o4755))
tries("times of a file", lambda: os.utime(foreign, (1, 1)))
tries("attribute of a file", lambda: os.setxattr(foreign, "user.x", b"x"))
tries("attributes of a file", lambda: os.listxattr(foreign))
tries("link", lambda: os.link("own", "linked"))
tries("symbolic link", lambda: os.symlink(foreign, "pointing"))
tries("file elsewhere", rename_over)
tries("program in memory", lambda: os.memfd_create("x"))
tries("program by handle", lambda: call("execveat", -100, b"/gone", None, None, 0))
# Outside, it would be the end of this one.
tries("another program", lambda: os.execv("/bin/true", ["true"])
      if told["fenced"] else None)
tries("new user namespace", lambda: cloned(0x10000000))
tries("new network namespace", lambda: cloned(0x10000000 | 0x40000000))
tries("unshared namespace", lambda: apart(lambda: call("unshare", 0x10000000)))
tries("process", lambda: apart(lambda: None))
tries("session of its own", lambda: apart(os.setsid))
tries("shared memory", lambda: call("shmget", 0, 4096, 0o1600))
tries("message queue", lambda: call("msgget", 0, 0o1600))
tries("dumpable again", lambda: (_ for _ in ()).throw(
    OSError(ctypes.get_errno(), "")) if libc.prctl(4, 1, 0, 0, 0) else None)
tries("rings", lambda: call("io_uring_setup", 1, bytes(120)))
tries("keys", lambda: call("keyctl", 0, -3, 0, 0, 0))
said["numbers"] = [
    name for name in told["denied"]
    if libc.syscall(ctypes.c_long(numbers[name]), *[ctypes.c_long(0)] * 6) != -1
    or ctypes.get_errno() not in (errno.EACCES, errno.ENOSYS)
] if told["fenced"] else []
print(json.dumps(said))
"""


def _table() -> dict[str, tuple[str, str]]:
    path = Path(__file__).with_name("calls.tsv")
    with path.open(encoding="ascii") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {row["name"]: (row[platform.machine()], row["verdict"]) for row in rows}


@pytest.fixture(scope="module")
def victim() -> Iterator[int]:
    """Somebody's process: of the same user, and not the fenced one's."""
    with subprocess.Popen([shutil.which("sleep") or "sleep", "600"]) as process:
        yield process.pid
        process.kill()


Tried = tuple[Mapping[str, str], set[str]]


@pytest.fixture(scope="module", params=["alone", "with a network"])
def tried(
    request: pytest.FixtureRequest,
    victim: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Tried, Tried]:
    """What happened outside and inside a fence, and what could not be had of it."""
    if platform.machine() not in {"x86_64", "aarch64"}:
        pytest.skip("no filter is known for this machine")
    table = _table()
    folder = tmp_path_factory.mktemp("fenced")
    network = request.param != "alone"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(str(folder / "listening"))
        local.listen()
        told = {
            "numbers": {k: int(v) for k, (v, _) in table.items() if v != "-"},
            "denied": [
                name
                for name, (number, verdict) in table.items()
                if number != "-"
                and verdict in {"denied", "absent"}
                # Where the kernel put them: it ends whoever makes them elsewhere.
                and name not in {"uprobe", "uretprobe"}
            ],
            "victim": victim,
            "network": network,
            "port": server.getsockname()[1],
            "unix": str(folder / "listening"),
        }
        return (
            _tried(folder, "bare", told, None),
            _tried(folder, "fenced", told, Permissions(network=network, ports=(1,))),
        )


def _tried(folder: Path, name: str, told: object, may: Permissions | None) -> Tried:
    own, foreign = folder / name, folder / f"foreign-{name}"
    own.mkdir()
    foreign.write_bytes(b"theirs")
    (own / "own").write_bytes(b"ours")
    assert isinstance(told, dict)
    text = json.dumps(told | {"foreign": str(foreign), "fenced": may is not None})
    python = os.path.realpath(sys.executable)
    argv = [python, "-I", "-S", "-c", _INSIDE, text]
    if may is None:
        done = subprocess.run(argv, cwd=own, capture_output=True, check=False)
        assert 0 == done.returncode, done.stderr
        return json.loads(done.stdout), set()
    said: list[bytes] = []
    reads = (*map(sysconfig.get_path, ("stdlib", "platstdlib")), sys.base_prefix)
    may = may._replace(reads=reads, writes=(str(own),), runs=python)
    with Children(own) as children:
        children.start(Program("x", argv, said.append, said.append, may))
        status = children.wait().statuses["x"]
        assert 0 == status, b"".join(said)
        assert b"theirs" == foreign.read_bytes()
        return json.loads(b"".join(said)), {*children.refused}


def test_no_way_leads_out(tried: tuple[Tried, Tried]) -> None:
    """
    What goes outside the fence, or fails for another reason, is refused inside.
    """
    (bare, _), (fenced, refused) = tried
    if refused & {"calls", "files"}:
        pytest.skip(f"this kernel or container refuses: {refused}")
    meaningful = {
        name
        for name, ending in bare.items()
        if name != "numbers" and ending not in HELD | {"unknown", "EPROTONOSUPPORT"}
    }
    through = {name: fenced[name] for name in meaningful if fenced[name] not in HELD}

    assert {} == through
    assert 25 < len(meaningful)


def test_denied_calls_are_denied_by_this_kernel(tried: tuple[Tried, Tried]) -> None:
    """
    Each of them is made, and answers EACCES or that there is no such call.
    """
    _, (fenced, refused) = tried
    if "calls" in refused:
        pytest.skip(f"this kernel or container refuses: {refused}")

    assert [] == fenced["numbers"]
