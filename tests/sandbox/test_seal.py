"""A worker that opens what was made has nothing left but that."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.conftest import MakeClip
from transcode.invoke.wire import Report, StagedOrder
from transcode.pipeline import admit
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

ROOT = Path(__file__).resolve().parents[2]

_WORKER = """
import json, os, socket, sys
from pathlib import Path
import transcode.work.perform
"x".encode("idna")  # Imported when first used.
from transcode.invoke.worker import main
port, foreign, told = int(sys.argv[1]), Path(sys.argv[2]), os.dup(2)
def tries(act):
    try:
        act()
    except OSError as exc:
        return type(exc).__name__
    return "done"
def look(task, encoded, *, staging):
    made = next(it for it in staging.iterdir() if it.is_file())
    said = {
        "own": tries(made.read_bytes),
        "socket": tries(lambda: socket.create_connection(("127.0.0.1", port), 1)),
        "local socket": tries(lambda: socket.socket(socket.AF_UNIX)),
        "program": tries(lambda: os.posix_spawn("/bin/true", ["true"], {})),
        "file": tries(foreign.read_bytes),
        "write": tries(lambda: foreign.write_bytes(b"x")),
    }
    os.write(told, json.dumps(said).encode())
    os._exit(0)
transcode.work.perform.verify = look
if sys.argv[3] == "unsealed":
    import transcode.sandbox.seal
    transcode.sandbox.seal.seal = lambda folders: ()
main()
"""


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody listens here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _order(clip: Path, folder: Path) -> StagedOrder:
    for name in ("staging", "scratch"):
        (folder / name).mkdir()

    async def plan() -> StagedOrder:
        request = Request(source=str(clip), profile="preview")
        task = (await admit(request, wire(Settings()))).tasks[0].task
        return StagedOrder(
            task=task,
            staging=str(folder / "staging"),
            scratch=str(folder / "scratch"),
            settings=Settings(),
        )

    return anyio.run(plan)


@pytest.mark.parametrize("worker", ["sealed", "unsealed"])
def test_it_opens_results_with_nothing_else_in_reach(
    worker: str, port: int, make_clip: MakeClip, tmp_path: Path
) -> None:
    """
    No address, socket, program or foreign file; unsealed, all of that is there.
    """
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"secret")
    order = _order(make_clip("sealed", 1, "64x64"), tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", _WORKER, str(port), str(foreign), worker],
        cwd=ROOT,
        input=order.to_json().encode() + b"\n",
        capture_output=True,
        check=True,
    )
    said = json.loads(done.stderr.splitlines()[-1])

    assert "done" == said.pop("own")
    assert 5 == len(said)
    ending = "done" if worker == "unsealed" else "PermissionError"
    assert {ending} == {*said.values()}


def test_a_sealed_worker_does_its_work(make_clip: MakeClip, tmp_path: Path) -> None:
    """
    Nothing that verification and stills take is missing, and this kernel holds it all.
    """
    order = _order(make_clip("sealed", 1, "64x64"), tmp_path)

    done = subprocess.run(
        [sys.executable, "-P", "-m", "transcode.invoke.worker"],
        cwd=ROOT,
        input=order.to_json().encode() + b"\n",
        capture_output=True,
        check=True,
    )
    produced = Report.from_json(done.stdout.splitlines()[-1]).produced

    assert produced is not None
    assert (None, ()) == (produced.failure, produced.notes)


def test_threads_that_go_on_are_told(tmp_path: Path) -> None:
    """
    They would not be held: nothing is given up in part, and the notes say why.
    """
    script = (
        "import sys, threading; from pathlib import Path\n"
        "from transcode.sandbox.seal import seal\n"
        "end = threading.Event()\n"
        "threading.Thread(target=end.wait).start()\n"
        "print(*seal([Path(sys.argv[1])]), sep='\\n')\n"
        "end.set()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert 1 == done.stdout.count("another thread of it is running")
