"""
An emulator of FunctionGraph for one function, where the service cannot be reached.

It answers the documented calls that we make (asynchronous invocation, its state,
cancelling, and those of `functiongraph_management`), with their signature checked, and
runs the real image handler
(`handlers/functiongraph_image.py`): one process for each instance, in a control group
with the memory and the CPU share that `X-Cff-Instance-Memory` asks for. What the
platform does is done here: a call in a memory that does not exist is refused, what is
above the account's concurrency is discarded silently, an instance is kept warm for a
minute, killed whole when its group is out of memory, billed per millisecond with its
initializer.

    python -m bench.fronts.functiongraph --port 8900 --memory 512 --dynamic

prints its address, then one JSON line for each invocation as it ends; port 0 takes any.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from bench.fronts.container import MIB, Answering, Box, platform_file, serving
from bench.fronts.functiongraph_management import Functions, name_of
from transcode.contract import Usage
from transcode.platforms.huawei_signing import Keys, authorization
from transcode.platforms.platform import Platform, spec_for_memory
from transcode.platforms.price import bill, billed_milliseconds

IDLE_SECONDS = 60.0
"""An instance that has had no call for so long ends; facts of the platform."""
CONCURRENCY = 100


@dataclass(slots=True)
class Call:
    """One asynchronous invocation."""

    request: str
    memory_mib: int
    body: bytes
    function: str = ""
    status: str = "WAIT"
    fate: str = "fine"
    """What the front was told to make of it."""
    again: bool = False
    """The second start of one that is started twice."""
    error_code: str = ""
    error_message: str = ""
    asked: float = field(default_factory=time.monotonic)
    began: float = 0.0
    ended: float = 0.0
    """Moments of this machine's monotonic clock."""
    seconds: float = 0.0
    """That are billed: from the instance's being there to the answer."""
    billed_milliseconds: int = 0
    """Of these: what `X-CFF-Billing-Duration` says of a synchronous call."""
    cold: bool = False
    peak_mib: int | None = None
    limit_mib: int | None = None
    """Of its control group, read from the kernel."""
    milli_cpus: int = 0
    cost: str = "0"
    currency: str = ""
    instance: Instance | None = None

    @property
    def log_line(self) -> str:
        """As the console shows it."""
        used = "" if self.peak_mib is None else f", memory used: {self.peak_mib:.3f}MB"
        return (
            f"Finish invoke request '{self.request}', "
            f"duration: {self.seconds * 1000:.3f}ms, "
            f"billing duration: {self.billed_milliseconds}ms{used}, "
            f"billing memory: {self.memory_mib}MB"
        )

    def told(self) -> dict[str, Any]:
        return {
            "request_id": self.request,
            "function": self.function,
            "memory_mib": self.memory_mib,
            "group_mib": self.limit_mib,
            "milli_cpus": self.milli_cpus,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            "billed_milliseconds": self.billed_milliseconds,
            "peak_mib": self.peak_mib,
            "log": self.log_line,
            "cold": self.cold,
            "cost": self.cost,
            "currency": self.currency,
            "error": self.error_message,
            "event": json.loads(self.body or b"{}"),
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it arrived."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def managed(self) -> tuple[str, str, str, bytes]:
        return self.method, self.path, self.query, self.body


class Instance:
    """A container: one process of the image, in a group of its own."""

    def __init__(self, front: Front, memory_mib: int, name: str = "") -> None:
        self.memory_mib, self.name = memory_mib, name
        spec = spec_for_memory(front.platform, memory_mib)
        self.box = Box("front", memory_mib * MIB, spec.milli_cpus)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.idle_since = time.monotonic()
        self.process = self.box.start(
            [sys.executable, "-m", "transcode.handlers.functiongraph_image"],
            front.environment | front.variables(name) | {"PORT": str(self.port)},
            front.folder,
            front.log,
        )

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

    def end(self) -> None:
        self.box.kill(self.process.pid)
        self.process.wait()
        self.box.remove()


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an invocation that was taken."""

    kind: Literal["fine", "dropped", "discarded", "twice", "late", "killed"] = "fine"
    """Dropped: never run, and for ever `WAIT`; killed: with its instance."""
    seconds: float = 0.0
    """Until it starts, where late; until the kill."""


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
    agency: Keys | None = None
    """Temporary keys of the function's agency: each call brings them, and they sign."""
    functions: Functions = field(default_factory=Functions)
    """Those that were set up; others are as the fields here say."""
    fate: Callable[[Call], Fate] = lambda _call: Fate()
    """Asked once for each invocation that is taken."""
    most_running: int = 0
    """At once, until now."""
    crowded: int = 0
    """Calls that were discarded because there was no room."""
    asked: list[Asked] = field(default_factory=list)
    """Every request whose signature was good."""
    calls: dict[str, Call] = field(default_factory=dict)
    warm: list[Instance] = field(default_factory=list)
    platform: Platform = field(default_factory=lambda: platform_file("functiongraph"))

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._running = self._late = 0

    def variables(self, name: str) -> dict[str, str]:
        """The environment that the function *name* was set up with."""
        config = self.functions.config.get(name, {})
        plain: dict[str, str] = json.loads(config.get("user_data") or "{}")
        hidden: dict[str, str] = json.loads(config.get("encrypted_user_data") or "{}")
        return plain | hidden

    def states(self, request: str) -> dict[str, Any]:
        """What is kept of one asynchronous invocation, or of all."""
        found = [
            {
                "request_id": it.request,
                "status": it.status,
                "error_code": it.error_code,
                "error_message": it.error_message,
            }
            for it in self.calls.values()
            if request in {"", it.request}
        ]
        return {"invocations": found, "count": len(found)}

    def take(
        self, headers: Mapping[str, str], body: bytes, name: str = ""
    ) -> tuple[int, Any]:
        """An asynchronous invocation of the function *name*: queued, or refused."""
        asked = headers.get("x-cff-instance-memory")
        config = self.functions.config.get(name, {})
        memory = config.get("memory_size", self.memory_mib)
        if asked is not None and config.get("enable_dynamic_memory", self.dynamic):
            allowed = {str(it) for it in self.platform.lattice.memory_mib}  # type: ignore[union-attr]
            if asked not in allowed:
                return 406, {"error_code": "FSS.0406", "error_msg": "Not acceptable"}
            memory = int(asked)
        if len(body) > 256_000:
            return 413, {"error_code": "FSS.0413", "error_msg": "Too large"}
        call = Call(secrets.token_hex(8), memory, body, function=name)
        self.calls[call.request] = call
        fate = self.fate(call)
        call.fate = fate.kind
        match fate.kind:
            case "dropped":
                pass
            case "late":
                with self._lock:
                    self._late += 1
                later = threading.Timer(fate.seconds, self._begin_late, (call,))
                later.daemon = True
                later.start()
            case "twice":
                again = Call(
                    secrets.token_hex(8),
                    memory,
                    body,
                    function=name,
                    fate=fate.kind,
                    again=True,
                )
                self.calls[again.request] = again
                self._begin(call, fate)
                self._begin(again, fate)
            case _:
                self._begin(call, fate)
        return 202, {"request_id": call.request}

    def _begin_late(self, call: Call) -> None:
        self._begin(call, Fate())
        with self._lock:
            self._late -= 1

    def _begin(self, call: Call, fate: Fate) -> None:
        with self._lock:
            crowded = self._running >= self.concurrency
            full = fate.kind == "discarded" or crowded
            self.crowded += crowded
            self._running += not full
            self.most_running = max(self.most_running, self._running)
        if full:
            call.status = "DISCARD"
            call.error_code, call.error_message = "FSS.0429", "discarded"
            self._tell(call)
            return
        if fate.kind == "killed":
            killer = threading.Timer(fate.seconds, self.cancel, (call.request,))
            killer.daemon = True
            killer.start()
        threading.Thread(target=self._run, args=(call,), daemon=True).start()

    @property
    def running(self) -> int:
        """Invocations, now."""
        return self._running

    @property
    def outstanding(self) -> int:
        """Those that run, and those that will yet start."""
        with self._lock:
            return self._running + self._late

    def cancel(self, request: str) -> None:
        call = self.calls.get(request)
        if call is not None and call.instance is not None:
            call.instance.end()

    def forget(self) -> None:
        """End the instances that wait: what comes next is cold."""
        with self._lock:
            old, self.warm = self.warm, []
        for one in old:
            one.end()

    def close(self) -> None:
        for call in self.calls.values():
            if call.instance is not None:
                call.instance.end()
        self.forget()

    def _run(self, call: Call) -> None:
        try:
            self._carry_out(call)
        finally:
            with self._lock:
                self._running -= 1
            self._tell(call)

    def _carry_out(self, call: Call) -> None:
        call.began = time.monotonic()
        config = self.functions.config.get(call.function, {})
        instance = self._warm(call.memory_mib, call.function)
        call.cold = instance is None
        instance = instance or Instance(self, call.memory_mib, call.function)
        call.instance, call.status = instance, "RUNNING"
        spec = spec_for_memory(self.platform, call.memory_mib)
        call.milli_cpus = spec.milli_cpus
        call.limit_mib = instance.box.limit_mib
        headers = {
            "Content-Type": "application/json",
            "x-cff-request-id": call.request,
            "x-cff-memory": str(call.memory_mib),
            "x-cff-timeout": str(config.get("timeout", 3600)),
        }
        if self.agency is not None and config.get("enable_auth_in_header", True):
            headers |= {
                "x-cff-security-access-key": self.agency.access,
                "x-cff-security-secret-key": self.agency.secret,
                "x-cff-security-token": self.agency.token or "",
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
            if instance.box.out_of_memory:
                call.error_code = "FSS.0512"
                call.error_message = "Runtime process out of memory."
        call.ended = time.monotonic()
        call.seconds = call.ended - began
        call.billed_milliseconds = billed_milliseconds(self.platform, call.seconds)
        call.peak_mib = instance.box.peak_mib
        usage = Usage(
            wall_seconds=call.seconds,
            billed_milliseconds=call.billed_milliseconds,
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

    def _warm(self, memory_mib: int, name: str) -> Instance | None:
        """One that waits for a call in this memory; those that waited too long end."""
        with self._lock:
            old = [
                it
                for it in self.warm
                if time.monotonic() - it.idle_since > IDLE_SECONDS
                or it.process.poll() is not None
            ]
            self.warm = [it for it in self.warm if it not in old]
            wanted = (memory_mib, name)
            fresh = (it for it in self.warm if (it.memory_mib, it.name) == wanted)
            found = next(fresh, None)
            if found is not None:
                self.warm.remove(found)
        for one in old:
            one.end()
        return found

    def _tell(self, call: Call) -> None:
        if self.heard is not None:
            self.heard(call)


class Handler(Answering, BaseHTTPRequestHandler):
    """The documented calls."""

    front: ClassVar[Front]

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def _handle(self) -> None:
        body = self.asked()
        if not self._is_signed(body):
            self._answer(401, {"error_code": "APIGW.0301", "error_msg": "signature"})
            return
        parts, front = urlsplit(self.path), self.front
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, parts.query, headers, body)
        front.asked.append(asked)
        managed = front.functions.answer(*asked.managed)
        if managed is not None:
            self._answer(*managed)
            return
        *_, urn, call = [unquote(part) for part in parts.path.split("/")]
        match self.command, call:
            case "POST", "invocations-async":
                self._answer(*front.take(headers, body, name_of(urn)))
            case "POST", "cancel":
                front.cancel(json.loads(body)["request_id"])
                self._answer(200, {})
            case "GET", "async-invocations":
                one = parse_qs(parts.query).get("request_id", [""])[0]
                self._answer(200, front.states(one))
            case _:
                self._answer(404, {"error_code": "APIGW.0101", "error_msg": "no API"})

    def _is_signed(self, body: bytes) -> bool:
        given = self.headers.get("Authorization", "")
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        signed = {name: self.headers.get(name, "") for name in names}
        url = f"http://{self.headers.get('Host')}{self.path}"
        keys, agency = self.front.keys, self.front.agency
        token = self.headers.get("X-Security-Token")
        if agency is not None and f"Access={agency.access}," in given:
            # Temporary keys count together with their token, which is signed, too.
            keys = agency
            if token != agency.token or (token and "x-security-token" not in names):
                return False
        elif token is not None:
            return False
        return bool(names[0]) and given == authorization(
            self.command, url, headers=signed, body=body, keys=keys
        )

    def _answer(self, status: int, document: Any) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.answer(status, body, {"Content-Type": "application/json"})


def serve(front: Front, port: int = 0) -> ThreadingHTTPServer:
    """Answers in a thread of its own until it is shut down."""
    return serving(Handler, port, front=front)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--memory", type=int, default=512, help="of the function, MiB")
    parser.add_argument("--dynamic", action="store_true", help="enable_dynamic_memory")
    parser.add_argument(
        "--self",
        metavar="URN",
        nargs="+",
        help="tell the function its own name and those of others, to start them",
    )
    parser.add_argument(
        "--agency",
        nargs="+",
        metavar="KEY",
        help="access, secret and token to hand to each call, which gets no other keys",
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
        agency=Keys(*given.agency[:2], *filter(None, given.agency[2:]))
        if given.agency
        else None,
        heard=lambda call: print(json.dumps(call.told()), flush=True),
    )
    server = serve(front, given.port)
    port = server.server_address[1]
    if given.self is not None:
        words = [f"functiongraph+http://127.0.0.1:{port}/{it}" for it in given.self]
        front.environment["TRANSCODE_FUNCTIONGRAPH_FUNCTION"] = " ".join(words)
        if given.agency is None:
            front.environment |= {
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
