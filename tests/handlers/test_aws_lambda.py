"""The Lambda handler under AWS's own runtime client, against a runtime API."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

BUCKET = "shared"
_PATIENCE_SECONDS = 60.0
_API = "/2018-06-01/runtime"


class RuntimeApi:
    """
    What a Lambda sandbox asks for work, and tells of its end.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self.ended: queue.Queue[tuple[str, str, Any, float]] = queue.Queue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{_API}/invocation/next"
                call, event, seconds = api.calls.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", call)
                deadline = int((time.time() + seconds) * 1000)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
                arn = "arn:aws:lambda:us-east-1:123456789012:function:transcode"
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
                self.send_header("Lambda-Runtime-Trace-Id", f"Root=1-{call}")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.path.rpartition("/")[2]
                api.ended.put((self.path, kind, json.loads(body), time.monotonic()))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def invoke(self, event: Any, *, seconds: float = 90) -> tuple[str, Any, float]:
        """`response` or `error`, what it said, and how long before its end."""
        call = str(uuid.uuid4())
        by = time.monotonic() + seconds
        self.calls.put((call, json.dumps(event).encode(), seconds))
        path, kind, body, at = self.ended.get(timeout=seconds + _PATIENCE_SECONDS)
        assert call in path, body
        return kind, body, by - at


@pytest.fixture
def function(environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Starts sandboxes of this configuration."""
    started: list[tuple[RuntimeApi, subprocess.Popen[bytes]]] = []

    def start(**more: str) -> RuntimeApi:
        api = RuntimeApi()
        sandbox = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "awslambdaric",
                "transcode.handlers.aws_lambda.handler",
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                **environment,
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "AWS_LAMBDA_FUNCTION_NAME": "transcode",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
                **more,
            },
        )
        started.append((api, sandbox))
        return api

    yield start
    for api, sandbox in started:
        sandbox.kill()
        sandbox.wait()
        api.server.shutdown()
        api.server.server_close()


def s3_event(*keys: str) -> dict[str, Any]:
    """As S3 tells of new objects."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventTime": "2026-11-22T10:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": BUCKET},
                    "object": {"key": key, "size": 1000, "eTag": "e", "sequencer": "1"},
                },
            }
            for key in keys
        ]
    }


def queued(**bodies: str) -> dict[str, Any]:
    """As SQS hands messages over, by their ids."""
    return {
        "Records": [
            {"messageId": name, "body": body, "eventSource": "aws:sqs"}
            for name, body in bodies.items()
        ]
    }


def test_an_upload_becomes_a_result(
    function: Any, objects: Any, prefix: str, make_clip: Any
) -> None:
    """In the function's own spec; told again it is the same; all of it is billed."""
    objects.put(f"{prefix}/in/a.mp4", make_clip("by-hand", seconds=1).read_bytes())
    lambda_ = function()

    kind, first, _ = lambda_.invoke(s3_event(f"{prefix}/in/a.mp4"))
    _, again, _ = lambda_.invoke(s3_event(f"{prefix}/in/a.mp4"))

    assert ("response", []) == (kind, first["errors"])
    assert ["succeeded"] == [job["status"] for job in first["jobs"]]
    assert [False] == [upload["new"] for upload in again["uploads"]]
    (name,) = [k for k in objects.keys(f"{prefix}/out/") if k.endswith("manifest.json")]
    manifest = json.loads(objects.get(name))
    (attempt,) = manifest["tasks"][0]["attempts"]
    assert ("aws-lambda", 1769) == (
        manifest["platform"]["name"],
        attempt["spec"]["memory_mib"],
    )
    records = [
        json.loads(objects.get(key))
        for key in objects.keys(f"{prefix}/out/.transcode/ledger/")
    ]
    assert ["encode", "function", "function"] == sorted(r["kind"] for r in records)
    around = [r["attempt"] for r in records if r["kind"] == "function"]
    # Two calls, two requests: one counted with the task, one with the second call.
    assert [0, 1] == sorted(a["measured"]["requests"] for a in around)
    assert all(a["measured"]["billed_milliseconds"] > 0 for a in around)
    assert {"USD"} == {a["cost"]["currency"] for a in around}


def test_a_batch_takes_back_only_what_is_not_done(
    function: Any, objects: Any, prefix: str, make_clip: Any
) -> None:
    """Of a queue's messages: done, understood and gone, understood by nobody."""
    objects.put(f"{prefix}/in/b.mp4", make_clip("by-hand", seconds=1).read_bytes())
    bodies = {
        "good": json.dumps(s3_event(f"{prefix}/in/b.mp4")),
        "gone": json.dumps(s3_event(f"{prefix}/in/never.mp4")),
        "own": json.dumps(s3_event(f"{prefix}/out/.transcode/open/x")),
        "poison": "no event at all",
    }
    kind, told, _ = function().invoke(queued(**bodies))

    assert ("response", {"batchItemFailures": [{"itemIdentifier": "poison"}]}) == (
        kind,
        told,
    )
    assert [k for k in objects.keys(f"{prefix}/out/b.") if k.endswith("/manifest.json")]


def test_what_does_not_fit_is_handed_back(
    function: Any, objects: Any, prefix: str, make_clip: Any
) -> None:
    """Our verdict comes before the kill; the clock's call carries on."""
    clip = make_clip("too-long", seconds=20, size="1280x720")
    lambda_ = function(TRANSCODE_PROFILE="hls", TRANSCODE_MARGIN_SECONDS="7")
    lambda_.invoke({"source": "aws.events", "detail-type": "Scheduled Event"})
    objects.put(f"{prefix}/in/long.mp4", clip.read_bytes())

    kind, first, early = lambda_.invoke(s3_event(f"{prefix}/in/long.mp4"), seconds=14)
    _, second, _ = lambda_.invoke(
        {"source": "aws.events", "detail-type": "Scheduled Event"}, seconds=600
    )

    assert ("response", ["waiting"]) == (kind, [j["status"] for j in first["jobs"]])
    assert early > 0
    assert ["succeeded"] == [job["status"] for job in second["jobs"]]
    root = f"{prefix}/out/.transcode/jobs/{first['jobs'][0]['job_id']}"
    ending = json.loads(objects.get(f"{root}/endings/000001.json"))
    assert ("handed_back", "out_of_time") == (ending["kind"], ending["outcome"])


def test_a_store_that_is_down_has_the_event_repeated(
    function: Any, prefix: str
) -> None:
    """An error for Lambda, which delivers again; for a queue, every message."""
    lambda_ = function(TRANSCODE_S3_ENDPOINT_URL="http://127.0.0.1:9")
    direct = s3_event(f"{prefix}/in/a.mp4")
    kind, said, _ = lambda_.invoke(direct)
    _, told, _ = lambda_.invoke(queued(m=json.dumps(direct)))

    assert ("error", "StoreDown") == (kind, said["errorType"])
    assert {"batchItemFailures": [{"itemIdentifier": "m"}]} == told


def test_a_store_that_hangs_does_not_cost_the_verdict(
    function: Any, prefix: str
) -> None:
    """
    It takes connections and never answers: said before the kill, and the message
    comes again.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        lambda_ = function(TRANSCODE_S3_ENDPOINT_URL=address)

        kind, said, early = lambda_.invoke(
            # Long enough that loading is over, however busy the machine.
            queued(m=json.dumps(s3_event(f"{prefix}/in/a.mp4"))),
            seconds=20,
        )

    assert ("response", {"batchItemFailures": [{"itemIdentifier": "m"}]}) == (
        kind,
        said,
    )
    assert early > 0


def test_settings_that_are_wrong_are_said(
    function: Any, environment: dict[str, str], prefix: str
) -> None:
    """Results among the uploads would start us again: refused before anything."""
    lambda_ = function(TRANSCODE_SOURCES=f"s3://{BUCKET}/{prefix}/")

    kind, said, _ = lambda_.invoke(s3_event(f"{prefix}/in/a.mp4"))

    assert ("error", "SettingsError") == (kind, said["errorType"])
