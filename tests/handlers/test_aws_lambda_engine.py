"""
The engine `aws-lambda`: each task in the function that has the memory chosen for it.

On an emulator of the platform (`bench/fronts/aws_lambda.py`), which runs the real
handler under AWS's runtime client and the real limits; on a real S3 server.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import boto3
import pytest

from transcode.contract import Manifest
from transcode.deploy.aws_lambda import look
from transcode.errors import PlatformError, SettingsError, UsageError
from transcode.invoke.remote import RemoteEngine
from transcode.jobs.service import JobService
from transcode.platforms.platform import spec_for_memory
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

_spec = importlib.util.spec_from_file_location(
    "tasks_of_engines", Path(__file__).parents[1] / "invoke/conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
tasks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tasks)

AWS = Path(__file__).parents[2] / "profiles/platforms/aws-lambda.toml"
FRONT = Path(__file__).parents[2] / "bench/fronts/aws_lambda.py"
BUCKET = "shared"

MakeFront = Callable[..., "Front"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def s3_event(key: str) -> bytes:
    """As S3 tells of a new object."""
    told = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 1, "eTag": "e"}}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2026-11-28T10:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": told,
    }
    return json.dumps({"Records": [record]}).encode()


class Front:
    """The emulator, in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], *more: str) -> None:
        self.environment = environment
        keys = {
            "--access-key": environment["AWS_ACCESS_KEY_ID"],
            "--secret-key": environment["AWS_SECRET_ACCESS_KEY"],
        }
        given = [word for pair in keys.items() for word in pair]
        self.process = subprocess.Popen(
            [sys.executable, str(FRONT), "--port", "0", *given, *more],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._line().strip()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    @property
    def known(self) -> dict[str, str]:
        """What names it to whoever starts tasks."""
        return {
            "TRANSCODE_LAMBDA_FUNCTION": "transcode",
            "TRANSCODE_AWS_ENDPOINT_URL": self.address,
            "TRANSCODE_AWS_REGION": "us-east-1",
        }

    def invoke(self, event: bytes) -> None:
        """Asynchronously, as a trigger does."""
        client = boto3.client(
            "lambda",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )
        reply = client.invoke(
            FunctionName="transcode", InvocationType="Event", Payload=event
        )
        client.close()
        assert 202 == reply["StatusCode"]

    def calls(self, count: int) -> list[dict[str, Any]]:
        """The next invocations that end."""
        return [json.loads(self._line()) for _ in range(count)]

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


@pytest.fixture
def make_front(environment: dict[str, str], tmp_path: Path) -> Iterator[MakeFront]:
    made: list[Front] = []

    def make(*more: str, **variables: str) -> Front:
        made.append(Front(tmp_path, environment | variables, *more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def run(environment: dict[str, str], objects: Any, prefix: str, make_clip: Any) -> Run:
    """`transcode run` of a clip that lies in the bucket."""

    def go(
        front: Front, name: str, size: str, *more: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        clip = make_clip(name, seconds=1, size=size)
        key = f"{prefix}/in/{name}.mp4"
        objects.put(key, clip.read_bytes())
        argv = [sys.executable, "-m", "transcode", "run", f"s3://{BUCKET}/{key}"]
        argv += ["--engine", "aws-lambda", "--profile", "preview", "--json"]
        argv += ["--to", f"s3://{BUCKET}/{prefix}/out", *more]
        return subprocess.run(
            argv,
            env={**os.environ, **environment, **front.known, **variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return go


@pytest.fixture
def known(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Wiring]:
    """What a process has that knows the functions."""

    def make(front: Front, **variables: str) -> Wiring:
        mine = {**environment, **front.known, **variables}
        for name, value in mine.items():
            monkeypatch.setenv(name, value)
        told = {k: v for k, v in mine.items() if k != "TRANSCODE_TO"}
        return wire(Settings.from_environment(told))

    return make


async def test_nobody_waits_for_the_tasks(
    make_front: MakeFront,
    known: Callable[..., Wiring],
    objects: Any,
    prefix: str,
    make_clip: Any,
) -> None:
    """
    An upload's call plans, starts its task in the function of the chosen memory and is
    over; so is whoever starts jobs in other sizes. In each the kernel says so of its
    group; told twice it is nothing new.
    """
    front = make_front()
    clip = make_clip("upload", seconds=1, size="320x180").read_bytes()
    event = s3_event(f"{prefix}/in/upload.mp4")
    objects.put(f"{prefix}/in/upload.mp4", clip)
    for size in (1024, 3538):
        objects.put(f"{prefix}/other/{size}.mp4", clip)
    front.invoke(event)
    at = f"s3://{BUCKET}/{prefix}"
    async with JobService.open(known(front), to=f"{at}/out") as service:
        for size in (1024, 3538):
            request = Request(
                source=f"{at}/other/{size}.mp4",
                to=f"{at}/out",
                profile="preview",
                engine="aws-lambda",
                memory_mib=size,
            )
            report, _ = await service.submit(request)
            assert "running" == (await service.start(report.job_id)).status
    calls = front.calls(4)
    front.invoke(event)
    (again,) = front.calls(1)

    assert {("succeeded", 1)} == {(call["status"], call["tries"]) for call in calls}
    works = [call for call in calls if call["function"] != "transcode"]
    manifests = [
        Manifest.from_json(objects.get(key))
        for key in objects.keys(f"{prefix}/out/")
        if key.endswith("/manifest.json")
    ]
    assert ["aws-lambda"] * 3 == [one.engine for one in manifests]
    attempts = [a for one in manifests for task in one.tasks for a in task.attempts]
    ordered = {attempt.spec.memory_mib for attempt in attempts}
    assert {1024, 1769, 3538} == ordered == {call["group_mib"] for call in works}
    assert ordered == {int(call["function"].split("-")[1]) for call in works}
    scratch = {a.spec.memory_mib: a.spec.scratch_mib for a in attempts}
    assert {1024: 2048, 1769: 4096, 3538: 8192} == scratch
    assert ("transcode", "succeeded") == (again["function"], again["status"])
    left = objects.keys(f"{prefix}/out/.transcode/")
    assert not [key for key in left if "/open/" in key or "/invocations/" in key]


def test_a_process_waits_for_its_tasks(
    make_front: MakeFront,
    known: Callable[..., Wiring],
    run: Run,
    objects: Any,
    prefix: str,
) -> None:
    """
    The same code, the same manifest; nothing is left of the invocation, and of what
    stands there nothing is said to be missing.
    """
    front = make_front()

    done = run(front, "waited", "320x180", "--memory", "1024")

    assert 0 == done.returncode, done.stderr
    manifest = Manifest.from_json(done.stdout)
    (call,) = front.calls(1)
    (attempt,) = manifest.tasks[0].attempts
    assert ("aws-lambda", 1024) == (manifest.engine, call["group_mib"])
    assert attempt.measured is not None
    assert attempt.measured.billed_milliseconds <= call["billed_milliseconds"]
    assert not [k for k in objects.keys(f"{prefix}/out/") if "invocations" in k]
    report = anyio.run(look, known(front))
    assert () == report.drifted
    assert 5 * 7 + 2 == len(report.findings)


async def test_what_would_not_do_is_refused_by_name(
    make_front: MakeFront, known: Callable[..., Wiring], tmp_path: Path
) -> None:
    """
    Before anything is called: retries of the platform that nobody has set, no function
    of this name, wrong keys. `deploy --check` says the same, of each function.
    """
    front = make_front("--retries", "-1")
    refusals: tuple[tuple[dict[str, str], str], ...] = (
        ({}, "transcode-1024 is not set up for tasks: it retries 2 times what failed"),
        ({"TRANSCODE_LAMBDA_FUNCTION": "other"}, "AWS Lambda refuses other-1024"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses transcode-1024"),
    )
    task = tasks.made(1024, uri="s3://shared/in.mp4")
    for variables, said in refusals:
        wiring = known(front, **variables)
        platform = wiring.platform_of("aws-lambda", None)
        async with wiring.engine("aws-lambda", platform) as engine:
            assert isinstance(engine, RemoteEngine)
            with pytest.raises(SettingsError, match=said):
                await engine.invoker.invoke("s3://shared/records", task)
    (tmp_path / "aws-lambda.toml").write_text(
        AWS.read_text(encoding="utf-8").replace("[1024, 1769, ", "[1024, 2048, ")
    )
    drifted = (await look(known(front, TRANSCODE_PLATFORMS_DIR=str(tmp_path)))).drifted

    assert ["function transcode-2048"] == [
        it.what for it in drifted if it.standing == "missing"
    ]
    assert ["2"] * 4 == [
        it.found for it in drifted if it.what.endswith("asynchronous retries")
    ]
    assert 5 == len(drifted)


def test_an_engine_runs_what_it_calls_and_no_more() -> None:
    """A function of another platform, a memory that no function has, a slip."""
    wiring = wire(Settings())
    tier = wiring.platform_of("aws-lambda", None)

    with pytest.raises(PlatformError, match="the nearest are 1769 MiB and 3538 MiB"):
        spec_for_memory(tier, 2048)
    with pytest.raises(UsageError, match="it calls aws-lambda and aws-lambda-arm"):
        wiring.platform_of("aws-lambda", "functiongraph")
    with pytest.raises(UsageError, match="Did you mean aws-lambda"):
        wiring.platform_of("aws-lamda", None)
    with pytest.raises(SettingsError, match="TRANSCODE_LAMBDA_FUNCTION: name what"):
        _ = wiring.task_functions
