"""What is left when nobody had a chance to clean up: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from transcode.contract import Task
from transcode.invoke.local.cgroup import PREFIX, ROOT, Group
from transcode.invoke.local.cgroup import sweep as sweep_groups
from transcode.invoke.local.reaper import Reaper, ScratchLock, sweep

HERE = Path(__file__).parents[1]
PLATFORM = HERE.parents[1] / "profiles" / "platforms" / "functiongraph.toml"
WORKER = (sys.executable, "-S", str(HERE / "misbehave.py"), "linger")


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(params=["cgroup", "no cgroup"])
def root(request: pytest.FixtureRequest, no_cgroups: Path) -> Iterator[Path]:
    if request.param == "cgroup":
        request.getfixturevalue("cgroups")
        yield ROOT
    else:
        yield no_cgroups


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_nothing(
    make_task: Callable[..., Task],
    tmp_path: Path,
    root: Path,
    left_alive: Callable[[], set[int]],
    how: signal.Signals,
) -> None:
    """
    After kill -9: no process, no scratch, no half result, no control group.
    """
    scratch, staging = tmp_path / "with space", tmp_path / "job" / "staging"
    guarded = staging.with_name("guarded")
    for folder in (scratch, guarded):
        folder.mkdir(parents=True)
    with subprocess.Popen(
        [
            *(sys.executable, str(HERE / "driver.py")),
            *(str(PLATFORM), str(scratch), str(staging), str(root), *WORKER),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(make_task().to_json() + "\n")
        parent.stdin.flush()
        assert "working\n" == parent.stdout.readline()
        groups = sorted(ROOT.rglob(f"{PREFIX}{parent.pid}-*"))
        assert (root == ROOT) == bool(groups)
        assert (staging / "half").exists()

        parent.send_signal(how)
        parent.wait()

    def clean() -> bool:
        left = [path for path in groups if path.exists()]
        return not (
            left
            or list(scratch.iterdir())
            or list(staging.parent.iterdir())
            or left_alive()
        )

    assert eventually(clean), (groups, list(scratch.iterdir()), left_alive())


def test_a_normal_end_touches_nothing(tmp_path: Path) -> None:
    """
    Told that all is well, the reaper leaves, and leaves everything.
    """
    kept = tmp_path / "kept"
    kept.mkdir()
    reaper = Reaper()
    reaper.remove(kept)
    reaper.close()

    assert 0 == reaper._process.returncode
    assert kept.exists()


def test_what_was_forgotten_is_left_alone(tmp_path: Path) -> None:
    """
    A session that has ended may be somebody else's by now; the other one is ended.
    """
    forgotten, ended = (
        subprocess.Popen(["/bin/sleep", "990"], start_new_session=True)
        for _ in range(2)
    )
    removed = tmp_path / "a 'quoted' $name \\ with spaces"
    removed.mkdir()
    reaper = Reaper()
    reaper.end(forgotten.pid, [])
    reaper.end(ended.pid, [])
    reaper.remove(removed)
    reaper.forget(forgotten.pid, [])
    os.close(reaper._pipe)
    try:
        assert -signal.SIGKILL == ended.wait()
        assert 0 == reaper._process.wait()
        assert None is forgotten.poll()
        assert not removed.exists()
    finally:
        forgotten.kill()
        forgotten.wait()


def test_sweep_removes_what_a_dead_process_claimed(tmp_path: Path) -> None:
    """
    The lock tells: ours is kept, a dead process's goes, a stranger's is not touched.
    """
    script = (
        "import os, sys, pathlib\n"
        "from transcode.invoke.local.reaper import ScratchLock\n"
        "ScratchLock(pathlib.Path(sys.argv[1]), 'x-')\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    (dead,) = tmp_path.iterdir()
    (tmp_path / "x-stranger").mkdir()
    with ScratchLock(tmp_path, "x-") as ours:
        assert (dead,) == sweep(tmp_path, "x-")
        assert ours.path.is_dir()
    assert ["x-stranger"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.usefixtures("cgroups")
def test_sweep_removes_groups_of_the_dead_only() -> None:
    """
    A group carries its owner's pid; it goes when there is no such process.
    """
    script = (
        "from transcode.invoke.local.cgroup import Group\n"
        "print(*Group.create('left-behind').directories, sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    left = sorted(Path(line) for line in done.stdout.split())
    ours = Group.create("ours")
    assert ours is not None
    try:
        assert left == [path for path in sweep_groups() if path in left]
        assert all(path.is_dir() for path in ours.directories)
    finally:
        ours.remove()
