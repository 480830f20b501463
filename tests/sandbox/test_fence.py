"""A program that was taken over can start, connect to and read nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from transcode.sandbox.fence import Fence, Permissions, ports_of, shortfall
from transcode.work.children import Children, Program

ROOT = Path(__file__).resolve().parents[2]
UNSHAKEN = 0


def _bash() -> str:
    found = shutil.which("bash")
    if found is None:
        pytest.skip("no bash: it opens sockets and starts programs in one line")
    return os.path.realpath(found)


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody listens here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _run(folder: Path, script: str, **changes: Any) -> tuple[int, str, set[str]]:
    """Status, words and what could not be had of a fenced shell."""
    printed: list[bytes] = []
    may = Permissions(writes=(str(folder),), runs=_bash())._replace(**changes)
    with Children(folder) as children:
        argv = [_bash(), "--norc", "-c", script]
        children.start(Program("x", argv, printed.append, printed.append, may))
        status = children.wait().statuses["x"]
        return status, b"".join(printed).decode(), {*children.refused}


def _bare(script: str) -> int:
    return subprocess.run([_bash(), "-c", script], check=False).returncode


def _held(refused: set[str], *barriers: str) -> None:
    if {*barriers} <= refused:
        pytest.skip(f"this kernel or container has no barrier for it: {refused}")


def test_it_does_what_it_is_there_for(tmp_path: Path) -> None:
    """
    Its own folder is open to it, and this machine holds everything.
    """
    status, words, _ = _run(tmp_path, "echo made > new && read x < new && echo $x")

    assert (0, "made\n") == (status, words)


def test_starting_another_program_is_stopped(tmp_path: Path) -> None:
    """
    No shell after the first program, wherever it lies.
    """
    script = "exec /bin/sh -c 'exit 0'"
    shutil.copy("/bin/true", tmp_path / "own")
    assert 0 == _bare(script)

    status, words, refused = _run(tmp_path, script)
    _held(refused, "files")

    assert UNSHAKEN != status
    assert "ermission denied" in words
    assert UNSHAKEN != _run(tmp_path, "exec ./own")[0]


def test_opening_a_socket_is_stopped(tmp_path: Path, port: int) -> None:
    """
    Not even to somebody who listens on this machine.
    """
    script = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
    assert 0 == _bare(script)

    status, words, refused = _run(tmp_path, script)
    _held(refused, "network", "calls")

    assert UNSHAKEN != status
    assert "ermission denied" in words or "unreachable" in words


def test_a_remote_source_needs_its_address(tmp_path: Path, port: int) -> None:
    """
    The same with a network: the barrier above is this one.
    """
    script = f"exec 3<>/dev/tcp/127.0.0.1/{port}"

    assert 0 == _run(tmp_path, script, network=True)[0]


def test_a_remote_source_needs_no_other_port(tmp_path: Path, port: int) -> None:
    """
    Where its server sends it elsewhere, only the web's own ports are left.
    """
    script = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
    named = ports_of(f"http://127.0.0.1:{port}/x?y=z")
    others = ports_of("https://example.com/x")
    assert {80, 443, 53, port} == {*named}
    assert port not in others

    status, _, refused = _run(tmp_path, script, network=True, ports=others)
    _held(refused, "files")

    assert UNSHAKEN != status
    assert 0 == _run(tmp_path, script, network=True, ports=named)[0]


@pytest.mark.parametrize("network", [False, True])
@pytest.mark.parametrize("way", ["read", "write", "list", "environment"])
def test_opening_a_foreign_file_is_stopped(
    way: str, *, network: bool, tmp_path: Path
) -> None:
    """
    Neither read nor written nor listed, nor a parent's environment looked at.
    """
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "file").write_text("secret\n", encoding="ascii")
    script = {
        "read": f"read x < {other}/file",
        "write": f"echo x > {other}/file",
        "list": f"cd {own}; files=({other}/*); [[ ${{files[0]}} != *\\* ]]",
        "environment": "read -d '' x < /proc/$PPID/environ",
    }[way]
    assert 0 == _bare(script)
    (other / "file").write_text("secret\n", encoding="ascii")

    status, _, refused = _run(own, script, network=network)
    _held(refused, "files")

    assert UNSHAKEN != status
    assert "secret\n" == (other / "file").read_text(encoding="ascii")


_PROBE = """
import json, os, signal, socket, subprocess, sys
from transcode.sandbox.fence import Fence, Permissions
"x".encode("idna")  # Imported when first used: too late behind a fence.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if user := int(sys.argv[3]):
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
may = Permissions(writes=(sys.argv[1],), open_files=32, memory_bytes=1 << 30,
                  cpu_seconds=5, file_bytes=0)
with Fence(may) as fence:
    refused = dict(fence.enter())
said = {}
def tries(name, act):
    try:
        act()
        said[name] = "done"
    except (OSError, MemoryError) as exc:
        said[name] = type(exc).__name__
tries("socket", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])), 1))
tries("unix", lambda: socket.socket(socket.AF_UNIX))
tries("program", lambda: os.execv("/bin/true", ["true"]))
tries("file", lambda: open("/etc/passwd").read())
tries("write", lambda: open(sys.argv[1] + "/x", "wb", 0).write(b"x"))
tries("memory", lambda: bytearray(2 << 30))
tries("signal", lambda: os.kill(os.getppid(), 0))
tries("files", lambda: [os.dup(0) for _ in range(40)])
said["addresses"] = os.readlink("/proc/self/ns/net")
print(json.dumps([said, refused]))
"""


@pytest.mark.parametrize("user", [0, 65_533], ids=["as we are", "as nobody"])
def test_a_process_fences_itself(user: int, tmp_path: Path, port: int) -> None:
    """
    Like the probing child: no socket, program, file, memory or signal is left.
    """
    if user and os.geteuid() != 0:
        pytest.skip("only root becomes somebody else")
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(tmp_path), str(port), str(user)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said, refused = json.loads(done.stdout)

    if refused:
        pytest.skip(f"this kernel or container refuses: {refused}")
    assert said.pop("memory") == "MemoryError"
    assert said.pop("write") in {"OSError", "PermissionError"}
    assert said.pop("files") == "OSError"
    # Each of the two barriers by itself: no address, and no socket of any kind.
    assert said.pop("addresses") != str(Path("/proc/self/ns/net").readlink())
    assert {"socket", "unix", "program", "file", "signal"} == {*said}
    assert {"PermissionError"} == {*said.values()}


def test_nothing_is_kept_open(tmp_path: Path) -> None:
    """
    A fence leaves no file behind in the parent.
    """
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        with Fence(Permissions(reads=("/gone",), runs=_bash())):
            pass
        _run(tmp_path, ":")

    assert before == len([*Path("/proc/self/fd").iterdir()])


def test_a_program_dies_with_its_parent(tmp_path: Path) -> None:
    """
    Giving up credentials clears the wish; it is asked for after that.
    """
    script = "read -d '' s < /proc/self/stat; echo ready; read x < fifo"
    os.mkfifo(tmp_path / "fifo")
    code = (
        "import os, sys; from pathlib import Path\n"
        "from transcode.sandbox.fence import Permissions\n"
        "from transcode.work.children import Children, Program\n"
        "say = lambda data: (print(pid, flush=True), os.kill(os.getpid(), 9))\n"
        "folder = Path(sys.argv[1])\n"
        "may = Permissions(reads=('/proc',), writes=(str(folder),), runs=sys.argv[2])\n"
        "argv = [sys.argv[2], '--norc', '-c', sys.argv[3]]\n"
        "with Children(folder) as children:\n"
        "    pid = children.start(Program('x', argv, say, say, may))\n"
        "    children.wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), _bash(), script],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert -signal.SIGKILL == done.returncode, done.stderr
    state = Path(f"/proc/{int(done.stdout)}/stat")
    for _ in range(1000):
        if not state.exists() or " Z " in state.read_text(encoding="ascii"):
            return
        os.sched_yield()
    pytest.fail("it outlives its parent")


def test_a_script_is_started_and_said_to_be_loose(tmp_path: Path) -> None:
    """
    Of a wrapper nobody knows what it starts: it runs, and a note says what it may.
    """
    script = tmp_path / "wrapper"
    script.write_text("#!/bin/sh\nexec /bin/echo made\n", encoding="ascii")
    script.chmod(0o755)
    printed: list[bytes] = []
    with Children(tmp_path) as children:
        may = Permissions(writes=(str(tmp_path),), runs=str(script))
        argv = [str(script)]
        children.start(Program("x", argv, printed.append, printed.append, may))
        children.wait()
        notes = shortfall(children.refused)

    assert [b"made\n"] == printed
    assert ["is a script" in note for note in notes] == [True]


def test_notes_are_for_what_nothing_holds() -> None:
    """
    One barrier of two against the network is enough.
    """
    assert () == shortfall({"network": "Operation not permitted"})
    assert 1 == len(shortfall({"calls": "no filter is known"}))
    assert 1 == len(shortfall({"network": "no", "calls": "no"}))
    assert 1 == len(shortfall({"files": "Function not implemented"}))
    assert 1 == len(shortfall({"ports": "Function not implemented"}))
