"""A worker that is started before it is known what for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from transcode.invoke.local import cgroup, prestart
from transcode.invoke.local.engine import LocalEngine
from transcode.platforms.platform import Machine, Platform
from transcode.settings import Settings

from .test_reaper import eventually

pytestmark = pytest.mark.anyio
MACHINE = Machine(milli_cpus=2000, memory_mib=4096, scratch_mib=1000)


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """No test leaves a worker behind for the next."""
    yield
    prestart.abandon()


def alive(pid: int) -> bool:
    """Whether it still runs; a zombie does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3]
    except FileNotFoundError:
        return False


async def test_an_engine_takes_the_worker_that_waits(
    platform: Platform, tmp_path: Path
) -> None:
    """It would get the first order; an engine beside it starts one of its own."""
    prestart.begin()
    waiting = prestart._waiting[0].worker.process
    settings = Settings(scratch=str(tmp_path))
    async with LocalEngine(MACHINE, platform, settings) as engine:
        await engine.prewarm()
        assert engine._warm is not None
        assert waiting is engine._warm.process
        async with LocalEngine(MACHINE, platform, settings) as other:
            await other.prewarm()
            assert other._warm is not None
            assert waiting is not other._warm.process

    assert not alive(waiting.pid)


async def test_another_worker_is_not_taken_for_it(tmp_path: Path) -> None:
    """Other words, another place for control groups, another thread: none of these."""
    prestart.begin()
    root = cgroup.ROOT
    assert prestart.take(["/bin/true"], cgroup_root=root) is None
    assert prestart.take(prestart.WORKER, cgroup_root=tmp_path) is None
    found: list[object] = []
    thread = threading.Thread(
        target=lambda: found.append(prestart.take(prestart.WORKER, cgroup_root=root))
    )
    thread.start()
    thread.join()

    assert [None] == found
    assert 1 == len(prestart._waiting)


def test_what_nobody_took_is_ended() -> None:
    """No process and no control group is left of it."""
    prestart.begin()
    worker = prestart._waiting[0].worker
    assert alive(worker.process.pid)

    prestart.abandon()

    assert not alive(worker.process.pid)
    assert not any(it.exists() for it in worker.box.directories)


def test_who_is_killed_before_it_took_it_leaves_nothing() -> None:
    """kill -9 while the parent still imports: worker and control group are gone."""
    code = (
        "import json, sys, time; from transcode.invoke.local import prestart;"
        " prestart.begin();"
        "worker = prestart._waiting[0].worker;"
        "print(json.dumps([worker.process.pid,"
        "                  [str(it) for it in worker.box.directories]]), flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid, directories = json.loads(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)

    assert eventually(
        lambda: not alive(pid) and not any(Path(it).exists() for it in directories)
    )
