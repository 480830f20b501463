"""
A proxy in front of a store that refuses, delays, trickles, cuts, lies and flips.

    python bench/stress/faults.py 127.0.0.1:9000 127.0.0.1:8333 --rate 0.2 --seed 1

HTTP/1.1 without TLS, one request after another on each connection. Headers pass
through as they are, so signatures stay valid; clients sign for the proxy's address.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, urlsplit

_SLICE = 1024


class Fault(StrEnum):
    """What can happen to one request."""

    REFUSE = "refuse"
    """The connection breaks before anything was read."""
    CUT_BEFORE = "cut before"
    """The request was read and never reaches the store."""
    CUT_IN_REQUEST = "cut in the request"
    """The store gets half of the body."""
    CUT_AFTER = "cut after"
    """The store did its work; its answer is lost."""
    CUT_IN_REPLY = "cut in the reply"
    """Half of the answer's body arrives."""
    ERROR_BEFORE = "500 before"
    ERROR_AFTER = "500 after"
    """The store did its work, and the answer is an error."""
    SLOW_DOWN = "503"
    EXPIRED = "403"
    """The key that it is asked with is no longer good."""
    FLIP_REQUEST = "flip in the request"
    FLIP_REPLY = "flip in the reply"
    TRICKLE = "trickle"
    """The answer comes at 10 KB/s."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as the plan of faults sees it."""

    number: int
    """From 0, over all connections."""
    operation: str
    """`PUT`, `HEAD`, `GET`, `DELETE`, `POST uploads`, `PUT partNumber`, …"""
    path: str


Plan = Callable[[Asked], Fault | None]
Pause = Callable[[Asked], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Message:
    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.body


class Proxy:
    """Relays to *upstream* as *plan* says; what was asked is kept in `asked`."""

    def __init__(self, upstream: tuple[str, int], *, seed: int = 0) -> None:
        self._upstream = upstream
        self.address = ""
        """Where it listens, `host:port`."""
        self._random = random.Random(seed)
        self.plan: Plan = lambda _asked: None
        self.pause: Pause | None = None
        """Awaited before a request is passed on."""
        self.asked: list[Asked] = []
        self.sent: list[tuple[Asked, int]] = []
        """Bytes of each answer's body, be it that its reader left before the end."""
        self.done: list[Fault] = []
        self._open: set[asyncio.Task[object]] = set()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection of a client."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  asyncio serves each in its own
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, EOFError, asyncio.CancelledError):
            # Cancelled only by `close`, after which nobody waits for us.
            pass
        finally:
            writer.transport.abort()

    async def close(self) -> None:
        """End every connection."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = await _head(reader)
        asked = self._note(head)
        fault = self.plan(asked)
        if fault:
            self.done.append(fault)
        if fault is Fault.REFUSE:
            return False
        if b"\r\nexpect: 100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request = _Message(_plain(head), await _body(head, reader))
        if self.pause:
            await self.pause(asked)
        reply = await self._answer(request, fault)
        if reply is None:
            return False
        self.sent.append((asked, len(reply.body)))
        await _send(writer, reply, fault)
        return fault is not Fault.CUT_IN_REPLY

    async def _answer(self, request: _Message, fault: Fault | None) -> _Message | None:
        if fault is Fault.CUT_BEFORE:
            return None
        if fault in (Fault.ERROR_BEFORE, Fault.SLOW_DOWN, Fault.EXPIRED):
            return _error(fault)
        if fault is Fault.FLIP_REQUEST:
            request = self._flip(request)
        half = fault is Fault.CUT_IN_REQUEST
        reply = await self._forward(request, half=half)
        if reply is None or fault is Fault.CUT_AFTER:
            return None
        if fault is Fault.ERROR_AFTER:
            return _error(fault)
        return self._flip(reply) if fault is Fault.FLIP_REPLY else reply

    def _note(self, head: bytes) -> Asked:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        parts = urlsplit(target)
        named = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        kinds = ("uploads", "partNumber", "uploadId", "list-type", "delete")
        kind = next((kind for kind in kinds if kind in named), "")
        if b"\r\nx-amz-copy-source:" in head.lower():
            kind = "copy"
        asked = Asked(len(self.asked), f"{method} {kind}".strip(), parts.path)
        self.asked.append(asked)
        return asked

    async def _forward(self, request: _Message, *, half: bool) -> _Message | None:
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            if half:
                writer.write(request.head + request.body[: len(request.body) // 2])
                await writer.drain()
                return None
            writer.write(request.raw)
            await writer.drain()
            head = await _head(reader)
            while head.split(b" ", 2)[1] == b"100":
                head = await _head(reader)
            empty = request.head.startswith(b"HEAD ") or head.split(b" ", 2)[1] in (
                *(b"204", b"304"),
            )
            return _Message(head, b"" if empty else await _body(head, reader))
        finally:
            writer.transport.abort()

    def _flip(self, message: _Message) -> _Message:
        if not message.body:
            return message
        body = bytearray(message.body)
        body[self._random.randrange(len(body))] ^= 1 << self._random.randrange(8)
        return _Message(message.head, bytes(body))


@asynccontextmanager
async def proxied(
    upstream: str, *, listen: str = "127.0.0.1:0"
) -> AsyncIterator[Proxy]:
    """A proxy for the block."""
    host, _, port = upstream.removeprefix("http://").partition(":")
    proxy = Proxy((host, int(port)))
    own, _, number = listen.partition(":")
    server = await asyncio.start_server(proxy.serve, own, int(number))
    proxy.address = "{}:{}".format(*server.sockets[0].getsockname()[:2])
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()


def at_random(rate: float, seed: int) -> Plan:
    """Every fault alike, for a part *rate* of all requests."""
    dice = random.Random(seed)
    faults = [one for one in Fault if one not in (Fault.TRICKLE, Fault.EXPIRED)]
    return lambda _asked: dice.choice(faults) if dice.random() < rate else None


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    """As it stands on the wire, chunk sizes and all."""
    fields = head.lower()
    if b"\r\ntransfer-encoding: chunked" in fields:
        body = b""
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            body += line + await reader.readexactly(size + 2)
            if not size:
                return body
    _, found, rest = fields.partition(b"\r\ncontent-length:")
    return await reader.readexactly(int(rest.split(b"\r\n")[0])) if found else b""


def _plain(head: bytes) -> bytes:
    """Without what concerns this connection only."""
    lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"expect:")]
    return b"\r\n".join(kept)


def _error(fault: Fault) -> _Message:
    status, code = ("500 Internal Server Error", "InternalError")
    if fault is Fault.SLOW_DOWN:
        status, code = ("503 Slow Down", "SlowDown")
    elif fault is Fault.EXPIRED:
        status, code = ("403 Forbidden", "ExpiredToken")
    body = f"<Error><Code>{code}</Code><Message>a test</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\n"
    return _Message(f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body)


async def _send(
    writer: asyncio.StreamWriter, reply: _Message, fault: Fault | None
) -> None:
    body = reply.body
    if fault is Fault.CUT_IN_REPLY:
        # Of an empty body, the head is cut.
        raw = reply.raw if body else reply.head[: len(reply.head) // 2]
        end = len(reply.head) + len(body) // 2 if body else len(raw)
        writer.write(raw[:end])
        await writer.drain()
        return
    writer.write(reply.head)
    if fault is Fault.TRICKLE:
        for start in range(0, len(body), _SLICE):
            writer.write(body[start : start + _SLICE])
            await writer.drain()
            await asyncio.sleep(0.1)
    else:
        writer.write(body)
    await writer.drain()


async def _main() -> None:
    # Tests load this file where no bench can be imported.
    from bench.harness import parser_of  # noqa: PLC0415

    parser = parser_of(__doc__)
    parser.add_argument("listen", help="host:port of its own")
    parser.add_argument("upstream", help="host:port of the store")
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    async with proxied(args.upstream, listen=args.listen) as proxy:
        proxy.plan = at_random(args.rate, args.seed)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
