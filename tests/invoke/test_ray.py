"""The engine `ray` on a real cluster of two nodes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Manifest

pytest.importorskip("ray")

CLUSTER = Path(__file__).with_name("ray_cluster.py")
MakeClip = Callable[..., Path]


@dataclass
class RayNodes:
    """A cluster that runs, and what can happen to it."""

    process: subprocess.Popen[str]
    address: str

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "TRANSCODE_RAY_ADDRESS": self.address,
            "TRANSCODE_LEASE_SECONDS": "4",
        }


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayNodes]:
    argv = [sys.executable, str(CLUSTER), "1", "1"]
    quiet = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=quiet,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            while line and ":" not in line.partition(" ")[0]:
                line = process.stdout.readline()
            yield RayNodes(process, line.strip())
        finally:
            process.stdin.close()
            process.wait(60)


def transcode(
    cluster: RayNodes, *arguments: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(sys.executable, "-m", "transcode", "run", "--json"), *map(str, arguments)],
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def succeeded(done: subprocess.CompletedProcess[str]) -> Manifest:
    assert 0 == done.returncode, done.stderr
    return Manifest.from_json(done.stdout)


def pictures(manifest: Manifest) -> list[str]:
    """The tasks that make them; sound may have one of its own beside chunks."""
    return [it.kind for it in manifest.tasks if it.kind != "sound"]


def test_the_same_pictures_as_on_one_machine(
    cluster: RayNodes,
    make_clip: MakeClip,
    tmp_path: Path,
    decoded: Callable[[Path], str],
    decoded_here: Callable[..., dict[str, str]],
) -> None:
    """
    And nothing beside them: no order, no report, no chunk is left.

    Held to the spec of the platform whose rules were asked for, by our box.
    """
    clip = make_clip("ray", seconds=22, size="320x180")
    asked = ("--profile", "preview", "--chunks", "2")
    there = tmp_path / "there"
    held = ("--platform", "functiongraph", "--to", there, "--engine", "ray")

    far = succeeded(transcode(cluster, clip, *asked, *held))

    found = {Path(it.uri).name: decoded(Path(it.uri)) for it in far.outputs}
    assert decoded_here(clip, *asked) == found
    assert ["chunk", "chunk", "join"] == sorted(pictures(far))
    attempts = [a for one in far.tasks for a in one.attempts]
    assert "ray" == far.engine
    boxes = {"cgroup-v1", "cgroup-v2", "watch+rlimit"}
    assert {a.enforced_by["memory"] for a in attempts} <= boxes
    assert far.cost.one_piece is not None
    (folder,) = there.iterdir()
    named = {Path(one.uri).name for one in far.outputs}
    assert {*named, "manifest.json"} == {path.name for path in folder.iterdir()}


def test_an_index_is_made_where_the_chunks_are(
    cluster: RayNodes,
    make_clip: MakeClip,
    tmp_path: Path,
    decoded: Callable[[Path], str],
    decoded_here: Callable[..., dict[str, str]],
) -> None:
    """What it saw comes back in its report; the pictures are those made here."""
    filled = ("-pix_fmt", "yuv422p", "-muxrate", "2M", "-f", "mpegts")
    clip = make_clip("ray.ts", seconds=22, size="320x180", extra=filled)
    asked = ("--profile", "preview", "--chunks", "2")
    held = ("--platform", "functiongraph", "--to", tmp_path / "there")

    far = succeeded(transcode(cluster, clip, *asked, *held, "--engine", "ray"))

    assert ["index", "chunk", "chunk", "join"] == pictures(far)
    ((index,), *_) = (one.attempts for one in far.tasks)
    assert index.cost.amount > 0
    found = {Path(it.uri).name: decoded(Path(it.uri)) for it in far.outputs}
    assert decoded_here(clip, *asked) == found


def test_a_worker_that_is_killed_is_tried_again(
    cluster: RayNodes, make_clip: MakeClip, tmp_path: Path
) -> None:
    """Ray says that it lost it; the second try has a place of its own."""
    clip = make_clip("ray-long", seconds=60, size="640x360")
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "transcode", "run", "--json", str(clip)),
            *("--profile", "preview", "--engine", "ray", "--to", str(tmp_path / "out")),
        ],
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        worker = _encoding(running, cluster)
        os.kill(_ancestors(worker)[0], signal.SIGKILL)
        said, _ = running.communicate(timeout=300)

    manifest = Manifest.from_json(said)
    (task,) = manifest.tasks
    assert ["lost", "succeeded"] == [a.outcome for a in task.attempts]
    assert _gone(worker)


def test_a_spec_that_no_node_has_is_refused(
    cluster: RayNodes, make_clip: MakeClip, tmp_path: Path
) -> None:
    """Ray would wait for it for ever."""
    asked = ("--platform", "functiongraph", "--memory", 4096, "--engine", "ray")
    done = transcode(cluster, make_clip("ray"), *asked, "--to", tmp_path / "out")

    assert 5 == done.returncode
    assert "4096 MiB" in done.stderr
    assert json.loads(done.stdout)["error"]["type"] == "PlanError" if done.stdout else 1


def test_who_is_killed_leaves_nothing_running(
    cluster: RayNodes, make_clip: MakeClip, tmp_path: Path
) -> None:
    """
    The cluster goes on; what was done for the one that is gone does not, and what it
    made is not there either.
    """
    clip = make_clip("ray-long", seconds=60, size="640x360")
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "transcode", "run", "--json", str(clip)),
            *("--profile", "preview", "--engine", "ray", "--to", str(tmp_path / "out")),
        ],
        env=cluster.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        worker = _encoding(running, cluster)
        assert [*(tmp_path / "out").glob(".transcode-*.*")]
        running.kill()

    assert _gone(worker)
    assert _emptied(tmp_path / "out")


def test_the_ten_lines_of_the_readme(make_clip: MakeClip, tmp_path: Path) -> None:
    """
    A cluster for one run, and one of two nodes that stands: as they are written, but
    for the port and for `ray stop`, which would end those of others, too.
    """
    quiet = {k: v for k, v in os.environ.items() if k != "TRANSCODE_RAY_ADDRESS"}
    mark = f"CLUSTER_OF_THIS_TEST={tmp_path}"
    # With a token of its own, wherever another lies.
    quiet |= dict([mark.split("=", 1)]) | {"HOME": str(tmp_path)}
    # An `export` for the shell alone; what is installed is installed.
    quiet["PATH"] = f"{Path(sys.executable).parent}:{quiet['PATH']}"
    readme = Path(__file__).parents[2] / "README.md"
    (block,) = re.findall(
        r"```sh\n(pip install 'ray[^`]*)```", readme.read_text("utf-8")
    )
    lines = [it for it in block.splitlines() if it and not it.startswith("#")]
    assert (10, "ray stop") == (len(block.strip().splitlines()), lines.pop())
    assert "pip install 'ray>=2.56'" == lines.pop(0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    clip = make_clip("ray-lines", 24, "64x36", rate="10")
    shutil.copyfile(clip, tmp_path / "clip.mov")
    script = "set -e\n" + "\n".join(it.replace("6379", port) for it in lines)
    try:
        done = subprocess.run(
            ["/bin/bash", "-c", script], cwd=tmp_path, env=quiet, capture_output=True,
            text=True, timeout=300, check=False,
        )  # fmt: skip
    finally:
        _end_all(mark)

    assert 0 == done.returncode, done.stderr + done.stdout
    assert 2 == done.stdout.count("Bill (ray, ")
    manifests = [
        Manifest.from_json(path.read_bytes())
        for to in ("transcoded", "chunked")
        for path in (tmp_path / to).glob("*/manifest.json")
    ]
    kinds = [pictures(it) for it in manifests]
    assert [["encode"], ["chunk", "chunk", "join"]] == kinds


def _end_all(mark: str) -> None:
    """The processes that have this in their environment, and no others."""
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if mark.encode() in (path / "environ").read_bytes().split(b"\0"):
                os.kill(int(path.name), signal.SIGKILL)


def test_a_cluster_that_does_not_answer_is_named(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """With what to do."""
    nowhere: Any = RayNodes(None, "127.0.0.1:9")  # type: ignore[arg-type]
    done = transcode(
        nowhere, make_clip("ray"), "--engine", "ray", "--to", tmp_path / "out"
    )

    assert 2 == done.returncode
    assert "TRANSCODE_RAY_ADDRESS='127.0.0.1:9': no Ray cluster answers" in done.stderr


def test_a_frozen_worker_and_a_dead_node_change_nothing(
    cluster: RayNodes,
    make_clip: MakeClip,
    tmp_path: Path,
    decoded: Callable[[Path], str],
) -> None:
    """
    Of two chunks the one on the head's node is done by a worker that stands still, the
    other on a node whose raylet dies: the first is given up after a lease and done by
    another, the second's report counts if it comes. One result, every attempt on the
    bill, nothing runs on.
    """
    clip = make_clip("ray-long", seconds=60, size="640x360")
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "transcode", "run", "--json", str(clip)),
            *("--profile", "preview", "--engine", "ray", "--chunks", "2"),
            *("--to", str(tmp_path / "out")),
        ],
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        first = _encoding(running, cluster)
        _harm(first, cluster)
        second = _encoding(running, cluster, but=first)
        _harm(second, cluster)
        said, complaint = running.communicate(timeout=300)

    assert 0 == running.returncode, complaint
    manifest = Manifest.from_json(said)
    *chunks, join = (task.attempts for task in manifest.tasks)
    outcomes = sorted([str(it.outcome) for it in one] for one in chunks)
    assert ["lost", "succeeded"] in outcomes
    assert {"succeeded"} == {one[-1] for one in outcomes}
    assert "succeeded" == join[-1].outcome
    paid = sum(it.cost.amount for task in manifest.tasks for it in task.attempts)
    assert manifest.cost.amount == paid
    (folder,) = (tmp_path / "out").iterdir()
    (video,) = (it.uri for it in manifest.outputs if it.kind == "rendition")
    frames = decoded(Path(video)).splitlines()
    assert 1500 == sum(line.startswith("0,") for line in frames)
    assert (folder / "manifest.json").exists()
    assert all(_gone(it) for it in (first, second))


def _harm(worker: int, cluster: RayNodes) -> None:
    """Have who started it stand still; its raylet die, where that is not the head's."""
    task, raylet = _ancestors(worker)[0], _raylet(worker)
    if raylet == min(_raylets(cluster)):
        os.kill(task, signal.SIGSTOP)
    else:
        os.kill(raylet, signal.SIGKILL)


def _raylet(pid: int) -> int:
    """That of the node which *pid* works on."""
    return next(it for it in _ancestors(pid) if _runs(it, "raylet"))


def _raylets(cluster: RayNodes) -> list[int]:
    """The head's is the oldest."""
    pids = (int(it.name) for it in Path("/proc").iterdir() if it.name.isdecimal())
    return [
        pid
        for pid in pids
        if _runs(pid, "raylet/raylet") and cluster.process.pid in _ancestors(pid)
    ]


def _encoding(
    running: subprocess.Popen[Any], cluster: RayNodes, *, but: int | None = None
) -> int:
    """A worker that encodes for *running* on the cluster, another one than *but*."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert running.poll() is None, running.communicate()
        pids = (int(it.name) for it in Path("/proc").iterdir() if it.name.isdecimal())
        found = [
            next((it for it in _ancestors(pid) if _runs(it, "invoke.worker")), but)
            for pid in pids
            if _runs(pid, "ffmpeg") and cluster.process.pid in _ancestors(pid)
        ]
        workers = [it for it in found if it is not None and it != but]
        if workers:
            return min(workers)
        time.sleep(0.05)
    raise AssertionError


def _ancestors(pid: int) -> list[int]:
    """Of a process, nearest first."""
    found: list[int] = []
    with contextlib.suppress(OSError, StopIteration):
        while pid > 1:
            text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            pid = int(next(it for it in text.splitlines() if it[:5] == "PPid:")[5:])
            found.append(pid)
    return found


def _runs(pid: int, what: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(what.encode() in word for word in words[:4])


def _gone(pid: int) -> bool:
    """Within the time in which whoever cleans up has done so."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if not _runs(pid, "invoke.worker"):
            return True
        time.sleep(0.1)
    return False


def _emptied(folder: Path) -> bool:
    """Of what is hidden until it is published; within the same time."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if not [*folder.glob(".transcode-*.*")]:
            return True
        time.sleep(0.1)
    return False
