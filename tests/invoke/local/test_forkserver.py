"""Workers that are forked: own sessions and boxes, ended and reaped like any other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from transcode.invoke.local import cgroup, prestart
from transcode.invoke.local.engine import LocalEngine
from transcode.invoke.local.forkserver import Forked, ForkServer
from transcode.invoke.local.process import Worker
from transcode.platforms.platform import Machine
from transcode.settings import Settings
from transcode.wiring import wire


@pytest.fixture
async def server() -> AsyncIterator[ForkServer]:
    """One that is ended afterwards."""
    made = ForkServer()
    yield made
    made.close()


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def descriptors(pid: int) -> set[str]:
    return {path.name for path in Path(f"/proc/{pid}/fd").iterdir()}


async def forked(server: ForkServer) -> Forked:
    """A worker that waits for an order."""
    one = await server.start(cgroup_root=cgroup.ROOT)
    assert one is not None
    return one


async def test_each_is_a_session_in_a_box_of_its_own(server: ForkServer) -> None:
    """And has no descriptor of anybody else's."""
    several = [Worker(await forked(server)) for _ in range(3)]

    assert 3 == len({it.pid for it in several})
    for it in several:
        assert it.pid == os.getsid(it.pid)
        assert {it.pid} == it.box.tree.pids()
        # The fourth is where its reports go, once what was its output is not.
        assert descriptors(it.pid) <= {"0", "1", "2", "3"}
    for it in several:
        await it.stop()
        await it.discard()


async def test_one_that_was_killed_says_how_and_is_reaped(server: ForkServer) -> None:
    """Its counters stay readable until then, as of one that we started ourselves."""
    worker = Worker(await forked(server))
    assert "still running" == worker.exit_status
    os.kill(worker.pid, signal.SIGKILL)
    await worker.stop()

    assert f"signal {signal.SIGKILL}" == worker.exit_status
    assert worker.box.tree.moved_bytes() is not None or os.geteuid()
    assert await worker.discard()
    # One thing after the other is all that the server does.
    again = Worker(await forked(server))
    assert not exists(worker.pid)
    await again.stop()
    await again.discard()


async def test_an_order_that_is_none_ends_it_alone(server: ForkServer) -> None:
    """The next one is as good as the first."""
    worker = Worker(await forked(server))
    os.write(worker._stdin, b"no order\n")
    with anyio.fail_after(60):
        await anyio.wait_readable(worker._pidfd)

    assert "status 1" == worker.exit_status
    await worker.stop()
    await worker.discard()
    again = Worker(await forked(server))
    assert again.alive
    await again.stop()
    await again.discard()


async def test_with_the_server_all_of_them_go(server: ForkServer) -> None:
    """Whatever ends it; and it says so to who asks for another."""
    one = Worker(await forked(server))
    os.kill(server.pid, signal.SIGKILL)

    with anyio.fail_after(10):
        await anyio.wait_readable(one._pidfd)
    assert not one.alive
    assert await server.start(cgroup_root=cgroup.ROOT) is None
    await one.discard()


def test_nobody_outlives_who_asked_for_them() -> None:
    """Killed outright, with no chance to clean up."""
    code = (
        "import anyio, json, os\n"
        "from transcode.invoke.local import cgroup\n"
        "from transcode.invoke.local.forkserver import ForkServer\n"
        "async def main():\n"
        "    server = ForkServer()\n"
        "    one = await server.start(cgroup_root=cgroup.ROOT)\n"
        "    print(json.dumps([server.pid, one.pid]), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "anyio.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    pids = json.loads(done.stdout)

    anyio.run(_gone, pids)


async def _gone(pids: list[int]) -> None:
    with anyio.fail_after(10):
        for pid in pids:
            with suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                await anyio.wait_readable(pidfd)
                os.close(pidfd)


async def test_an_engine_forks_from_its_second_worker_on(tmp_path: Path) -> None:
    """
    On the machine that is the platform; one job alone imports once, as before. Where
    the server is gone, workers are started anew.
    """
    machine = Machine(milli_cpus=2000, memory_mib=4096, scratch_mib=1000)
    wired = wire(Settings(scratch=str(tmp_path)))
    platform = wired.catalog.platform("local")
    async with LocalEngine(machine, platform, wired.settings) as engine:
        first, second, third = [await engine._worker() for _ in range(3)]
        assert engine._forks is not None
        os.kill(engine._forks.pid, signal.SIGKILL)
        fourth = await engine._worker()
        for it in (first, second, third, fourth):
            await engine._end(it)

    made = [isinstance(it.process, Forked) for it in (first, second, third, fourth)]
    assert [False, True, True, False] == made


async def test_one_job_alone_starts_no_server(tmp_path: Path) -> None:
    """What waits for the job is all it needs; a server would import once more."""
    machine = Machine(milli_cpus=2000, memory_mib=4096, scratch_mib=1000)
    wired = wire(Settings(scratch=str(tmp_path)))
    platform = wired.catalog.platform("local")
    prestart.begin()
    async with LocalEngine(machine, platform, wired.settings) as engine:
        await engine.prewarm()
        assert engine._warm is not None
        assert engine._forks is None


async def test_where_a_task_pays_for_its_imports_none_is_forked(
    tmp_path: Path,
) -> None:
    """As on the platform that this machine stands in for."""
    machine = Machine(milli_cpus=2000, memory_mib=4096, scratch_mib=1000)
    wired = wire(Settings(scratch=str(tmp_path)))
    platform = wired.catalog.platform("functiongraph")
    async with LocalEngine(machine, platform, wired.settings) as engine:
        several = [await engine._worker() for _ in range(2)]
        for it in several:
            await engine._end(it)

    assert not any(isinstance(it.process, Forked) for it in several)
