"""A remote upload is fetched by a process of its own: who decodes it has no network."""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import selectors
import signal
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import NoReturn

from ..access.web import Changed, Down, Gone, Web, WebAnswer, WebError
from ..contract import Source
from ..errors import ObjectChanged, SourceUnreadable, StoreDown, TranscodeError
from ..retry import RetryPolicy
from ..sandbox.fence import Fence, Permissions, ports_of
from ..sandbox.fork import fork
from ..sandbox.handover import Handover
from ..sandbox.required import can_hand_over
from .command.seek import SERVED

AGAIN = RetryPolicy(0.5, maximum_attempts=7, jitter=(0.5, 1.0))
"""Half a minute in all: object storage drops long connections, and restarts."""
_SILENT_SECONDS = 30.0
"""A connection on which so long nothing comes is dead."""
_PIECE = 256 * 1024
_MOST_HEAD = 16 * 1024
_ENDED = "the process that fetched it has ended"
_RANGE = re.compile(rb"(?im)^range:[ \t]*bytes=(\d{1,19})-(\d{0,19})[ \t]*\r?$")
_OPEN_FILES = 128


@dataclass(frozen=True, slots=True)
class FetchFault:
    """Why a source could not be read to where it was asked for."""

    kind: str
    """`down`, `changed` or `unreadable`."""
    said: str
    """A clause for a person, with none of the server's words."""

    def error(self, **evidence: object) -> TranscodeError:
        if self.kind == "down":
            # What came of a source that broke off tells nothing of the source itself.
            return StoreDown(
                "The source's server broke off while it was read"
                f" ({self.said.rstrip('.')}); try again later.",
                **evidence,
            )
        if self.kind == "changed":
            return ObjectChanged(
                "The source is no longer the one that was planned for; run again.",
                **evidence,
            )
        return SourceUnreadable(
            f"The source cannot be read any more: {self.said}.", **evidence
        )


class Fetcher:
    """
    The process that fetches one source for one program, over http without a network.

    Where the kernel hands over connections, the program's fence is told to whom
    (`served_by`); elsewhere it connects to a port of this machine, which its fence
    keeps it to where the kernel knows ports. To be made while there is one thread.
    """

    def __init__(self, source: Source) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        self._door: socket.socket | None = None
        self._path = secrets.token_urlsafe()
        if not can_hand_over():
            self._door = socket.create_server(("127.0.0.1", 0))
        parent = os.getpid()
        self._process: int | None = fork()
        if self._process == 0:
            _live(source, theirs, self._door, path=self._path, parent=parent)
        theirs.close()

    def close(self) -> None:
        if self._process is not None:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        self._ours.close()
        if self._door is not None:
            self._door.close()

    def given(
        self, argv: Sequence[str], may: Permissions
    ) -> tuple[list[str], Permissions]:
        """A program's arguments and permissions, with the way to its source."""
        if self._door is None:
            return [*argv], may._replace(served_by=self._ours.fileno())
        port = self._door.getsockname()[1]
        address = f"http://127.0.0.1:{port}/{self._path}"
        named = [address if it == SERVED else it for it in argv]
        return named, may._replace(network=True, ports=(port,))

    def fault(self) -> FetchFault | None:
        """The first thing that went wrong, once the program has ended."""
        try:
            if told := self._ours.recv(_MOST_HEAD):
                return FetchFault(*json.loads(told))
        except BlockingIOError:
            pass
        except ConnectionError:
            # It was killed before it had read what we told it.
            return FetchFault("down", _ENDED)
        if self._process is not None and os.waitpid(self._process, os.WNOHANG)[0]:
            self._process = None
            return FetchFault("down", _ENDED)
        return None


def _live(
    source: Source,
    control: socket.socket,
    door: socket.socket | None,
    *,
    path: str,
    parent: int,
) -> NoReturn:
    code = 1
    try:
        _let_go({control.fileno(), *([] if door is None else [door.fileno()])})
        _confine(source.location)
        # It dies with its parent from now on; that one may be dead already.
        if os.getppid() == parent:
            _serve(source, control, door, path)
            code = 0
    finally:
        os._exit(code)


def _let_go(kept: set[int]) -> None:
    """Whoever waits for our parent's words must not wait for us."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  a number is wanted
        if int(name) not in kept | {2}:
            with suppress(OSError):
                os.close(int(name))


def _confine(url: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # Imported when first used: too late behind a fence.
    "x".encode("idna")
    may = Permissions(
        reads=(
            *filter(os.path.isdir, sys.path),
            *sys.modules["transcode"].__path__,
            *filter(None, ssl.get_default_verify_paths()[:2]),
        ),
        network=True,
        ports=ports_of(url),
        serves=True,
        open_files=_OPEN_FILES,
        file_bytes=0,
    )
    with Fence(may) as fence:
        fence.enter()


def _serve(
    source: Source, control: socket.socket, door: socket.socket | None, path: str
) -> None:
    """Until nobody asks any more."""
    serving = partial(_answer, source, control, None if door is None else path)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        if door is not None:
            selector.register(door, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                made: socket.socket | None = None
                if key.fileobj is control:
                    _, listeners, _, _ = socket.recv_fds(control, 1, 1)
                    if not listeners:
                        return
                    selector.register(Handover(listeners[0]), selectors.EVENT_READ)
                elif isinstance(key.fileobj, Handover):
                    made = key.fileobj.answer()
                elif door is not None:
                    made, _ = door.accept()
                if made is not None:
                    Thread(target=serving, args=(made,), daemon=True).start()


def _answer(
    source: Source, control: socket.socket, path: str | None, connection: socket.socket
) -> None:
    """One request; what goes wrong is told to our parent before the reader hears it."""
    with connection:
        try:
            first, last = _wanted(connection, path)
            etag = source.etag if source.uri.startswith("s3://") else None
            web = Web(source.location, public_only=source.public_only, etag=etag)
            _fetch(web, connection, first, last)
        except WebError as exc:
            kind = {Down: "down", Changed: "changed"}.get(type(exc), "unreadable")
            with suppress(OSError):
                control.send(json.dumps([kind, str(exc)]).encode())
        except (OSError, ValueError):
            # It reads elsewhere now, or asked for what no reader asks for.
            return


def _fetch(web: Web, reader: socket.socket, first: int, last: int | None) -> None:
    """Raises `WebError` where there is no more to be had, and OSError of *reader*."""
    total: int | None = None
    failed = 0
    while True:
        begun = first
        fault = Down("its server's answers end before they are whole")
        try:
            with closing(web.stream(first, last, until=_until())) as stream:
                size = _size(stream.answer)
                if total is None:
                    reader.sendall(_head(first, last, size))
                elif size != total:
                    raise Changed("its size has changed")
                total = size
                end = size if last is None else min(last + 1, size)
                while first < end:
                    piece = stream.read(min(_PIECE, end - first), until=_until())
                    if not piece:
                        break
                    reader.sendall(piece)
                    first += len(piece)
                else:
                    return
        except Down as exc:
            fault = exc
        failed = 1 if first > begun else failed + 1
        if AGAIN.exhausted(failed):
            raise fault
        time.sleep(AGAIN.wait_seconds(failed, random.random()))  # noqa: S311


def _until() -> float:
    return time.monotonic() + _SILENT_SECONDS


def _size(answer: WebAnswer) -> int:
    size = answer.length_bytes if answer.status == 200 else answer.total_bytes  # noqa: PLR2004
    if size is None:
        raise Gone("its server does not say how large it is")
    return size


def _head(first: int, last: int | None, size: int) -> bytes:
    if first >= size:
        said = f"416 Beyond\r\nContent-Range: bytes */{size}\r\nContent-Length: 0"
    else:
        last = size - 1 if last is None else min(last, size - 1)
        said = (
            f"206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}"
            f"\r\nContent-Length: {last - first + 1}"
        )
    return f"HTTP/1.1 {said}\r\nConnection: close\r\n\r\n".encode()


def _wanted(reader: socket.socket, path: str | None) -> tuple[int, int | None]:
    """The range that is asked for; ValueError where it is no request of ours."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = reader.recv(_MOST_HEAD)
        head += piece
        if not piece or len(head) > _MOST_HEAD:
            raise ValueError
    if not head.startswith(b"GET " + (b"/" if path is None else f"/{path} ".encode())):
        raise ValueError
    found = _RANGE.search(head)
    if found is None:
        return 0, None
    return int(found[1]), int(found[2]) if found[2] else None
