"""
How long a connection may say nothing, and how many anybody may hold.

uvicorn waits for ever for a first request, and counts connections only once one came.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_LINGER_SECONDS = 1.0
"""For what a refused caller is still sending."""
_SPARE_DESCRIPTORS = 4
"""Of every four that this process may open, three are for its work."""
_FEWEST = 8
_BATCH = 16
"""Connections that are accepted before those accepted earlier are judged."""
_BUSY = b"Too many connections; come back in a moment.\n"
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BUSY), _BUSY)
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What callers may take of a server."""

    connections: int = 256
    """At a time; never more than a quarter of the descriptors this process may have."""
    per_peer: int | None = 64
    """Of one address (of IPv6, of one /64); None: as many as of all. A proxy is one
    peer: what it keeps open and idle is closed where it opens more."""
    head_seconds: float = 10.0
    """From the connection, or the last answer, to the end of a request's headers."""
    idle_seconds: int = 5
    """Between an answer and the first byte of the next request."""
    request_seconds: float | None = 90.0
    """From the headers of a request to the last byte of its answer; None: for ever."""

    def held(self) -> ConnectionLimits:
        """The same within what the kernel gives this process."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return self
        most = min(self.connections, max(_FEWEST, soft // _SPARE_DESCRIPTORS))
        return replace(self, connections=most)


@dataclass
class Peers:
    """
    Every open connection, the oldest first.

    Where there is no room, the oldest one without a request makes it: of the same peer
    where that has too many, of anybody otherwise. Whoever asks at once is answered.
    """

    limits: ConnectionLimits
    _open: dict[Connection, str] = field(default_factory=dict)

    def admit(self, connection: Connection, peer: str) -> bool:
        """Count it in, or say that nobody can make room."""
        most = self.limits.per_peer
        own = [one for one, whose in self._open.items() if whose == peer]
        if most is not None and len(own) >= most and not self._end_one(own):
            return False
        full = len(self._open) >= self.limits.connections
        if full and not self._end_one(self._open):
            return False
        self._open[connection] = peer
        return True

    def forget(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    def _end_one(self, among: Any) -> bool:
        found = next((one for one in among if not one.is_busy), None)
        if found is None:
            return False
        self.forget(found)
        found.transport.abort()
        return True


class Connection(H11Protocol):
    """uvicorn's own, with an end to every wait."""

    peers: Peers
    """Set on a subclass for each server, see `connections_of`."""

    def connection_made(  # type: ignore[override]  # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(cast(asyncio.Transport, _Patient(transport, self)))
        self._deadline: asyncio.TimerHandle | None = None
        peer = peer_of(self.client[0] if self.client else "")
        if not self.peers.admit(self, peer):
            transport.write(_REFUSAL)
            transport.close()
            return
        self._give(self.peers.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give(None)
        self.peers.forget(self)
        super().connection_lost(exc)

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_heard(self) -> bool:
        """Whether nothing more is coming of what its caller began to say."""
        return self.conn.their_state not in (h11.SEND_BODY, h11.ERROR)

    def data_received(self, data: bytes) -> None:
        # What still comes of a connection that was refused is nobody's.
        if not self.transport.is_closing():
            super().data_received(data)

    def linger(self) -> None:
        """Have the connection ended soon, whether or not its caller ends it."""
        self._give(_LINGER_SECONDS)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and self.is_busy:
            self._give(self.peers.limits.request_seconds)

    def on_response_complete(self) -> None:
        self._give(self.peers.limits.head_seconds)
        super().on_response_complete()

    def _give(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self.loop.call_later(seconds, self._give_up)
        )

    def _give_up(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()
            return
        # Whoever began to say something hears why it ends.
        begun = not self.is_busy and self.conn.trailing_data[0]
        if begun and self.conn.our_state is h11.IDLE:
            answer = h11.Response(
                status_code=408,
                headers=[("Content-Length", "0"), ("Connection", "close")],
                reason=b"Request Timeout",
            )
            self.transport.write(self.conn.send(answer) or b"")
            self.transport.close()
            return
        self.transport.abort()


class _Patient:
    """
    A transport that reads for a moment more where it is closed before its time.

    Closed while a body is still coming, the kernel would take back the answer, too
    (RFC 9112, 9.6).
    """

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if self._connection.is_heard or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._closing = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._connection.linger()


def connections_of(limits: ConnectionLimits) -> type[Connection]:
    """A kind of connection that counts those of one server."""
    return type("CountedConnection", (Connection,), {"peers": Peers(limits.held())})


def peer_of(host: str) -> str:
    """Who an address belongs to: itself, or of IPv6 the network of one customer."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class Listener(socket.socket):
    """
    A listening socket that never fails for want of a descriptor.

    asyncio accepts as many as wait before it looks at one of them, and writes a
    traceback for each that it has no descriptor for: 86 MB of them were seen. Here a
    spare descriptor is given up to take such a connection and to end it.
    """

    __slots__ = ("_accepted", "_spare")

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._accepted = _batches()
        self._spare = _spare()

    def accept(self) -> tuple[socket.socket, Any]:
        if next(self._accepted):
            raise BlockingIOError
        try:
            return super().accept()
        except OSError as exc:
            if isinstance(exc, BlockingIOError | ConnectionAbortedError):
                raise
            self._shed()
            raise BlockingIOError from exc

    def _shed(self) -> None:
        self._give_up_spare()
        with contextlib.suppress(OSError):
            refused, _ = super().accept()
            refused.close()
        self._spare = _spare()

    def _give_up_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def close(self) -> None:
        self._give_up_spare()
        super().close()


def _batches() -> Iterator[bool]:
    """True once after every so many: then the loop turns."""
    while True:
        for _ in range(_BATCH):
            yield False
        yield True


def _spare() -> int | None:
    """None where somebody else was faster; the next connection is tried again."""
    with contextlib.suppress(OSError):
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    return None
