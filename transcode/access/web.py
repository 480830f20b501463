"""
The one http client that reads sources, by ranges.

Redirects are followed within the origin only, a peer is judged once it is connected
to, and nothing that it says becomes part of an error. No proxy, cookies or `.netrc`.
Light to import: the probing child uses it, too.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from ..retry import PASSING, stays
from .peers import is_public

_CONNECT_SECONDS = 5.0
_ANSWERS = frozenset({200, 206, 416})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_PIECE = 16 * 1024
_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:[0-9]{1,19}|\*)")
_PORTS = {"http": 80, "https": 443}


class WebError(Exception):
    """A clause for a person about the server, with none of its words."""


class Gone(WebError):
    """Nothing is there."""


class WebUnreadable(WebError):
    """It cannot be read, now or later."""


class Changed(WebError):
    """What is there is not the version that was asked for."""


class Down(WebError):
    """No answer, or one that may be another soon."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """Of a request for a range."""

    status: int
    headers: Mapping[str, str]
    """By lower-case names; the peer's words: to be judged, never to be passed on."""
    body: bytes

    @property
    def total_bytes(self) -> int | None:
        """Of the whole object, where it says so."""
        total = self.headers.get("content-range", "").rpartition("/")[2]
        return int(total) if _is_number(total) else None

    @property
    def length_bytes(self) -> int | None:
        """Of this answer."""
        length = self.headers.get("content-length", "")
        return int(length) if _is_number(length) else None


class WebStream:
    """What a server answers, as it comes; to be closed."""

    def __init__(
        self, reply: http.client.HTTPResponse, connection: _Connection, first: int
    ) -> None:
        self.answer = WebAnswer(reply.status, _headers(reply), b"")
        """Without its body, which is yet to be read."""
        self._reply = reply
        self._connection = connection
        # A server without ranges begins at the beginning.
        self._skip = first if reply.status == 200 else 0  # noqa: PLR2004

    def read(self, most: int, *, until: float) -> bytes:
        """
        The next bytes, at most *most*, before *until* (`monotonic`); none at the end.

        Raises `Down`, also where there should be more of them.
        """
        self._connection.until = until
        with _told():
            piece = self._reply.read1(most)
            while piece and self._skip >= len(piece):
                self._skip -= len(piece)
                piece = self._reply.read1(most)
        piece, self._skip = piece[self._skip :], 0
        if not piece and self._reply.length:
            raise Down("its server's answers end before they are whole")
        return piece

    def close(self) -> None:
        self._reply.close()
        self._connection.close()


class Web:
    """One origin, over one connection as long as that lasts."""

    def __init__(self, url: str, *, public_only: bool, etag: str | None = None) -> None:
        """
        *public_only*: refuse a peer in a private network, on this link or machine.
        *etag*: of the one version that is meant, without quotes.

        Raises `WebUnreadable` for a URL that names no server.
        """
        self._url = url
        self._etag = etag
        self._public_only = public_only
        self._origin = origin_of(url)
        self._connection: _Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, first: int, last: int, *, until: float) -> WebAnswer:
        """
        The bytes from *first* to *last*, both included, before *until* (`monotonic`).

        A 416 is an answer, as is a 200 by a server without ranges, with no more of its
        body than was asked for. Raises `WebError`.
        """
        kept = self._connection is not None
        try:
            return self._whole(first, last, until)
        except Down:
            # A server closes what was idle without a word: once more, anew.
            if not kept or time.monotonic() >= until:
                raise
            return self._whole(first, last, until)

    def stream(self, first: int, last: int | None = None, *, until: float) -> WebStream:
        """
        The same as it comes, to the end where there is no *last*; over a connection of
        its own, so that there may be several. It begins before *until*.
        """
        apart = Web(self._url, public_only=self._public_only, etag=self._etag)
        with apart._failing():
            reply = apart._follow(f"{first}-{'' if last is None else last}", until)
            stream = WebStream(reply, apart._open(until), first)
            try:
                _begins_at(reply, first, last)
            except WebError:
                stream.close()
                raise
            return stream

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _whole(self, first: int, last: int, until: float) -> WebAnswer:
        with self._failing(), self._follow(f"{first}-{last}", until) as reply:
            answer = _read(reply, first, last, until)
            # More would come, which nobody asked for.
            if not reply.isclosed() or reply.will_close:
                self.close()
            return answer

    def _follow(self, wanted: str, until: float) -> http.client.HTTPResponse:
        """The answer that redirects lead to: a good one."""
        url = self._url
        for _ in range(_MOST_REDIRECTS + 1):
            reply = self._once(url, wanted, until)
            if reply.status in _ANSWERS:
                return reply
            aim = reply.headers.get("location", "")
            # What else it says of that is of no interest.
            reply.close()
            self.close()
            if reply.status not in _REDIRECTS:
                raise _refusal(reply.status)
            try:
                url = urljoin(url, aim)
                elsewhere = not aim or origin_of(url) != self._origin
            except (ValueError, WebError):
                elsewhere = True
            if elsewhere:
                raise WebUnreadable(
                    "its server redirects to another one, which is not followed; "
                    "name the address that it leads to"
                )
        raise WebUnreadable("its server redirects in a circle")

    def _once(self, url: str, wanted: str, until: float) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        path = parts.path or "/"
        headers = {
            "Range": f"bytes={wanted}",
            "User-Agent": "transcode",
            "Accept": "*/*",
        }
        if self._etag is not None:
            headers["If-Match"] = f'"{self._etag}"'
        connection = self._open(until)
        connection.until = until
        aim = f"{path}?{parts.query}" if parts.query else path
        connection.request("GET", aim, headers=headers)
        return connection.getresponse()

    def _open(self, until: float) -> _Connection:
        if self._connection is None:
            scheme, host, port = self._origin
            made = _Connection(scheme, host, port, public_only=self._public_only)
            made.until = until
            self._connection = made
        return self._connection

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            with _told():
                yield
        except WebError:
            self.close()
            raise


@contextmanager
def _told() -> Iterator[None]:
    """What happens to a connection becomes a `WebError` in words of ours."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as exc:
        said = f"its server cannot be read: {_why(exc)}"
        raise (WebUnreadable(said) if stays(exc) else Down(said)) from exc


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; raises `WebUnreadable` where it names none."""
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise WebUnreadable("its address is no valid URL") from exc
    if parts.scheme not in _PORTS or not parts.hostname:
        raise WebUnreadable("its address names no server")
    if parts.username is not None or parts.password is not None:
        raise WebUnreadable("its address holds a user name or password")
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


class _Connection(http.client.HTTPConnection):
    """Connects to a peer that may be connected to, and reads until a moment."""

    def __init__(self, scheme: str, host: str, port: int, *, public_only: bool) -> None:
        super().__init__(host, port)
        self._secure = scheme == "https"
        self.default_port = _PORTS[scheme]
        self._public_only = public_only
        self.until = 0.0

    def connect(self) -> None:
        raw = self._reach()
        try:
            if self._secure:
                raw.settimeout(self._left(_CONNECT_SECONDS))
                context = ssl.create_default_context()
                raw = context.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise
        self.sock = _Paced(raw, self)

    def _reach(self) -> socket.socket:
        refused = 0
        fault: OSError | None = None
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, where in found:
            if self._public_only and not is_public(str(where[0])):
                refused += 1
                continue
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(self._left(_CONNECT_SECONDS))
                made.connect(where)
                self._refuse_neighbour(made)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as exc:
                made.close()
                fault = exc
            except BaseException:
                made.close()
                raise
            else:
                return made
        if fault is None and refused:
            raise _neighbour()
        raise fault or OSError("its name has no address")

    def _refuse_neighbour(self, made: socket.socket) -> None:
        """Whoever answers the name now: what counts is who is at the other end."""
        if not self._public_only:
            return
        peer, own = made.getpeername()[0], made.getsockname()[0]
        if not is_public(peer) or peer == own:
            raise _neighbour()

    def _left(self, most: float) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, most)


def _neighbour() -> WebUnreadable:
    return WebUnreadable(
        "it lies on this machine or in a private network, and addresses there are "
        "read only where TRANSCODE_PRIVATE_HOSTS names the host"
    )


class _Paced:
    """A socket whose every wait ends when the request's time is over."""

    def __init__(self, raw: socket.socket, connection: _Connection) -> None:
        self._raw = raw
        self._connection = connection

    def sendall(self, data: bytes) -> None:
        self._raw.settimeout(self._wait())
        self._raw.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._raw, self._wait), _PIECE)

    def close(self) -> None:
        self._raw.close()

    def _wait(self) -> float:
        left = self._connection.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Incoming(io.RawIOBase):
    def __init__(self, raw: socket.socket, wait: Any) -> None:
        super().__init__()
        self._raw = raw
        self._wait = wait
        # Keeps the socket open: whoever made the connection may close it before.
        self._inner = raw.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._raw.settimeout(self._wait())
        return self._inner.readinto(buffer) or 0

    def close(self) -> None:
        self._inner.close()
        super().close()


def _read(
    reply: http.client.HTTPResponse, first: int, last: int, until: float
) -> WebAnswer:
    wanted = reply.status in (200, 206)
    body, most = bytearray(), _begins_at(reply, first, last) or last - first + 1
    while wanted and len(body) < most:
        piece = reply.read1(min(_PIECE, most - len(body)))
        if not piece:
            break
        body += piece
        if time.monotonic() > until:
            raise TimeoutError
    if len(body) < most and reply.status == 206:  # noqa: PLR2004
        raise Down("its server's answers end before they are whole")
    if wanted and reply.length == 0:
        reply.read()
    return WebAnswer(reply.status, _headers(reply), bytes(body))


def _begins_at(
    reply: http.client.HTTPResponse, first: int, last: int | None
) -> int | None:
    """
    How many bytes of what was asked for an answer of a range has; None of another.

    Raises `WebUnreadable` where it has others.
    """
    if reply.status != 206:  # noqa: PLR2004  Partial Content
        return None
    found = _RANGE.fullmatch(reply.headers.get("content-range", "").strip())
    if (
        found is None
        or int(found[1]) != first
        or (last is not None and int(found[2]) > last)
    ):
        raise WebUnreadable("its server answers another range than was asked for")
    return int(found[2]) - first + 1


def _headers(reply: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.getheaders()}


def _refusal(status: int) -> WebError:
    said = f"its server answers {status}"
    if status in (404, 410):
        return Gone(said)
    if status == 412:  # noqa: PLR2004  Precondition Failed
        return Changed(said)
    return (Down if status in PASSING else WebUnreadable)(said)


_REASONS: Sequence[tuple[type[Exception], str]] = (
    (TimeoutError, "it takes too long to answer"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    (ssl.SSLError, "it does not speak TLS as we do"),
    (socket.gaierror, "its name is not known"),
    (UnicodeError, "its address is to be percent-encoded"),
    (http.client.HTTPException, "it does not speak HTTP"),
)
"""The most specific first."""


def _why(exc: Exception) -> str:
    """What happened to the connection, in words that are ours or the kernel's."""
    for kind, words in _REASONS:
        if isinstance(exc, kind):
            return words
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return "the connection broke"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20  # noqa: PLR2004  2**63
