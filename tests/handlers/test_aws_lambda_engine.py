"""
The engine `aws-lambda`: each task in the function that has the memory chosen for it.

On an emulator of the platform (`bench/fronts/aws_lambda.py`), which runs the real
handler under AWS's runtime client and the real limits; on a real S3 server.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import boto3
import pytest

from transcode.cli.main import run_command_line
from transcode.contract import Manifest
from transcode.deploy.aws_lambda import look
from transcode.errors import PlatformError, SettingsError, UsageError
from transcode.invoke.remote import RemoteEngine
from transcode.jobs.service import JobService
from transcode.platforms.platform import spec_for_memory
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

ENGINE, FRONT = "aws-lambda", "aws_lambda"
AWS = Path(__file__).parents[2] / "profiles/platforms/aws-lambda.toml"
BUCKET = "shared"
KEY, SECRET = "tester", "tester-secret"
"""The account's, which are those of the store."""
KEYS = ("--access-key", KEY, "--secret-key", SECRET)

MakeFront = Callable[..., Any]
Run = Callable[..., subprocess.CompletedProcess[str]]
Wired = Callable[..., Wiring]


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


def known(front: Any) -> dict[str, str]:
    """What names it to whoever starts tasks."""
    return {
        "TRANSCODE_LAMBDA_FUNCTION": "transcode",
        "TRANSCODE_AWS_ENDPOINT_URL": front.address,
        "TRANSCODE_AWS_REGION": "us-east-1",
    }


def invoke(front: Any, event: bytes) -> None:
    """Asynchronously, as a trigger does."""
    client = boto3.client(
        "lambda",
        endpoint_url=front.address,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    reply = client.invoke(
        FunctionName="transcode", InvocationType="Event", Payload=event
    )
    client.close()
    assert 202 == reply["StatusCode"]


async def test_nobody_waits_for_the_tasks(
    make_front: MakeFront,
    wired: Wired,
    place: Any,
    make_clip: Any,
    as_here: Callable[..., None],
) -> None:
    """
    An upload's call plans, starts its task in the function of the chosen memory and is
    over; so is whoever starts jobs in other sizes. In each the kernel says so of its
    group, and the results are those of this machine; told twice it is nothing new.
    """
    front = make_front(*KEYS, "--upload-memory", "1769")
    clip = make_clip("job", seconds=1, size="320x180")
    event = s3_event(place.key("in/upload.mp4"))
    place.put("in/upload.mp4", clip.read_bytes())
    for size in (1024, 3538):
        place.put(f"other/{size}.mp4", clip.read_bytes())
    invoke(front, event)
    at = place.uri
    async with JobService.open(wired(known(front)), to=f"{at}/out") as service:
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
    calls = front.ended(4)
    invoke(front, event)
    (again,) = front.ended(1)

    assert {("succeeded", 1)} == {(call["status"], call["tries"]) for call in calls}
    works = [call for call in calls if call["function"] != "transcode"]
    manifests = place.manifests()
    assert ["aws-lambda"] * 3 == [one.engine for one in manifests]
    for one in manifests:
        as_here(one, clip, "--profile", "preview")
    attempts = [a for one in manifests for task in one.tasks for a in task.attempts]
    ordered = {attempt.spec.memory_mib for attempt in attempts}
    assert {1024, 1769, 3538} == ordered == {call["group_mib"] for call in works}
    assert ordered == {int(call["function"].split("-")[1]) for call in works}
    scratch = {a.spec.memory_mib: a.spec.scratch_mib for a in attempts}
    assert {1024: 2048, 1769: 4096, 3538: 8192} == scratch
    assert ("transcode", "succeeded") == (again["function"], again["status"])
    left = place.names("out/.transcode/")
    assert not [it for it in left if "/open/" in it or "/invocations/" in it]


def test_a_process_waits_for_its_tasks(
    make_front: MakeFront,
    wired: Wired,
    run: Run,
    *,
    place: Any,
    make_clip: Any,
    as_here: Callable[..., None],
    of_any_machine: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """
    The same code, the same result, in the function that `plan` has said. What Lambda
    logs of the call stands beside what we count; nothing is left of the invocation, and
    of what stands there nothing is said to be missing.
    """
    front = make_front(*KEYS)
    wiring = wired(known(front), TRANSCODE_COEFFICIENTS=str(of_any_machine))
    clip = make_clip("job", seconds=1, size="320x180")
    asked = ("--profile", "preview")
    planning = ["plan", str(clip), "--engine", "aws-lambda", *asked, "--json"]
    assert 0 == run_command_line(planning)
    (planned,) = json.loads(capsys.readouterr().out)["tasks"]

    done = run(clip, known(front), *asked)

    assert 0 == done.returncode, done.stderr
    manifest = Manifest.from_json(done.stdout)
    (call,) = front.ended(1)
    (attempt,) = manifest.tasks[0].attempts
    assert planned["task"]["spec"] == attempt.spec.model_dump(mode="json")
    memory = attempt.spec.memory_mib
    assert memory in {1024, 1769, 3538, 7076, 10240}
    assert ("aws-lambda", memory) == (manifest.engine, call["group_mib"])
    assert attempt.measured is not None
    assert attempt.measured.billed_milliseconds <= call["billed_milliseconds"]
    as_here(manifest, clip, *asked)
    assert attempt.invocation == call["request_id"]
    log = tmp_path / "lambda.log"
    log.write_text(f"START RequestId: …\n{call['log']}\n")
    # An index of the same address, of a store that is gone, knows other invocations.
    monkeypatch.setenv("TRANSCODE_INDEX", str(tmp_path / "index"))
    asking = ["costs", "--to", f"{place.uri}/out", "--reconcile", str(log), "--json"]
    assert 0 == run_command_line(asking)
    checked = json.loads(capsys.readouterr().out)["log"]
    assert 1 == checked["compared"]
    assert "1 invocation in the log, 1 with a start of" in checked["note"]
    # Of a runtime's own start nobody can tell from within.
    assert [(attempt.measured.billed_milliseconds, call["billed_milliseconds"])] == [
        (int(it["ours"]), int(it["theirs"])) for it in checked["differences"]
    ]
    # Made by hand, it has no ledger until then, and one figure in it from then on.
    assert 0 == run_command_line([*asking, "--enter"])
    assert 1 == json.loads(capsys.readouterr().out)["entered"]["attempts"]
    assert 0 == run_command_line(asking)
    assert not json.loads(capsys.readouterr().out)["log"]["differences"]
    assert 0 == run_command_line(["costs", "--to", f"{place.uri}/out", "--json"])
    (total,) = json.loads(capsys.readouterr().out)["groups"]
    assert (1, call["billed_milliseconds"]) == (
        total["attempts"],
        total["billed_milliseconds"],
    )
    assert not [name for name in place.names("out/") if "invocations" in name]
    report = anyio.run(look, wiring)
    assert () == report.drifted
    assert 5 * 7 + 2 == len(report.findings)


async def test_what_would_not_do_is_refused_by_name(
    make_front: MakeFront,
    wired: Wired,
    make_task: Any,
    tmp_path: Path,
) -> None:
    """
    Before anything is called: retries of the platform that nobody has set, no function
    of this name, wrong keys. `deploy --check` says the same, of each function.
    """
    front = make_front(*KEYS, "--retries", "-1")
    refusals: tuple[tuple[dict[str, str], str], ...] = (
        ({}, "transcode-1024 is not set up for tasks: it retries 2 times what failed"),
        ({"TRANSCODE_LAMBDA_FUNCTION": "other"}, "AWS Lambda refuses other-1024"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses transcode-1024"),
    )
    task = make_task(1024, uri="s3://shared/in.mp4")
    for variables, said in refusals:
        wiring = wired(known(front), **variables)
        platform = wiring.platform_of("aws-lambda", None)
        async with wiring.engine("aws-lambda", platform) as engine:
            assert isinstance(engine, RemoteEngine)
            with pytest.raises(SettingsError, match=said):
                await engine.invoker.invoke("s3://shared/records", task)
    (tmp_path / "aws-lambda.toml").write_text(
        AWS.read_text(encoding="utf-8").replace("[1024, 1769, ", "[1024, 2048, ")
    )
    other = wired(known(front), TRANSCODE_PLATFORMS_DIR=str(tmp_path))
    drifted = (await look(other)).drifted

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
