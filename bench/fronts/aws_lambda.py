"""
An emulator of AWS Lambda for a tier of functions, where the service is out of reach.

It answers the calls that we make (asynchronous `Invoke`, `GetFunctionConfiguration`,
`GetFunctionEventInvokeConfig`), with their signature checked, and runs the real handler
under AWS's own runtime client (`awslambdaric`): one process for each environment, one
event at a time in each, in a control group with the function's memory and its share of
CPU. What the platform does is done here: events wait in a queue and are dropped when
they are too old, an environment is kept for the next event, killed when it is out of
memory or time, retried as configured, and billed per millisecond with its start.

    python -m bench.fronts.aws_lambda --port 8901 --prefix transcode

prints its address, then one JSON line for each invocation as it ends; port 0 takes any.
Where no control groups may be made, nothing holds an environment to its memory.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from bench.fronts.container import MIB, Answering, Box, platform_file, serving
from transcode.contract import Spec, Usage
from transcode.platforms.platform import Platform, held_to_tier
from transcode.platforms.price import bill

PAYLOAD_BYTES = 1_048_576
START_SECONDS = 120.0
REGION = "us-east-1"
ACCOUNT = "123456789012"
RUNTIME = "/2018-06-01/runtime/invocation"


@dataclass(frozen=True, slots=True)
class Function:
    """As an operator has set it up."""

    name: str
    memory_mib: int
    scratch_mib: int = 512
    timeout_seconds: float = 900.0
    retries: int | None = 0
    """None: never set, which means 2."""
    event_age_seconds: int = 300
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One asynchronous invocation, and its tries."""

    request: str
    function: Function
    body: bytes
    queued: float
    tries: int = 0
    status: str = "queued"
    error: str = ""
    seconds: float = 0.0
    billed_milliseconds: int = 0
    cold: bool = False
    start_seconds: float = 0.0
    """Of a new environment, until it asked for an event."""
    peak_mib: int | None = None
    limit_mib: int | None = None
    """Of its control group, read from the kernel."""
    cost: str = "0"

    @property
    def log_line(self) -> str:
        """
        As it stands in CloudWatch, after each invocation.

        https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
        """
        duration = (self.seconds - self.start_seconds) * 1000
        line = (
            f"REPORT RequestId: {self.request}\tDuration: {duration:.2f} ms\t"
            f"Billed Duration: {self.billed_milliseconds} ms\t"
            f"Memory Size: {self.function.memory_mib} MB\t"
        )
        if self.peak_mib is not None:
            line += f"Max Memory Used: {self.peak_mib} MB\t"
        if self.cold:
            line += f"Init Duration: {self.start_seconds * 1000:.2f} ms\t"
        return line

    def told(self) -> dict[str, Any]:
        return {
            "request_id": self.request,
            "function": self.function.name,
            "memory_mib": self.function.memory_mib,
            "group_mib": self.limit_mib,
            "status": self.status,
            "tries": self.tries,
            "seconds": round(self.seconds, 3),
            "billed_milliseconds": self.billed_milliseconds,
            "cold": self.cold,
            "log": self.log_line,
            "cost": self.cost,
            "error": self.error,
            "event": json.loads(self.body or b"{}"),
        }


class Environment:
    """A container of one function: the runtime client, in a group of its own."""

    def __init__(self, front: Front, function: Function) -> None:
        self.function = function
        self.ended: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._events: queue.Queue[Call | None] = queue.Queue()
        self.ready = threading.Event()
        self.ready_at = 0.0
        milli_cpus = function.memory_mib * 1000 // 1769
        self.box = Box("lambda", function.memory_mib * MIB, milli_cpus)
        self._api = serving(RuntimeApi, environment=self)
        self.started = time.monotonic()
        self.process = self.box.start(
            [sys.executable, "-m", "awslambdaric", front.handler],
            {
                **front.environment,
                **function.environment,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_address[1]}",
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mib),
            },
            front.folder,
            front.log,
        )

    def next_event(self) -> Call | None:
        if not self.ready.is_set():
            self.ready_at = time.monotonic()
            self.ready.set()
        return self._events.get()

    def carry_out(self, call: Call) -> tuple[str, bytes]:
        """`response`, `error`, `timeout` or `exit`, and what was said."""
        until = time.monotonic() + START_SECONDS
        while not self.ready.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > until:
                return "exit", b"Runtime exited before it asked for an event"
        self._events.put(call)
        until = time.monotonic() + call.function.timeout_seconds
        while time.monotonic() < until:
            with suppress(queue.Empty):
                return self.ended.get(timeout=0.05)
            if self.process.poll() is not None:
                return "exit", self._how_it_exited()
        seconds = call.function.timeout_seconds
        return "timeout", f"Task timed out after {seconds:.2f} seconds".encode()

    def _how_it_exited(self) -> bytes:
        if self.box.out_of_memory:
            return b"Runtime exited with error: signal: killed (OutOfMemory)"
        return f"Runtime exited with status {self.process.returncode}".encode()

    def end(self) -> None:
        self.box.kill(self.process.pid)
        self.process.wait()
        self._events.put(None)
        self._api.shutdown()
        self._api.server_close()
        self.box.remove()


class RuntimeApi(Answering, BaseHTTPRequestHandler):
    """
    What an environment asks for work, and tells of its end.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
    """

    environment: ClassVar[Environment]

    def do_GET(self) -> None:
        if self.path != f"{RUNTIME}/next":
            self.send_error(404)
            return
        call = self.environment.next_event()
        if call is None:
            self.close_connection = True
            return
        function = call.function
        deadline = int((time.time() + function.timeout_seconds) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": call.request,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": arn(function.name),
            "Lambda-Runtime-Trace-Id": f"Root=1-{call.request}",
            "Content-Type": "application/json",
        }
        self.answer(200, call.body, headers)

    def do_POST(self) -> None:
        body = self.asked()
        self.environment.ended.put((self.path.rpartition("/")[2], body))
        self.answer(202, b"")


@dataclass
class Front:
    """The platform: an account with some functions."""

    environment: dict[str, str]
    folder: Path
    functions: dict[str, Function]
    secrets: Mapping[str, str]
    """Access key → secret key."""
    concurrency: int = 1000
    """Environments of the account at a time; events wait for room."""
    handler: str = "transcode.handlers.aws_lambda.handler"
    log: Any = subprocess.DEVNULL
    heard: Callable[[Call], None] = lambda _call: None
    platform: Platform = field(default_factory=lambda: platform_file("aws-lambda"))

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._warm: list[Environment] = []
        self._all: list[Environment] = []
        self._room = threading.Semaphore(self.concurrency)

    def take(self, name: str, body: bytes) -> Call:
        """An asynchronous invocation, queued."""
        call = Call(str(uuid.uuid4()), self.functions[name], body, time.monotonic())
        threading.Thread(target=self._run, args=(call,), daemon=True).start()
        return call

    def close(self) -> None:
        for one in self._all:
            if one.process.poll() is None:
                one.end()

    def _run(self, call: Call) -> None:
        retries = 2 if call.function.retries is None else call.function.retries
        while True:
            with self._room:
                age = time.monotonic() - call.queued
                if age > call.function.event_age_seconds:
                    call.status, call.error = "dropped", "EventAgeExceeded"
                    break
                self._try(call)
            if call.status == "succeeded" or call.tries > retries:
                break
        self.heard(call)

    def _try(self, call: Call) -> None:
        environment = self._environment(call)
        call.tries += 1
        call.limit_mib = environment.box.limit_mib
        began = environment.started if call.cold else time.monotonic()
        how, said = environment.carry_out(call)
        call.seconds = time.monotonic() - began
        call.start_seconds = environment.ready_at - began if call.cold else 0.0
        call.peak_mib = environment.box.peak_mib
        self._bill(call)
        call.status = "succeeded" if how == "response" else "failed"
        call.error = "" if how == "response" else said.decode("utf-8", "replace")
        if how in {"response", "error"}:
            with self._lock:
                self._warm.append(environment)
        else:
            environment.end()

    def _environment(self, call: Call) -> Environment:
        """One that waits for an event of this function, or a new one."""
        with self._lock:
            for one in self._warm:
                if one.function == call.function and one.process.poll() is None:
                    self._warm.remove(one)
                    call.cold = False
                    return one
        call.cold = True
        made = Environment(self, call.function)
        with self._lock:
            self._all.append(made)
        return made

    def _bill(self, call: Call) -> None:
        """Since August 2025 the start of an environment is on the bill, too."""
        function = call.function
        call.billed_milliseconds = math.ceil(call.seconds * 1000)
        spec = Spec(
            memory_mib=function.memory_mib,
            milli_cpus=function.memory_mib * 1000 // 1769,
            scratch_mib=function.scratch_mib,
        )
        usage = Usage(
            wall_seconds=call.seconds,
            billed_milliseconds=call.billed_milliseconds,
            cpu_seconds=0.0,
            peak_memory_bytes=None,
        )
        call.cost = f"{bill(self.platform, spec, usage).total.amount:f}"


class Api(Answering, BaseHTTPRequestHandler):
    """The documented calls."""

    front: ClassVar[Front]

    def do_POST(self) -> None:
        body = self.asked()
        function = self._function(body, "/2015-03-31", "/invocations")
        if function is None:
            return
        if self.headers.get("X-Amz-Invocation-Type") != "Event":
            self._refuse(400, "InvalidParameterValueException", "only Event here")
        elif len(body) > PAYLOAD_BYTES:
            self._refuse(413, "RequestTooLargeException", f"{len(body)} bytes")
        else:
            call = self.front.take(function.name, body)
            self._answer(202, b"", {"x-amzn-RequestId": call.request})

    def do_GET(self) -> None:
        last = self.path.rpartition("/")[2]
        dates = {"configuration": "/2015-03-31", "event-invoke-config": "/2019-09-25"}
        function = self._function(b"", dates.get(last, "/-"), f"/{last}")
        if function is None:
            return
        if last == "configuration":
            document: dict[str, Any] = {
                "FunctionName": function.name,
                "FunctionArn": arn(function.name),
                "PackageType": "Image",
                "MemorySize": function.memory_mib,
                "Timeout": int(function.timeout_seconds),
                "EphemeralStorage": {"Size": function.scratch_mib},
                "Environment": {"Variables": dict(function.environment)},
            }
        elif function.retries is None:
            self._refuse(404, "ResourceNotFoundException", "no EventInvokeConfig")
            return
        else:
            document = {
                "FunctionArn": f"{arn(function.name)}:$LATEST",
                "LastModified": 0,
                "MaximumRetryAttempts": function.retries,
                "MaximumEventAgeInSeconds": function.event_age_seconds,
            }
        self._answer(200, json.dumps(document).encode(), {})

    def _function(self, body: bytes, date: str, call: str) -> Function | None:
        """The one that is asked for; None once it was answered that there is none."""
        if not self._is_signed(body):
            self._refuse(403, "InvalidSignatureException", "The signature is wrong.")
            return None
        start = f"{date}/functions/"
        name = self.path.removeprefix(start).removesuffix(call)
        found = self.front.functions.get(name)
        if not self.path.startswith(start) or found is None:
            self._refuse(
                404, "ResourceNotFoundException", f"Function not found: {arn(name)}"
            )
        return found

    def _is_signed(self, body: bytes) -> bool:
        """AWS Signature Version 4; paths here have nothing to be encoded twice."""
        given = self.headers.get("Authorization", "")
        parts = dict(
            part.strip().partition("=")[::2]
            for part in given.removeprefix("AWS4-HMAC-SHA256").split(",")
        )
        access, _, scope = parts.get("Credential", "").partition("/")
        secret = self.front.secrets.get(access)
        if secret is None or scope.count("/") != 3:
            return False
        names = parts.get("SignedHeaders", "")
        headers = "".join(
            f"{name}:{' '.join(self.headers.get(name, '').split())}\n"
            for name in names.split(";")
        )
        hashed = hashlib.sha256(body).hexdigest()
        canonical = f"{self.command}\n{self.path}\n\n{headers}\n{names}\n{hashed}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        when = self.headers.get("X-Amz-Date", "")
        text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{digest}"
        key = f"AWS4{secret}".encode()
        for word in (*scope.split("/"), text):
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(key.hex(), parts.get("Signature", ""))

    def _refuse(self, status: int, kind: str, message: str) -> None:
        body = json.dumps({"Type": "User", "Message": message}).encode()
        self._answer(status, body, {"x-amzn-ErrorType": kind})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.answer(status, body, {**headers, "Content-Type": "application/json"})


def arn(function: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


def serve(front: Front, port: int = 0) -> ThreadingHTTPServer:
    """Answers in a thread of its own until it is shut down."""
    return serving(Api, port, front=front)


def tier(prefix: str, upload_mib: int, retries: int | None) -> dict[str, Function]:
    """One function for uploads, and one of each size of the platform file."""
    sizes = held_to_tier(platform_file("aws-lambda")).lattice
    mine = {k: v for k, v in os.environ.items() if k.startswith("TRANSCODE_")}
    named = mine | {"TRANSCODE_LAMBDA_FUNCTION": prefix}
    made = [
        Function(
            f"{prefix}-{memory}", memory, scratch, retries=retries, environment=named
        )
        for memory, scratch in zip(sizes.memory_mib, sizes.scratch_mib, strict=True)  # type: ignore[union-attr]
    ]
    uploads = Function(
        prefix,
        upload_mib,
        timeout_seconds=60.0,
        environment=named,
    )
    return {one.name: one for one in (uploads, *made)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8901)
    parser.add_argument("--prefix", default="transcode", help="of the functions' names")
    parser.add_argument(
        "--upload-memory", type=int, default=512, help="of the function for uploads, MB"
    )
    parser.add_argument(
        "--retries", type=int, default=0, help="of the functions for tasks; -1: unset"
    )
    parser.add_argument("--access-key", default="AK")
    parser.add_argument("--secret-key", default="SK")
    given = parser.parse_args()
    retries = None if given.retries < 0 else given.retries
    front = Front(
        environment=dict(os.environ),
        folder=Path.cwd(),
        functions=tier(given.prefix, given.upload_memory, retries),
        secrets={given.access_key: given.secret_key},
        log=sys.stderr,
        heard=lambda call: print(json.dumps(call.told()), flush=True),
    )
    server = serve(front, given.port)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    # Whoever starts tasks from a function finds us.
    front.environment |= {
        "TRANSCODE_AWS_ENDPOINT_URL": address,
        "TRANSCODE_AWS_REGION": REGION,
    }
    print(address, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        front.close()


if __name__ == "__main__":
    main()
