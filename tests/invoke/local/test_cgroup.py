"""Control groups: what the kernel's files say, v1 and v2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transcode.invoke.local.cgroup import Group

MIB = 2**20


def test_where_none_may_be_made_there_is_none(no_cgroups: Path) -> None:
    """
    And nothing is left behind of the attempt.
    """
    assert Group.create("x", root=no_cgroups) is None
    assert [] == [path for path in no_cgroups.rglob("*") if "transcode" in path.name]


@pytest.mark.usefixtures("cgroups")
def test_a_group_counts_holds_and_goes_away() -> None:
    """
    A real process in a real group: seen, counted, killed; then the group is removed.
    """
    group = Group.create("test")
    assert group is not None
    script = "x = bytearray(30 << 20)\nprint('up', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", f"input()\n{script}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert group.add(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        assert "up\n" == process.stdout.readline()
        assert {process.pid} == group.pids()
        assert not group.remove()
        anonymous, cpu = group.anonymous_bytes(), group.cpu_seconds()
        assert not group.kill()
        process.wait()
    assert anonymous is not None
    assert 29 * MIB <= anonymous < 50 * MIB
    assert cpu is not None
    assert 0 < cpu < 5
    assert 0 == group.oom_kills()
    assert group.kill()
    assert group.remove()
    assert not any(path.exists() for path in group.directories)


@pytest.mark.usefixtures("cgroups")
def test_a_group_holds_how_many_there_are() -> None:
    """
    A shell that starts one after another stops at the limit, whatever it asks for.
    """
    group = Group.create("many")
    assert group is not None
    if not group.limit_tasks(8):
        group.remove()
        pytest.skip("no controller for processes here")
    script = "read go; for i in $(seq 20); do sleep 60 & done 2>&1"
    with subprocess.Popen(
        ["/bin/bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert group.add(process.pid)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        while len(group.pids()) < 8 and process.poll() is None:
            os.sched_yield()
        highest = len(group.pids())
        while not group.kill():
            os.sched_yield()
    assert highest <= 8
    while not group.remove():
        os.sched_yield()


def test_v2_files_are_read_and_written_as_the_kernel_has_them(tmp_path: Path) -> None:
    """
    The formats of Documentation/admin-guide/cgroup-v2.rst, on a folder that has them.
    """
    said = {
        "cgroup.procs": "12\n34\n",
        "memory.stat": "anon 1000\nfile 70000\nkernel 5\nshmem 24\n",
        "memory.events": "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 1\n",
        "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n",
        "memory.max": "max\n",
        "memory.swap.max": "max\n",
        "memory.oom.group": "0\n",
        "cpu.max": "max 100000\n",
    }
    for name, text in said.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    group = Group("cgroup-v2", dict.fromkeys(("memory", "cpu", "cpuacct"), tmp_path))

    assert (1024, 2.5, 1) == (
        group.anonymous_bytes(),
        group.cpu_seconds(),
        group.oom_kills(),
    )
    assert {12, 34} == group.pids()
    assert group.limit_memory(512 * MIB)
    assert group.limit_cpu(1500)
    written = {name: (tmp_path / name).read_text(encoding="ascii") for name in said}
    assert written["memory.max"].startswith(str(512 * MIB))
    assert written["memory.swap.max"].startswith("0")
    assert written["memory.oom.group"].startswith("1")
    assert written["cpu.max"].startswith("150000 100000")


def test_what_is_not_there_is_unknown_not_zero() -> None:
    """
    A group without a controller cannot say, and holds nothing.
    """
    group = Group("cgroup-v1", {})

    assert (None, None) == (group.anonymous_bytes(), group.cpu_seconds())
    assert not group.limit_memory(MIB)
    assert not group.limit_cpu(1000)
