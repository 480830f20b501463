"""
An emulator of FunctionGraph for one function, where the service cannot be reached.

It answers the documented calls that we make (asynchronous invocation, its state,
cancelling), with their signature checked, and runs the real image handler
(`handlers/functiongraph_image.py`): one process for each instance, in a control group
with the memory and the CPU share that `X-Cff-Instance-Memory` asks for. What the
platform does is done here: a call in a memory that does not exist is refused, what is
above the account's concurrency is discarded silently, an instance is kept warm for a
minute, killed whole when its group is out of memory, billed per millisecond with its
initializer.

    python bench/fronts/functiongraph.py --port 8900 --memory 512 --dynamic

prints its address, then one JSON line for each invocation as it ends; port 0 takes any.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from transcode.contract import Usage
from transcode.invoke.local.cgroup import Group
from transcode.platforms.huawei_signing import Keys, authorization
from transcode.platforms.platform import Platform, parse_platform, spec_for_memory
from transcode.platforms.price import bill, billed_milliseconds

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
IDLE_SECONDS = 60.0
"""An instance that has had no call for so long ends; facts of the platform."""
CONCURRENCY = 100


def platform() -> Platform:
    path = ROOT / "profiles/platforms/functiongraph.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


@dataclass(slots=True)
class Call:
    """One asynchronous invocation."""

    request: str
    memory_mib: int
    body: bytes
    status: str = "WAIT"
    error_code: str = ""
    error_message: str = ""
    began: float = 0.0
    seconds: float = 0.0
    cold: bool = False
    peak_mib: int | None = None
    limit_mib: int | None = None
    """Of its control group, read from the kernel."""
    milli_cpus: int = 0
    cost: str = "0"
    currency: str = ""
    instance: Instance | None = None

    def told(self) -> dict[str, Any]:
        return {
            "request_id": self.request,
            "memory_mib": self.memory_mib,
            "group_mib": self.limit_mib,
            "milli_cpus": self.milli_cpus,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "cold": self.cold,
            "cost": self.cost,
            "currency": self.currency,
            "error": self.error_message,
            "event": json.loads(self.body or b"{}"),
        }


class Instance:
    """A container: one process of the image, in a group of its own."""

    _numbers = itertools.count()

    def __init__(self, front: Front, memory_mib: int) -> None:
        self.memory_mib = memory_mib
        self.group = Group.create(f"front-{next(self._numbers)}")
        spec = spec_for_memory(front.platform, memory_mib)
        if self.group is not None:
            self.group.limit_memory(memory_mib * MIB)
            self.group.limit_cpu(spec.milli_cpus)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.idle_since = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "transcode.handlers.functiongraph_image"],
            env=front.environment | {"PORT": str(self.port)},
            cwd=front.folder,
            stdout=subprocess.DEVNULL,
            stderr=front.log,
            process_group=0,
            preexec_fn=self._enter,  # noqa: PLW1509  the group holds from the first page
        )

    def _enter(self) -> None:
        if self.group is not None:
            self.group.add(os.getpid())

    def call(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, str]:
        peer = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        with closing(peer) as connection:
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")

    def wait(self, seconds: float = 120.0) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.02)
        raise ConnectionError

    @property
    def out_of_memory(self) -> bool:
        return self.group is not None and self.group.oom_kills() > 0

    def end(self) -> None:
        if self.group is not None:
            self.group.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.group is not None:
            for _ in range(100):
                if self.group.remove():
                    break
                time.sleep(0.02)


@dataclass
class Front:
    """The platform: an account with one function."""

    environment: dict[str, str]
    folder: Path
    keys: Keys
    memory_mib: int = 512
    """Of the function's configuration: what a call has without a header."""
    dynamic: bool = True
    concurrency: int = CONCURRENCY
    initializer_seconds: float = 30.0
    log: Any = subprocess.DEVNULL
    heard: Any = None
    """Called with each call that has ended."""
    calls: dict[str, Call] = field(default_factory=dict)
    warm: list[Instance] = field(default_factory=list)
    platform: Platform = field(default_factory=platform)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0

    def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """An asynchronous invocation: queued, or refused."""
        asked = headers.get("x-cff-instance-memory")
        memory = self.memory_mib
        if asked is not None and self.dynamic:
            allowed = {str(it) for it in self.platform.lattice.memory_mib}  # type: ignore[union-attr]
            if asked not in allowed:
                return 406, {"error_code": "FSS.0406", "error_msg": "Not acceptable"}
            memory = int(asked)
        if len(body) > 256_000:
            return 413, {"error_code": "FSS.0413", "error_msg": "Too large"}
        call = Call(request=secrets.token_hex(8), memory_mib=memory, body=body)
        self.calls[call.request] = call
        with self._lock:
            full = self._running >= self.concurrency
            self._running += not full
        if full:
            call.status = "DISCARD"
            call.error_code, call.error_message = "FSS.0429", "discarded"
            self._tell(call)
        else:
            threading.Thread(target=self._run, args=(call,), daemon=True).start()
        return 202, {"request_id": call.request}

    def cancel(self, request: str) -> None:
        call = self.calls.get(request)
        if call is not None and call.instance is not None:
            call.instance.end()

    def close(self) -> None:
        for call in self.calls.values():
            if call.instance is not None:
                call.instance.end()
        for instance in self.warm:
            instance.end()

    def _run(self, call: Call) -> None:
        try:
            self._carry_out(call)
        finally:
            with self._lock:
                self._running -= 1
            self._tell(call)

    def _carry_out(self, call: Call) -> None:
        call.began = time.monotonic()
        instance = self._warm(call.memory_mib)
        call.cold = instance is None
        instance = instance or Instance(self, call.memory_mib)
        call.instance, call.status = instance, "RUNNING"
        spec = spec_for_memory(self.platform, call.memory_mib)
        call.milli_cpus = spec.milli_cpus
        call.limit_mib = _limit(instance)
        headers = {
            "Content-Type": "application/json",
            "x-cff-request-id": call.request,
            "x-cff-memory": str(call.memory_mib),
            "x-cff-timeout": "3600",
        }
        try:
            instance.wait()
            began = time.monotonic()
            if call.cold:
                instance.call("/init", b"{}", headers)
            status, text = instance.call("/invoke", call.body, headers)
            call.status = "SUCCESS" if status < 400 else "FAIL"
            if status >= 400:
                call.error_code, call.error_message = f"HTTP.{status}", text[:500]
        except (OSError, http.client.HTTPException):
            began = call.began
            call.status = "FAIL"
            call.error_code, call.error_message = "FSS.0500", "the instance ended"
            if instance.out_of_memory:
                call.error_code = "FSS.0512"
                call.error_message = "Runtime process out of memory."
        call.seconds = time.monotonic() - began
        usage = Usage(
            wall_seconds=call.seconds,
            billed_milliseconds=billed_milliseconds(self.platform, call.seconds),
            cpu_seconds=0.0,
            peak_memory_bytes=None,
        )
        cost = bill(self.platform, spec, usage).total
        call.cost, call.currency = f"{cost.amount:f}", cost.currency
        call.instance = None
        if instance.process.poll() is None and call.status == "SUCCESS":
            instance.idle_since = time.monotonic()
            with self._lock:
                self.warm.append(instance)
        else:
            instance.end()

    def _warm(self, memory_mib: int) -> Instance | None:
        """One that waits for a call in this memory; those that waited too long end."""
        with self._lock:
            old = [
                it
                for it in self.warm
                if time.monotonic() - it.idle_since > IDLE_SECONDS
                or it.process.poll() is not None
            ]
            self.warm = [it for it in self.warm if it not in old]
            found = next((it for it in self.warm if it.memory_mib == memory_mib), None)
            if found is not None:
                self.warm.remove(found)
        for one in old:
            one.end()
        return found

    def _tell(self, call: Call) -> None:
        if self.heard is not None:
            self.heard(call)


def _limit(instance: Instance) -> int | None:
    """What the kernel holds its group to, in MiB."""
    if instance.group is None:
        return None
    for folder in instance.group.directories:
        for name in ("memory.limit_in_bytes", "memory.max"):
            with suppress(OSError, ValueError):
                return int((folder / name).read_text()) // MIB
    return None


class Handler(BaseHTTPRequestHandler):
    """The documented calls."""

    front: ClassVar[Front]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._is_signed(body):
            self._answer(401, {"error_code": "APIGW.0301", "error_msg": "signature"})
            return
        parts = urlsplit(self.path)
        _, _, call = unquote(parts.path).rpartition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if call == "invocations-async":
            self._answer(*self.front.take(headers, body))
        elif call == "cancel":
            self.front.cancel(json.loads(body)["request_id"])
            self._answer(200, {})
        else:
            self._answer(404, {"error_code": "APIGW.0101", "error_msg": "no such API"})

    def do_GET(self) -> None:
        if not self._is_signed(b""):
            self._answer(401, {"error_code": "APIGW.0301", "error_msg": "signature"})
            return
        asked = parse_qs(urlsplit(self.path).query).get("request_id", [""])[0]
        found = [
            {
                "request_id": it.request,
                "status": it.status,
                "error_code": it.error_code,
                "error_message": it.error_message,
            }
            for it in self.front.calls.values()
            if asked in {"", it.request}
        ]
        self._answer(200, {"invocations": found, "count": len(found)})

    def _is_signed(self, body: bytes) -> bool:
        given = self.headers.get("Authorization", "")
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        signed = {name: self.headers.get(name, "") for name in names}
        url = f"http://{self.headers.get('Host')}{self.path}"
        return bool(names[0]) and given == authorization(
            self.command, url, headers=signed, body=body, keys=self.front.keys
        )

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: calls are told as they end."""


def serve(front: Front, port: int = 0) -> ThreadingHTTPServer:
    """Answers in a thread of its own until it is shut down."""
    handler = type("Bound", (Handler,), {"front": front})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--memory", type=int, default=512, help="of the function, MiB")
    parser.add_argument("--dynamic", action="store_true", help="enable_dynamic_memory")
    parser.add_argument(
        "--self", metavar="URN", help="tell the function its own name, to start others"
    )
    parser.add_argument("--access-key", default="AK")
    parser.add_argument("--secret-key", default="SK")
    given = parser.parse_args()
    front = Front(
        environment=dict(os.environ),
        folder=Path.cwd(),
        keys=Keys(given.access_key, given.secret_key),
        memory_mib=given.memory,
        dynamic=given.dynamic,
        heard=lambda call: print(json.dumps(call.told()), flush=True),
    )
    server = serve(front, given.port)
    port = server.server_address[1]
    if given.self is not None:
        front.environment |= {
            "TRANSCODE_FUNCTIONGRAPH_FUNCTION": (
                f"functiongraph+http://127.0.0.1:{port}/{given.self}"
            ),
            "TRANSCODE_HUAWEI_ACCESS_KEY": given.access_key,
            "TRANSCODE_HUAWEI_SECRET_KEY": given.secret_key,
        }
    print(f"http://127.0.0.1:{port}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        front.close()


if __name__ == "__main__":
    main()
