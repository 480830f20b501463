"""Who decodes a remote source has no network: whatever it connects to is its source."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from transcode.contract import Source
from transcode.retry import RetryPolicy
from transcode.sandbox.fence import Permissions
from transcode.sandbox.required import can_hand_over
from transcode.work import fetcher
from transcode.work.children import Children, Program
from transcode.work.command.seek import SERVED
from transcode.work.fetcher import FetchFault

DATA = b"".join(b"%05d" % number for number in range(1900))
SIZE = len(DATA)


class Store:
    """Serves `DATA` by ranges as far as it is told to, and counts who connects."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.connections = 0
        self.talk: Callable[[int, int], bytes] = ranged
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._door.accept()
                self.connections += 1
                with connection:
                    head = connection.recv(4096)
                    self.asked.append(head)
                    span = head.partition(b"bytes=")[2].partition(b"\r\n")[0]
                    first, _, last = span.partition(b"-")
                    answer = self.talk(int(first or 0), int(last or SIZE - 1))
                    connection.sendall(answer)


def ranged(first: int, last: int) -> bytes:
    if first >= SIZE:
        return b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\n\r\n" % SIZE
    last = min(last, SIZE - 1)
    return (
        b"HTTP/1.1 206 x\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n"
        % (first, last, SIZE, last - first + 1)
    ) + DATA[first : last + 1]


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.close()


@pytest.fixture(params=["handed over", "by port"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a connection is had: by this kernel, and by one that hands over none."""
    if request.param == "by port":
        monkeypatch.setattr(fetcher, "can_hand_over", lambda: False)
    elif not can_hand_over():
        pytest.skip("this kernel or container hands over no connections")
    monkeypatch.setattr(fetcher, "AGAIN", RetryPolicy(0.01, maximum_attempts=3))
    return str(request.param)


ASK = """
place=${1#http://127.0.0.1:}
exec 3<>/dev/tcp/127.0.0.1/${place%%/*}
echo -en "GET /${place#*/} HTTP/1.1\\r\\nRange: bytes=RANGE\\r\\n\\r\\n" >&3
while read -r line <&3 && [[ $line != $'\\r' ]]; do echo "$line"; done
while read -N 1 x <&3; do echo -n "$x"; done
"""


@pytest.fixture
def inside(
    store: Store, tmp_path: Path
) -> Callable[..., tuple[int, str, FetchFault | None, set[str]]]:
    """What a shell says that is fenced like ffmpeg: status, words, fault, refused."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash: it opens sockets in one line")
    program = os.path.realpath(bash)

    def run(
        script: str, etag: str | None = None
    ) -> tuple[int, str, FetchFault | None, set[str]]:
        location = f"http://127.0.0.1:{store.port}/x?signature=secret"
        source = Source(uri="s3://b/x", bytes=None, etag=etag, location=location)
        said: list[bytes] = []
        may = Permissions(writes=(str(tmp_path),), runs=program)
        with Children(tmp_path) as children:
            argv = [program, "--norc", "-c", script, "x", SERVED]
            started = Program("x", argv, said.append, said.append, may, source)
            children.start(started)
            status = children.wait().statuses["x"]
            return (
                status,
                b"".join(said).decode(),
                children.fault,
                {*children.refused},
            )

    return run


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("0-", 0, SIZE - 1), ("5-9", 5, 9), ("9000-", 9000, SIZE - 1), ("9500-", None, 0)],
)
def test_a_program_reads_by_ranges(
    wanted: str,
    first: int | None,
    last: int,
    inside: Callable[..., tuple[int, str, object, object]],
) -> None:
    """Over what is no network, as from a server of ranges."""
    _, said, fault, _ = inside(ASK.replace("RANGE", wanted))
    head, _, body = said.partition("Connection: close\r\n")

    assert None is fault
    if first is None:
        assert f"416 Beyond\r\nContent-Range: bytes */{SIZE}\r\n" in head
        return
    assert f"Content-Range: bytes {first}-{last}/{SIZE}\r\n" in head
    assert DATA[first : last + 1].decode() == body


def test_no_other_address_is_reached(
    way: str, inside: Callable[..., tuple[int, str, object, set[str]]]
) -> None:
    """Not even the store's own: who connects to it is connected to the fetcher."""
    other = Store()
    script = f"set -- http://127.0.0.1:{other.port}/x\n" + ASK.replace("RANGE", "0-9")
    _, said, _, refused = inside(script)
    if "ports" in refused:
        pytest.skip("this kernel keeps nobody to a port")
    other.close()

    assert 0 == other.connections
    if way == "handed over":
        assert DATA[:10].decode() in said
    else:
        assert "ermission denied" in said


def test_nothing_but_tcp_is_had(
    inside: Callable[..., tuple[int, str, object, object]],
) -> None:
    """No names are asked for, and nobody is told anything by UDP."""
    status, said, _, _ = inside("exec 3<>/dev/udp/127.0.0.1/53")

    assert 0 != status
    assert "ermission denied" in said


def test_the_version_that_was_planned_for(
    store: Store, inside: Callable[..., tuple[int, str, FetchFault, object]]
) -> None:
    """It is asked for by its etag; another one is told as such."""
    store.talk = lambda _first, _last: b"HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n"
    _, _, fault, _ = inside(ASK.replace("RANGE", "0-"), "e")

    assert b'If-Match: "e"\r\n' in store.asked[0]
    assert "ObjectChanged" == type(fault.error()).__name__


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([b"", b"", b""], "StoreDown"),
        ([b"HTTP/1.1 503 SECRET-BANNER\r\n\r\n"] * 3, "StoreDown"),
        ([ranged(0, SIZE)[:200], b"", b""], "StoreDown"),
        ([b"HTTP/1.1 403 SECRET-BANNER\r\n\r\n"], "SourceUnreadable"),
        ([b"HTTP/1.1 404 SECRET-BANNER\r\n\r\n"], "SourceUnreadable"),
        ([b"HTTP/1.1 302 x\r\nLocation: http://o/\r\n\r\n"], "SourceUnreadable"),
    ],
)
def test_what_cannot_be_read_is_told(
    answers: list[bytes],
    kind: str,
    store: Store,
    inside: Callable[..., tuple[int, str, FetchFault, object]],
) -> None:
    """By whom it was that failed, in none of the server's words."""
    left = iter(answers)
    store.talk = lambda _first, _last: next(left)
    _, said, fault, _ = inside(ASK.replace("RANGE", "0-"))

    assert kind == type(fault.error()).__name__
    assert "SECRET" not in said + fault.said
    assert "secret" not in said + fault.said
    assert [] == list(left)


def test_a_connection_that_breaks_is_gone_on_with(
    store: Store, inside: Callable[..., tuple[int, str, object, object]]
) -> None:
    """From the byte where it broke, whatever the server had promised."""
    store.talk = lambda first, last: ranged(first, last)[: 120 + SIZE // 3]
    _, said, fault, _ = inside(ASK.replace("RANGE", "0-"))

    assert None is fault
    assert DATA.decode() == said.partition("Connection: close\r\n")[2]
    assert 2 < len(store.asked)


def test_a_source_that_changes_size_is_another(
    store: Store, inside: Callable[..., tuple[int, str, FetchFault, object]]
) -> None:
    """What comes after a break is not of the file whose beginning was read."""

    def shrinks(first: int, last: int) -> bytes:
        answer = ranged(first, last)
        if first:
            return answer.replace(b"/%d" % SIZE, b"/%d" % (SIZE + 1))
        return answer[:300]

    store.talk = shrinks
    _, _, fault, _ = inside(ASK.replace("RANGE", "0-"))

    assert "ObjectChanged" == type(fault.error()).__name__


def test_one_that_is_killed_unheard_was_down(store: Store) -> None:
    """Before it read what it was told: a reset, which once ended a job for good."""
    location = f"http://127.0.0.1:{store.port}/x"
    one = fetcher.Fetcher(
        Source(uri="s3://b/x", bytes=None, etag=None, location=location)
    )
    process = one._process
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    one._ours.send(b"a listener")
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)

    fault = one.fault()

    one.close()
    assert FetchFault("down", "the process that fetched it has ended") == fault
    assert fault.error().retryable
