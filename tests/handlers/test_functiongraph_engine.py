"""
The engine `functiongraph`: each task an invocation in the memory chosen for it.

On an emulator of the platform (`bench/fronts/functiongraph.py`), which runs the real
image handler under the real limits; on a real S3 server.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from transcode.contract import Manifest
from transcode.platforms.huawei_signing import Keys, authorization

FRONT = f"""
import runpy, sys
sys.path.append({str(Path(__file__).parents[2])!r})
runpy.run_module("bench.fronts.functiongraph", run_name="__main__")
"""
URN = f"urn:fss:cn-north-4:{'0123456789abcdef' * 2}:function:default:tasks:latest"
SMALL = URN.replace(":tasks:", ":small:")
BUCKET = "shared"
EVENTS = Path(__file__).parents[1] / "event/examples"

MakeFront = Callable[..., "Front"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def obs_event(key: str) -> dict[str, Any]:
    """As an OBS trigger tells of a new object."""
    event: dict[str, Any] = json.loads((EVENTS / "obs-post.json").read_text())
    told = event["Records"][0]["s3"]
    told["bucket"]["name"], told["object"]["key"] = BUCKET, key
    return event


class Front:
    """The emulator, in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", FRONT, "--port", "0", *more],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._line().strip()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def invoke(self, event: dict[str, Any]) -> None:
        """Asynchronously, as a trigger does."""
        body = json.dumps(event).encode()
        url = f"{self.address}/v2/p/fgs/functions/{quote(URN)}/invocations-async"
        headers = {
            "Content-Type": "application/json",
            "Host": urlsplit(url).netloc,
            "X-Sdk-Date": "20261128T000000Z",
        }
        keys = Keys("AK", "SK")
        signed = authorization("POST", url, headers=headers, body=body, keys=keys)
        peer = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        with contextlib.closing(peer) as connection:
            headers |= {"Authorization": signed}
            connection.request("POST", urlsplit(url).path, body, headers)
            assert 202 == connection.getresponse().status

    @property
    def known(self) -> dict[str, str]:
        """What names it to whoever starts tasks."""
        return {
            "TRANSCODE_FUNCTIONGRAPH_FUNCTION": f"functiongraph+{self.address}/{URN}",
            "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
            "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
        }

    def calls(self, count: int) -> list[dict[str, Any]]:
        """The next invocations that end."""
        return [json.loads(self._line()) for _ in range(count)]

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


@pytest.fixture
def make_front(environment: dict[str, str], tmp_path: Path) -> Iterator[MakeFront]:
    made: list[Front] = []

    def make(*more: str, over: Mapping[str, str] = MappingProxyType({})) -> Front:
        made.append(Front(tmp_path, {**environment, **over}, *more))
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
        argv = [sys.executable, "-m", "transcode", "run", f"s3://{BUCKET}/{key}"]
        argv += ["--engine", "functiongraph", "--optimize", "cost", "--json"]
        argv += ["--to", f"s3://{BUCKET}/{prefix}/out", *more]
        return subprocess.run(
            argv,
            env={**os.environ, **environment, **front.known},
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


def test_nobody_waits_for_the_tasks_of_an_upload(
    make_front: MakeFront,
    environment: dict[str, str],
    objects: Any,
    prefix: str,
    make_clip: Any,
) -> None:
    """
    The call that an upload makes plans, starts the task in a memory chosen for it and
    is over; the task publishes, and what follows an upload that is told of twice is
    nothing.

    Of the account's keys the function has none: those of its agency read the store and
    sign what starts the task (the S3 server knows no tokens; `tests/deploy` signs with
    one). Of two functions the task gets the one with the scratch that it needs.
    """
    keys = (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    front = make_front(
        *("--dynamic", "--memory", "512", "--agency", *keys, "--self"),
        *(f"{URN},seconds=9000,scratch=10240", f"{SMALL},seconds=9000,scratch=512"),
        over={"AWS_ACCESS_KEY_ID": "wrong", "AWS_SECRET_ACCESS_KEY": "wrong"},
    )
    clip = make_clip("upload", seconds=3, size="1280x720")
    objects.put(f"{prefix}/in/upload.mp4", clip.read_bytes())
    event = obs_event(f"{prefix}/in/upload.mp4")

    front.invoke(event)
    (upload,) = front.calls(1)
    assert "SUCCESS" == upload["status"], upload
    (task,) = front.calls(1)
    front.invoke(event)
    (again,) = front.calls(1)

    assert [512, 512] == [upload["memory_mib"], again["memory_mib"]]
    assert ("task", "SUCCESS") == (task["event"].get("transcode"), task["status"])
    assert ["tasks", "small"] == [upload["function"], task["function"]]
    (key,) = (
        key for key in objects.keys(f"{prefix}/out/") if key.endswith("/manifest.json")
    )
    manifest = Manifest.from_json(objects.get(key))
    (attempt,) = (a for one in manifest.tasks for a in one.attempts)
    assert task["group_mib"] == attempt.spec.memory_mib
    assert {"function", "encode"} == kinds_of_ledger(objects, prefix)
    left = objects.keys(f"{prefix}/out/.transcode/")
    assert not [key for key in left if "/open/" in key or "/invocations/" in key]


def test_chunks_are_joined_by_the_last_to_end(
    make_front: MakeFront,
    environment: dict[str, str],
    objects: Any,
    prefix: str,
    make_clip: Any,
) -> None:
    """Two calls at once, then one in a spec of its own for the join; one result."""
    front = make_front("--dynamic", "--self", URN)
    clip = make_clip("chunked", seconds=22, size="320x180")
    objects.put(f"{prefix}/in/chunked.mp4", clip.read_bytes())

    done = subprocess.run(
        [sys.executable, "-c", START, f"s3://{BUCKET}/{prefix}"],
        env={**os.environ, **environment, **front.known},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    calls = front.calls(3)

    assert ["SUCCESS"] * 3 == [call["status"] for call in calls]
    (key,) = (
        key for key in objects.keys(f"{prefix}/out/") if key.endswith("/manifest.json")
    )
    manifest = Manifest.from_json(objects.get(key))
    assert ["chunk", "chunk", "join"] == sorted(one.kind for one in manifest.tasks)
    places = {key.split("/")[3] for key in objects.keys(f"{prefix}/out/chunked")}
    assert 2 == len(places), "chunks are left"


START = """
import sys
import anyio
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire
import os

async def main(at):
    request = Request(source=f"{at}/in/chunked.mp4", to=f"{at}/out", chunks=2,
                      profile="preview", engine="functiongraph")
    wiring = wire(Settings.from_environment(os.environ))
    async with JobService.open(wiring, to=request.to) as service:
        report, _ = await service.submit(request)
        report = await service.start(report.job_id)
        assert report.status == "running", report

anyio.run(main, sys.argv[1])
"""


def kinds_of_ledger(objects: Any, prefix: str) -> set[str]:
    keys = objects.keys(f"{prefix}/out/.transcode/ledger/")
    return {json.loads(objects.get(key))["kind"] for key in keys}


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


def test_a_path_of_this_machine_is_refused(make_clip: Any, tmp_path: Path) -> None:
    """Before anything is called: no function could read it."""
    argv = [sys.executable, "-m", "transcode", "run", str(make_clip("local"))]
    argv += ["--engine", "functiongraph", "--to", str(tmp_path / "out")]
    known = {
        "TRANSCODE_FUNCTIONGRAPH_FUNCTION": URN,
        "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
        "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
    }
    done = subprocess.run(
        argv,
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 2 == done.returncode
    assert "as --to give s3://…, not a path of this machine." in done.stderr
    assert not (tmp_path / "out").exists()


def _manifest(done: subprocess.CompletedProcess[str]) -> Manifest:
    assert 0 == done.returncode, done.stderr
    return Manifest.from_json(done.stdout)
