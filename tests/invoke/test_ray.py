"""The engine `ray` on a real cluster of two nodes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Manifest
from transcode.settings import Settings
from transcode.work.toolchain import find_ffmpeg

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
    """A digest of each decoded picture, by ffmpeg."""
    (video,) = [o.uri for o in manifest.outputs if o.kind == "rendition"]
    argv = [find_ffmpeg(Settings()), "-v", "error", "-i", video]
    argv += ["-map", "0:v", "-f", "framemd5", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [line.rpartition(",")[2] for line in done.stdout.splitlines() if "," in line]


def test_the_same_pictures_as_on_one_machine(
    cluster: RayNodes, make_clip: MakeClip, tmp_path: Path
) -> None:
    """
    And nothing beside them: no order, no report, no chunk is left.

    Held to the spec of the platform whose rules were asked for, by our box.
    """
    clip = make_clip("ray", seconds=22, size="320x180")
    asked = ("--profile", "preview", "--platform", "functiongraph", "--chunks", 2)
    there = tmp_path / "there"

    far = succeeded(transcode(cluster, clip, *asked, "--to", there, "--engine", "ray"))
    near = succeeded(transcode(cluster, clip, *asked, "--to", tmp_path / "here"))

    assert pictures(near) == pictures(far)
    assert ["chunk", "chunk", "join"] == sorted(one.kind for one in far.tasks)
    attempts = [a for one in far.tasks for a in one.attempts]
    assert {"ray", "local"} == {far.engine, near.engine}
    assert all(a.enforced_by.get("memory") for a in attempts)
    (folder,) = there.iterdir()
    named = {Path(one.uri).name for one in far.outputs}
    assert {*named, "manifest.json"} == {path.name for path in folder.iterdir()}


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
    """The cluster goes on; what was done for the one that is gone does not."""
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
        running.kill()

    assert _gone(worker)


def test_without_a_cluster_one_is_started_here_and_ends(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    """
    Also beside one that somebody else has: that one is not asked for.
    """
    quiet = {k: v for k, v in os.environ.items() if k != "TRANSCODE_RAY_ADDRESS"}
    argv = [sys.executable, "-m", "transcode", "run", str(make_clip("ray"))]
    argv += ["--engine", "ray", "--profile", "preview", "--to", str(tmp_path / "out")]
    done = subprocess.run(
        argv, env=quiet, capture_output=True, text=True, timeout=300, check=False
    )

    assert 0 == done.returncode, done.stderr
    assert "Bill (ray, " in done.stdout
    (folder,) = (tmp_path / "out").iterdir()
    assert (folder / "manifest.json").exists()


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


def _encoding(running: subprocess.Popen[Any], cluster: RayNodes) -> int:
    """The worker that encodes for *running* on the cluster."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert running.poll() is None
        for pid in map(
            int, filter(str.isdecimal, (it.name for it in Path("/proc").iterdir()))
        ):
            ours = cluster.process.pid in _ancestors(pid)
            if ours and _runs(pid, "ffmpeg"):
                return next(it for it in _ancestors(pid) if _runs(it, "invoke.worker"))
        time.sleep(0.1)
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
