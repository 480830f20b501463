"""Children that need each other: who failed first, and who only followed."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from transcode.errors import WorkerLost
from transcode.sandbox.fence import Permissions
from transcode.work.children import Children, Program


def program(name: str, code: str) -> Program:
    def ignore(_data: bytes) -> None:
        pass

    everything = Permissions(reads=("/",), writes=("/",), runs=sys.executable)
    return Program(name, (sys.executable, "-c", code), ignore, ignore, everything)


def test_who_was_killed_is_to_blame_though_the_other_is_seen_first(
    tmp_path: Path,
) -> None:
    """
    What a killed process held goes before it does: its reader fails sooner. And what
    it worked on is not at fault.
    """
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    late = "time.sleep(0.1); os.kill(os.getpid(), 9)"
    killed = f"import os, time; open({str(fifo)!r}).read(); {late}"
    follower = f"import os; pipe = open({str(fifo)!r}, 'w'); os._exit(1)"
    with Children(tmp_path) as children:
        children.start(program("killed", killed))
        children.start(program("follower", follower))
        with pytest.raises(WorkerLost, match="killed was killed by signal 9") as caught:
            children.wait()

    evidence = {"program": "killed", "status": -signal.SIGKILL}
    assert evidence == caught.value.evidence


def test_one_that_fails_by_itself_is_to_blame(tmp_path: Path) -> None:
    """The other one is killed by us, and that says nothing."""
    with Children(tmp_path) as children:
        children.start(program("waits", "import time; time.sleep(100)"))
        children.start(program("fails", "raise SystemExit(3)"))
        ended = children.wait()

    assert "fails" == ended.first_to_fail
    assert {"waits": -signal.SIGKILL, "fails": 3} == ended.statuses


def test_what_comes_through_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    came: list[bytes] = []
    writes = program("writes", f"open({str(fifo)!r}, 'wb').write(bytes(1_000_000))")

    with Children(tmp_path) as children:
        children.start(replace(writes, pipes={str(fifo): came.append}))
        ended = children.wait()

    assert ended.first_to_fail is None
    assert 1_000_000 == sum(map(len, came))


def test_a_named_pipe_that_is_never_written_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    """As where a program fails before it opens its outputs."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    fails = program("fails", "raise SystemExit(3)")

    with Children(tmp_path) as children:
        children.start(replace(fails, pipes={str(fifo): lambda _: None}))
        ended = children.wait()

    assert {"fails": 3} == ended.statuses
