"""The one http client: same origin, public peers, and none of their words."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from transcode.access.peers import is_link_local, is_public
from transcode.access.web import Down, Gone, Web, WebAnswer, WebError, WebUnreadable

WORDS = b"SECRET-BANNER"
PARTIAL = b"HTTP/1.1 206 x\r\n"
DATA = bytes(range(256)) * 400

Talk = Callable[[socket.socket, bytes], None]


class Peer:
    """A server of few words: what it says to a request is a function's."""

    def __init__(self, talk: Talk) -> None:
        self.connections = 0
        self.asked: list[bytes] = []
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(
                target=self._answer, args=(connection,), daemon=True
            ).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = connection.recv(4096)
                    if not piece:
                        return
                    head += piece
                self.asked.append(head)
                self._talk(connection, head)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def peer() -> Iterator[Callable[[Talk], Peer]]:
    made: list[Peer] = []

    def start(talk: Talk) -> Peer:
        made.append(Peer(talk))
        return made[-1]

    yield start
    for one in made:
        one.close()


def asked(url: str, *, public_only: bool = False, seconds: float = 5) -> WebAnswer:
    """Its first ten bytes."""
    with Web(url, public_only=public_only) as web:
        return web.ask(0, 9, until=time.monotonic() + seconds)


def soon() -> float:
    return time.monotonic() + 5


def ranged(connection: socket.socket, head: bytes) -> None:
    """As a server with ranges answers, and keeps the connection."""
    span = head.partition(b"Range: bytes=")[2].partition(b"\r\n")[0]
    first, last = (int(part) for part in span.split(b"-"))
    body = DATA[first : last + 1]
    if not body:
        connection.sendall(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n")
        return
    connection.sendall(
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes %d-%d/%d\r\n"
        b"Content-Length: %d\r\n\r\n%b"
        % (first, first + len(body) - 1, len(DATA), len(body), body)
    )


def always(answer: bytes) -> Talk:
    def talk(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    return talk


def test_ranges_come_over_one_connection(peer: Callable[[Talk], Peer]) -> None:
    """Each in full, the last as far as it goes, and none beyond the end."""
    server = peer(ranged)
    web = Web(f"{server.url}/a", public_only=False)

    answers = [
        web.ask(at, at + 99, until=soon()) for at in (0, 5000, len(DATA) - 9, 10**6)
    ]
    web.close()

    assert [DATA[:100], DATA[5000:5100], DATA[-9:], b""] == [a.body for a in answers]
    assert [len(DATA)] * 3 == [a.total_bytes for a in answers[:3]]
    assert 416 == answers[3].status
    assert 1 == server.connections


def test_a_connection_that_was_closed_meanwhile(peer: Callable[[Talk], Peer]) -> None:
    """Servers close what is idle without a word; nobody notices."""

    def once(connection: socket.socket, head: bytes) -> None:
        ranged(connection, head)
        connection.shutdown(socket.SHUT_RDWR)

    server = peer(once)

    with Web(f"{server.url}/a", public_only=False) as web:
        bodies = [web.ask(0, 9, until=soon()).body for _ in range(3)]

    assert [DATA[:10]] * 3 == bodies
    assert 3 == server.connections


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{other}/x",
        "http://localhost:{port}/x",
        "https://127.0.0.1:{port}/x",
        "ftp://127.0.0.1:{other}/x",
        "file:///etc/passwd",
        "//127.0.0.1:{other}/x",
        "http://127.0.0.1:{port}@127.0.0.1:{other}/x",
        "gopher://127.0.0.1:{other}/",
        "http://[",
        "",
    ],
)
def test_redirects_stay_at_home(address: str, peer: Callable[[Talk], Peer]) -> None:
    """Another port, host, scheme or nonsense: nobody else is connected to."""
    other = peer(ranged)
    aim = [""]

    def talk(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 302 SECRET-BANNER\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
            % aim[0].encode()
        )

    server = peer(talk)
    aim[0] = address.format(port=server.port, other=other.port)

    with pytest.raises(WebUnreadable, match="redirects") as caught:
        asked(f"{server.url}/a")

    assert (1, 0) == (server.connections, other.connections)
    assert "SECRET" not in str(caught.value)


def test_redirects_at_home_are_followed(peer: Callable[[Talk], Peer]) -> None:
    """But not in a circle."""

    def talk(connection: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET /b?c "):
            ranged(connection, head)
            return
        aim = b"/b?c" if head.startswith(b"GET /a ") else b"/round"
        connection.sendall(
            b"HTTP/1.1 301 x\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % aim
        )

    server = peer(talk)

    answer = asked(f"{server.url}/a")
    with pytest.raises(WebUnreadable, match="circle"):
        asked(f"{server.url}/x")

    assert DATA[:10] == answer.body
    assert 8 == len(server.asked)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"220 SECRET-BANNER FTP\r\n", Down),
        (b"SSH-2.0-SECRET-BANNER\r\n", Down),
        (b"HTTP/1.1 403 SECRET-BANNER\r\nContent-Length: 0\r\n\r\n", WebUnreadable),
        (b"HTTP/1.1 404 SECRET-BANNER\r\nContent-Length: 0\r\n\r\n", Gone),
        (b"HTTP/1.1 503 SECRET-BANNER\r\nContent-Length: 0\r\n\r\n", Down),
        (b"HTTP/1.1 999 SECRET-BANNER\r\nContent-Length: 0\r\n\r\n", WebUnreadable),
        (b"HTTP/1.1 206 x\r\nContent-Range: SECRET-BANNER\r\n\r\n", WebUnreadable),
        (PARTIAL + b"Content-Range: bytes 5-9/10\r\n\r\nabcde", WebUnreadable),
        (PARTIAL + b"Content-Range: bytes 0-9/10\r\n\r\nabc", Down),
        (b"HTTP/1.1 200 x\r\n" + b"SECRET-BANNER: 1\r\n" * 200 + b"\r\n", Down),
        (b"", Down),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else None,
)
def test_a_peers_words_are_nobodys(
    answer: bytes, kind: type[WebError], peer: Callable[[Talk], Peer]
) -> None:
    """Whatever is at the other end is told apart, and not quoted."""
    server = peer(always(answer))

    with pytest.raises(kind) as caught:
        asked(f"{server.url}/a")

    assert type(caught.value) is kind
    assert "SECRET" not in str(caught.value)


def test_a_byte_at_a_time_is_no_answer(peer: Callable[[Talk], Peer]) -> None:
    """The time is for the whole, headers included."""

    def talk(connection: socket.socket, _head: bytes) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    server = peer(talk)

    with pytest.raises(Down, match="too long"):
        asked(f"{server.url}/a", seconds=0.5)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0.0.0.0"],  # noqa: S104
)
def test_no_neighbour_is_spoken_to(host: str, peer: Callable[[Talk], Peer]) -> None:
    """However its address is written, and whatever a name leads to."""
    server = peer(ranged)

    with pytest.raises(WebUnreadable, match="private network"):
        asked(f"http://{host}:{server.port}/", public_only=True)

    assert 0 == server.connections


def test_what_a_name_led_to_counts_for_nothing(
    peer: Callable[[Talk], Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public when it was asked for, and a neighbour at the other end: no word said."""
    server = peer(ranged)
    monkeypatch.setattr("transcode.access.web.is_public", _once_public())

    with pytest.raises(WebUnreadable, match="private network"):
        asked(f"{server.url}/", public_only=True)

    assert [] == server.asked


def _once_public() -> Callable[[str], bool]:
    """As for a name that leads elsewhere from its second look on ("rebinding")."""
    answers = iter([True])
    return lambda host: next(answers, is_public(host))


def test_which_addresses_are_public() -> None:
    """Also those that stand inside of others."""
    public = ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
    private = [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254"),
        *("100.100.100.200", "0.0.0.0", "255.255.255.255", "224.0.0.1"),  # noqa: S104
        *("192.0.0.192", "198.18.0.1", "168.63.129.16", "::1", "::", "fe80::1%eth0"),
        *("fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1"),
        *("2002:a00:1::1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "name", ""),
    ]

    assert [] == [one for one in public if not is_public(one)]
    assert [] == [one for one in private if is_public(one)]
    assert is_link_local("169.254.169.254")
    assert is_link_local("::ffff:169.254.169.254")
    assert not is_link_local("10.0.0.1")
