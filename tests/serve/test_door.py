"""What strangers may do to the server's door: nothing that others would notice."""

from __future__ import annotations

import contextlib
import http.client
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response

from transcode.errors import SettingsError, StoreDown
from transcode.serve.connections import ConnectionLimits, peer_of
from transcode.serve.health import Health
from transcode.serve.listener import bind, is_loopback

EVENT = b'{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}'


@contextmanager
def connected(port: int, *, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """One connection that has said nothing yet."""
    with socket.create_connection(
        ("127.0.0.1", port), timeout=20, source_address=(source, 0)
    ) as made:
        yield made


def said(connection: socket.socket) -> bytes:
    """Everything until the other end is closed."""
    text = b""
    try:
        while piece := connection.recv(65536):
            text += piece
    except ConnectionResetError:
        pass
    return text


def exchanged(port: int, request: bytes) -> bytes:
    with connected(port) as connection:
        connection.sendall(request)
        return said(connection)


# ── how many, and for how long ────────────────────────────────────────────────


def test_idle_connections_stop_nobody(serve: Any) -> None:
    """Four hundred that say nothing, few descriptors: all others are answered."""
    server = serve("--to=out")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (256, 256))
    with ExitStack() as crowd:
        for _ in range(400):
            crowd.enter_context(connected(server.port))
        answers = [server.ask("GET", "/healthz").status for _ in range(3)]

    assert [200, 200, 200] == answers
    assert server.log.stat().st_size < 4096


def test_descriptors_run_out_without_a_word(serve: Any) -> None:
    """As many connections as there are descriptors fill no log with tracebacks."""
    server = serve("--to=out")
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (24, hard))
    with ExitStack() as crowd:
        for _ in range(300):
            crowd.enter_context(connected(server.port))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (256, hard))
    server.ask("GET", "/metrics")

    assert b"Traceback" not in server.log.read_bytes()
    assert server.log.stat().st_size < 4096


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and says so."""
    request = Request(scope, receive)
    await request.body()
    body = b"hello" * (2_000_000 if request.url.path == "/big" else 1)
    await Response(body)(scope, receive, send)


@contextmanager
def small(limits: ConnectionLimits) -> Iterator[int]:
    """A server of `hello` with these limits, in a process of its own; its port."""
    code = (
        "import anyio, sys\n"
        "sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from transcode.serve.listener import answering, bind\n"
        "from transcode.serve.connections import ConnectionLimits\n"
        "import test_door\n"
        "async def main():\n"
        "    with bind('127.0.0.1', 0) as listener:\n"
        "        async with anyio.create_task_group() as group:\n"
        "            async def run(*, task_status):\n"
        f"                limits = {limits!r}\n"
        "                await answering(test_door.hello, listener, limits=limits,\n"
        "                                task_status=task_status)\n"
        "            await group.start(run)\n"
        "            print(listener.getsockname()[1], flush=True)\n"
        "anyio.run(main)\n"
    )
    here = Path(__file__)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(here.parents[2]), str(here.parent)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_who_says_nothing_is_hung_up_on() -> None:
    """Nothing, half a header, a header and half a body, an answer that nobody reads."""
    limits = ConnectionLimits(head_seconds=0.5, idle_seconds=1, request_seconds=1.0)
    begun = b"GET / HTTP/1.1\r\nHost: local"
    body = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"
    with small(limits) as port:
        silent = exchanged(port, b"")
        half = exchanged(port, begun)
        cut = exchanged(port, body)
        with connected(port) as deaf:
            deaf.sendall(GET.replace(b"/ ", b"/big ", 1))
            for turn in (GET, GET):
                served = exchanged(port, turn)
            heard = said(deaf)

    assert b"" == silent
    assert len(heard) < 10_000_000
    assert half.startswith(b"HTTP/1.1 408 ")
    assert b"" == cut
    assert served.startswith(b"HTTP/1.1 200 ")


def test_a_header_a_byte_at_a_time_is_not_waited_for() -> None:
    """Each byte is no new beginning: the whole has to be there in time."""
    with small(ConnectionLimits(head_seconds=1.0)) as port, connected(port) as slow:
        slow.settimeout(0.05)
        answer = b""
        for byte in b"GET / HTTP/1.1\r\n" + b"X-Slow: yes\r\n" * 1000:
            try:
                slow.send(bytes([byte]))
                answer = slow.recv(100)
                break
            except TimeoutError:
                continue
            except OSError:
                break

    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_one_peer_takes_the_room_of_no_other() -> None:
    """Its own oldest idle connection makes room for its next; others keep theirs."""
    with (
        small(ConnectionLimits(connections=8, per_peer=4)) as port,
        ExitStack() as open_,
    ):
        other = open_.enter_context(connected(port, source="127.0.0.2"))
        crowd = [open_.enter_context(connected(port)) for _ in range(12)]
        crowd[-1].sendall(GET)
        last = crowd[-1].recv(100)
        first = said(crowd[0])
        other.sendall(GET)
        answered = other.recv(100)

    assert last.startswith(b"HTTP/1.1 200 ")
    assert b"" == first
    assert answered.startswith(b"HTTP/1.1 200 ")


def test_who_is_being_answered_is_not_hung_up_on() -> None:
    """With every place taken by a request, the next is told to come back."""
    upload = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    with (
        small(ConnectionLimits(connections=2, per_peer=2)) as port,
        ExitStack() as open_,
    ):
        busy = [open_.enter_context(connected(port)) for _ in range(2)]
        for one in busy:
            one.sendall(upload)
            assert one.recv(100).startswith(b"HTTP/1.1 100 ")
        late = exchanged(port, GET)
        for one in busy:
            one.sendall(b"done")
        answered = [one.recv(100) for one in busy]

    assert late.startswith(b"HTTP/1.1 503 ") or late == b""
    assert all(it.startswith(b"HTTP/1.1 200 ") for it in answered)


def test_a_network_of_ipv6_is_one_peer() -> None:
    """A customer has 2**64 addresses."""
    assert peer_of("2001:db8::1") == peer_of("2001:db8::ffff:1%eth0")
    assert peer_of("2001:db8::1") != peer_of("2001:db8:0:1::1")
    assert "10.0.0.1" == peer_of("::ffff:10.0.0.1")


# ── the message ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "request_",
    [
        (
            b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        (
            b"POST /events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
            b"Host: localhost\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"
        ),
        b"POST /events HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        (
            b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
            b"Content-Length: 3\r\n\r\n{}"
        ),
        b"GET /jobs/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /jobs/a%0ab HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /jobs/\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
    ],
    ids=str,
)
def test_what_two_programs_could_read_differently(
    refusing: Any, request_: bytes
) -> None:
    """400, once, and the connection is over."""
    answer = exchanged(refusing.port, request_ + GET)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert 1 == answer.count(b"HTTP/1.1 ")
    assert b"Traceback" not in refusing.log.read_bytes()


def test_an_address_without_end_is_answered(refusing: Any) -> None:
    """With 400, and the answer arrives although the rest was never read."""
    connection = http.client.HTTPConnection("127.0.0.1", refusing.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/jobs?source=" + "a" * 300_000)
        assert 400 == connection.getresponse().status


@pytest.mark.parametrize(
    "head",
    [
        "PUT /uploads/a%1E HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2",
        "PUT /uploads/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2",
        "POST /jobs HTTP/1.0\r\nContent-Length: 99999999",
    ],
)
def test_an_answer_before_the_body_arrives(refusing: Any, head: str) -> None:
    """
    It is read to its end by whoever sends on; the kernel would take it back where the
    connection is closed with something unread.
    """
    with connected(refusing.port) as connection:
        connection.sendall(f"{head}\r\n\r\n".encode())
        answer = connection.recv(65536)
        connection.sendall(b"[]")
        while piece := connection.recv(65536):
            answer += piece

    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.endswith(b"}")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budget", "1e300000000"),
        ("budget", "1e-300000000"),
        ("budget", "0e300000000"),
        ("budget", "NaN"),
        ("budget", "9" * 400),
        ("deadline_seconds", 1e308),
        ("deadline_seconds", "Infinity"),
        ("memory_mib", 10**30),
        ("chunks", 10**30),
        ("priority", 10**30),
        ("source", "s3://b/a\0b"),
        ("source", "s3://b/" + "k" * 10_000),
        ("profile", "x.toml"),
        ("profile", "x.TOML"),
        ("platform", "x.toml"),
        ("profile", "../x"),
        ("tags", {str(n): "x" for n in range(1000)}),
    ],
    ids=str,
)
def test_numbers_and_names_have_bounds(refusing: Any, field: str, value: Any) -> None:
    """400 with the field; nothing is written out, and no file of ours is read."""
    (refusing.log.parent / "x.toml").write_text("[secret]\nvalue = 1\n")

    reply = refusing.ask("POST", "/jobs", {"source": "s3://b/k", field: value})

    assert (400, "UsageError") == (reply.status, reply.json["type"])
    assert field in reply.json["message"]
    assert len(reply.body) < 2000
    assert b"secret" not in reply.body


# ── who ───────────────────────────────────────────────────────────────────────

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (JSON, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "application/cloudevents+json"}, 200),
        ({"Content-Type": "text/plain", "x-amz-sns-message-type": "x"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=a"}, 415),
        ({"Content-Type": ""}, 415),
        ({**JSON, "Host": "evil.example"}, 421),
        ({**JSON, "Host": "evil.example:80"}, 421),
        ({**JSON, "Host": "localhost.evil.example"}, 421),
        ({**JSON, "Host": "localhost:1"}, 200),
        ({**JSON, "Host": "[::1]:1"}, 200),
        ({**JSON, "Origin": "http://evil.example"}, 403),
        ({**JSON, "Origin": "null"}, 403),
        ({**JSON, "Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
        ({**JSON, "Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
        ({**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**JSON, "Sec-Fetch-Site": "same-site"}, 403),
    ],
    ids=str,
)
def test_no_page_of_others_starts_a_job(
    refusing: Any, headers: dict[str, str], status: int
) -> None:
    """Whatever a browser sends without asking first is refused."""
    assert status == refusing.ask("POST", "/events", EVENT, headers).status


def test_no_page_of_others_stops_a_job(refusing: Any) -> None:
    """A form that is sent to cancel or retry; nor does one of another origin read."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    foreign = {"Origin": "http://evil.example"}

    forms = [
        refusing.ask("POST", f"/jobs/feedbeef/{what}", headers=form).status
        for what in ("cancel", "retry")
    ]
    pages = [
        refusing.ask("POST", "/jobs/feedbeef/cancel", headers=foreign).status,
        refusing.ask("GET", "/jobs/feedbeef", headers=foreign).status,
        refusing.ask("OPTIONS", "/events", headers=foreign).status,
    ]
    plain = refusing.ask("POST", "/jobs/feedbeef/cancel").status

    assert [415, 415] == forms
    assert [403, 403, 403] == pages
    assert 404 == plain


def test_names_that_an_operator_gave_it(serve: Any) -> None:
    """Behind a proxy the server has the proxy's name."""
    server = serve("--to=out", env={"TRANSCODE_HOSTS": "Video.example other.example"})

    asked = [
        server.ask("GET", "/metrics", headers={"Host": name}).status
        for name in ("video.example", "VIDEO.example:443", "evil.example")
    ]

    assert [200, 200, 421] == asked


def test_several_tokens_while_one_replaces_another(serve: Any) -> None:
    """Each opens the door, their text as a whole does not."""
    server = serve("--to=out", env={"TRANSCODE_TOKEN": "old-token  new-töken"})

    asked = [
        server.ask(
            "GET",
            "/metrics",
            headers={"Authorization": b"Bearer " + token.encode(), "Host": "any.name"},
        ).status
        for token in ("old-token", "new-töken", "old-token  new-töken", "")
    ]

    assert [200, 200, 401, 401] == asked


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_no_open_door(
    token: str, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a secret that was not found would leave it; exit code 2."""
    monkeypatch.setenv("TRANSCODE_TOKEN", token)

    done = cli("serve", "--to=out", "--port=0")

    assert 2 == done.returncode
    assert "TRANSCODE_TOKEN is set and empty" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "", "0", "::"])  # noqa: S104
def test_it_is_not_opened_to_others_without_a_token(host: str, cli: Any) -> None:
    """Exit code 2, with what to set."""
    if host == "::" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")

    done = cli("serve", "--to=out", "--port=0", f"--host={host}")

    assert 2 == done.returncode
    assert "TRANSCODE_TOKEN" in done.stderr or "Address family" in done.stderr


def test_what_is_this_machine_alone() -> None:
    """However its address is written, and nothing else."""
    ours = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")
    others = ("0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "")  # noqa: S104

    assert all(is_loopback(one) for one in ours)
    assert not any(is_loopback(one) for one in others)
    with bind("localhost", 0, private=True) as listener:
        assert is_loopback(listener.getsockname()[0])
    with pytest.raises(SettingsError, match="Cannot listen"):
        bind("no-such-host.invalid", 0)


# ── health ────────────────────────────────────────────────────────────────────


def test_health_is_looked_at_once_for_all() -> None:
    """The store is asked every few seconds, whoever asks and how often."""
    looks: list[float] = []
    now = [0.0]

    async def look() -> None:
        looks.append(now[0])
        if now[0] > 8:
            raise StoreDown("s3://secret/place does not answer.")

    async def asked() -> list[bool]:
        health = Health(look, clock=lambda: now[0])
        found = []
        for now[0] in (0.0, 1.0, 4.9, 5.1, 9.0, 10.2):
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(health.ask)
            found.append(await health.ask())
        return found

    found = anyio.run(asked)

    assert [True, True, True, True, True, False] == found
    assert [0.0, 5.1, 10.2] == looks


def test_health_tells_nothing_of_the_store(serve: Any) -> None:
    """Anybody may ask; a constant is all they hear, well or not."""
    server = serve("--to=out")
    well = server.ask("GET", "/healthz", headers={"Host": "any.name"})

    assert (200, b'{"status":"ok"}') == (well.status, well.body)
