"""FunctionGraph: the event function by its contract, and the image over HTTP."""

from __future__ import annotations

# ruff: noqa: N802 - the context's methods are named by the platform
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from transcode.handlers import functiongraph

BUCKET = "shared"
_PATIENCE_SECONDS = 60.0


def obs_event(key: str) -> dict[str, Any]:
    """As an OBS trigger tells of a new object."""
    event: dict[str, Any] = json.loads(
        (Path(__file__).parents[1] / "event/examples/obs-post.json").read_text()
    )
    told = event["Records"][0]["s3"]
    told["bucket"]["name"] = BUCKET
    told["object"]["key"] = key
    return event


TIMER = {
    "version": "v1.0",
    "time": "2026-11-22T08:30:00+08:00",
    "trigger_type": "TIMER",
    "trigger_name": "sweep",
    "user_event": "",
}


class Context:
    """What the runtime passes: the methods of its documentation that are called."""

    def __init__(self, key: str, secret: str) -> None:
        self.keys = (key, secret)

    def getRequestID(self) -> str:
        return "1cbe80f3-0000"

    def getRemainingTimeInMilliSeconds(self) -> int:
        return 60_000

    def getMemorySize(self) -> int:
        return 1024

    def getSecurityAccessKey(self) -> str:
        return self.keys[0]

    def getSecuritySecretKey(self) -> str:
        return self.keys[1]

    def getSecurityToken(self) -> str:
        return ""


@pytest.fixture
def configured(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Context]:
    """The environment in this process, the keys in the context only."""
    given = dict(environment)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "wrong")
    keys = (given.pop("AWS_ACCESS_KEY_ID"), given.pop("AWS_SECRET_ACCESS_KEY"))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    functiongraph.prepared.cache_clear()
    yield Context(*keys)
    functiongraph.prepared.cache_clear()


def test_an_event_function(
    configured: Context, objects: Any, prefix: str, make_clip: Any
) -> None:
    """Initialised with the agency's keys, it does a job in the memory of the call."""
    objects.put(f"{prefix}/in/a.mp4", make_clip("by-hand", seconds=1).read_bytes())

    functiongraph.initializer(configured)
    told = functiongraph.handler(obs_event(f"{prefix}/in/a.mp4"), configured)
    swept = functiongraph.handler(TIMER, configured)

    assert [] == told["errors"]
    assert ["succeeded"] == [job["status"] for job in told["jobs"]]
    assert [] == swept["jobs"]
    records = [
        json.loads(objects.get(key))
        for key in objects.keys(f"{prefix}/out/.transcode/ledger/")
    ]
    assert {"encode": 1024, "function": 1024} == {
        r["kind"]: r["attempt"]["spec"]["memory_mib"] for r in records
    }
    # The initialiser is billed, too, and told of with the first call.
    (around,) = [r["attempt"] for r in records if r["kind"] == "function"]
    assert "CNY" == around["cost"]["currency"]
    # What the process is and starts knows nothing of a call's keys.
    assert "wrong" == os.environ["AWS_SECRET_ACCESS_KEY"]


def test_a_task_works_beneath_its_function_s_results_only(
    configured: Context,
) -> None:
    """Whoever may call it may not write with its keys wherever they like."""
    elsewhere = {"transcode": "task", "records": "s3://elsewhere/records"}

    told = functiongraph.handler(elsewhere, configured)

    (error,) = told["errors"]
    assert "UsageError" == error["type"]
    assert "'s3://elsewhere/records' does not lie in TRANSCODE_TO=" in error["message"]


class Image:
    """The container's process."""

    def __init__(self, folder: Path, env: Mapping[str, str], port: int) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [sys.executable, "-m", "transcode.handlers.functiongraph_image"],
            cwd=folder,
            env={**os.environ, **env, "PORT": str(port)},
        )

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", path, body, dict(headers or {}))
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()


@pytest.fixture
def image(
    environment: Mapping[str, str], tmp_path: Path, free_port: int
) -> Iterator[Image]:
    """Started, and listening; the keys that it has of its own open nothing."""
    own = {"AWS_ACCESS_KEY_ID": "wrong", "AWS_SECRET_ACCESS_KEY": "wrong"}
    made = Image(tmp_path, {**environment, **own}, free_port)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", free_port)).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield made
    made.process.kill()
    made.process.wait()


CONTEXT = {
    "x-cff-request-id": "../../a/call",
    "x-cff-memory": "2048",
    "x-cff-timeout": "60",
}


@pytest.fixture
def context(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a call, with the keys of the agency."""
    return {
        **CONTEXT,
        "x-cff-security-access-key": environment["AWS_ACCESS_KEY_ID"],
        "x-cff-security-secret-key": environment["AWS_SECRET_ACCESS_KEY"],
    }


def test_a_custom_image(
    image: Image,
    context: Mapping[str, str],
    objects: Any,
    prefix: str,
    make_clip: Any,
) -> None:
    """
    `/init` warms, `/invoke` does the job; answers are wrapped by the contract, and what
    an asynchronous call is given may be.
    """
    objects.put(f"{prefix}/in/a.mp4", make_clip("by-hand", seconds=1).read_bytes())
    event = json.dumps(obs_event(f"{prefix}/in/a.mp4")).encode()

    ready, _ = image.post("/init", b"", context)
    status, reply = image.post("/invoke", event, context)
    refused, why = image.post("/invoke", b"no JSON", context)
    nothing, _ = image.post("/invoke", b'{"a": 1}', context)
    task = {"transcode": "task", "records": "s3://somebody-elses/records"}
    wrapped = [
        image.post("/invoke", json.dumps({"body": body}).encode(), context)[1]["body"]
        for body in (task, json.dumps(task))
    ]
    image.process.send_signal(signal.SIGTERM)

    assert (200, 200, 400, 400) == (ready, status, refused, nothing)
    assert {"statusCode", "isBase64Encoded", "headers", "body"} == set(reply)
    told = json.loads(reply["body"])
    assert ["succeeded"] == [job["status"] for job in told["jobs"]]
    assert "EventError" == json.loads(why["body"])["type"]
    assert all("somebody-elses" in it for it in wrapped)
    assert not [it for it in wrapped if "EventError" in it]
    assert 0 == image.process.wait(30)
    ledger = objects.keys(f"{prefix}/out/.transcode/ledger/")
    assert 2 == len(ledger), "no call's name leads out of the ledger"


def test_an_image_keeps_no_keys(
    image: Image, context: Mapping[str, str], objects: Any, prefix: str
) -> None:
    """The keys of one call open nothing for the next; a body has an end."""
    event = json.dumps(obs_event(f"{prefix}/in/gone.mp4")).encode()

    lent, found = image.post("/invoke", event, context)
    _, why = image.post("/invoke", event, CONTEXT)
    long, _ = image.post("/invoke", b" " * (6 * 2**20 + 1), context)
    wrong = [
        image.post("/invoke", event, {**context, header: "1e99"})[0]
        for header in ("x-cff-memory", "x-cff-timeout")
    ]

    assert (200, 413) == (lent, long)
    assert "it is gone already" in found["body"]
    assert "may not be read" in why["body"]
    assert [400, 400] == wrong


def test_an_image_that_is_set_up_wrongly(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that FunctionGraph does not sell is no spec: 500, with the neighbours."""
    status, reply = image.post("/init", b"", {**CONTEXT, "x-cff-memory": "1000"})

    assert 500 == status
    assert "1024 MiB" in json.loads(reply["body"])["message"]
