"""
The engine `functiongraph`: each task an invocation in the memory chosen for it.

On an emulator of the platform (`bench/fronts/functiongraph.py`), which runs the real
image handler under the real limits; on a real S3 server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Manifest

FRONT = Path(__file__).parents[2] / "bench/fronts/functiongraph.py"
URN = f"urn:fss:cn-north-4:{'0123456789abcdef' * 2}:function:default:tasks:latest"
BUCKET = "shared"

MakeFront = Callable[..., "Front"]
Run = Callable[..., subprocess.CompletedProcess[str]]


class Front:
    """The emulator, in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(FRONT), "--port", "0", *more],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._line().strip()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def calls(self, count: int) -> list[dict[str, Any]]:
        """The next invocations that end."""
        return [json.loads(self._line()) for _ in range(count)]

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


@pytest.fixture
def make_front(environment: dict[str, str], tmp_path: Path) -> Iterator[MakeFront]:
    made: list[Front] = []

    def make(*more: str) -> Front:
        made.append(Front(tmp_path, environment, *more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def run(environment: dict[str, str], objects: Any, prefix: str, make_clip: Any) -> Run:
    """`transcode run` of a clip that lies in the bucket."""

    def go(
        front: Front, name: str, size: str, *more: str
    ) -> subprocess.CompletedProcess[str]:
        clip = make_clip(name, seconds=2, size=size)
        key = f"{prefix}/in/{name}.mp4"
        objects.put(key, clip.read_bytes())
        function = f"functiongraph+{front.address}/{URN}"
        given = {
            "TRANSCODE_FUNCTIONGRAPH_FUNCTION": function,
            "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
            "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
        }
        argv = [sys.executable, "-m", "transcode", "run", f"s3://{BUCKET}/{key}"]
        argv += ["--engine", "functiongraph", "--optimize", "cost", "--json"]
        argv += ["--to", f"s3://{BUCKET}/{prefix}/out", *more]
        return subprocess.run(
            argv,
            env={**os.environ, **environment, **given},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return go


def test_each_task_has_the_memory_that_was_chosen_for_it(
    make_front: MakeFront, run: Run, objects: Any, prefix: str
) -> None:
    """
    The kernel says so of its group; a small video is not billed for a large one's.

    And nothing is left of the invocations but results.
    """
    front = make_front("--dynamic")
    small = _manifest(run(front, "small", "320x180", "--profile", "preview"))
    large = _manifest(run(front, "large", "1920x1080", "--profile", "mp4"))

    attempts = [task.attempts[0] for one in (small, large) for task in one.tasks]
    ordered = [attempt.spec.memory_mib for attempt in attempts]
    calls = front.calls(2)
    assert ordered == [call["memory_mib"] for call in calls]
    assert ordered == [call["group_mib"] for call in calls]
    assert ordered[0] < ordered[1]
    assert ["succeeded"] * 2 == [attempt.outcome for attempt in attempts]
    assert {"functiongraph"} == {one.engine for one in (small, large)}
    named = {out.uri.partition(f"{prefix}/")[2] for out in small.outputs}
    left = {key.partition(f"{prefix}/")[2] for key in objects.keys(f"{prefix}/out/")}
    assert named <= left
    assert not [key for key in left if "invocations" in key]


def test_a_function_without_dynamic_memory_is_told_what_to_set(
    make_front: MakeFront, run: Run
) -> None:
    """It would take the time of less memory, and the money of it."""
    front = make_front("--memory", "256")
    asked = ("--profile", "preview", "--memory", "1024")

    done = run(front, "plain", "640x360", *asked)

    assert 2 == done.returncode
    assert "1024 MiB were ordered and the function has 256 MiB" in done.stderr
    assert "`enable_dynamic_memory`" in done.stderr


def test_a_wrong_key_is_refused_in_one_sentence(
    make_front: MakeFront, run: Run
) -> None:
    """Nothing is tried again."""
    front = make_front("--dynamic", "--secret-key", "another")

    done = run(front, "refused", "320x180", "--profile", "preview")

    assert 2 == done.returncode
    assert "FunctionGraph refuses the invocation" in done.stderr


def _manifest(done: subprocess.CompletedProcess[str]) -> Manifest:
    assert 0 == done.returncode, done.stderr
    return Manifest.from_json(done.stdout)
