"""The only way a probing child reads an upload: read-only, counted and bounded."""

from __future__ import annotations

import io
import os
import random
import stat
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ...access.beneath import open_real
from ...retry import RetryPolicy

if TYPE_CHECKING:
    from ...access.web import Web

LOCAL_BLOCK = 4096
REMOTE_BLOCK = 32 * 1024
_ANSWER_SECONDS = 8
_AGAIN = RetryPolicy(0.5, maximum_attempts=4, jitter=(0, 1))
"""For a range: what drops a connection is up again a moment later."""


class Refused(Exception):
    """Why a child gave up: the name of a verdict and a sentence for a person."""

    def __init__(self, verdict: str, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.message = message


class Opened(NamedTuple):
    """Bytes of known number; `fetch(offset, count)` answers less at the end."""

    size: int
    fetch: Callable[[int, int], bytes]
    block: int


class CountingReader:
    """
    A read-only file over `fetch` that counts what it fetched and stops at a budget.

    Blocks are kept, so reading them again is free. When the budget is spent, reads
    answer the end of the file and `spent` is true: what was learned so far stands.
    """

    def __init__(self, opened: Opened, *, budget: int) -> None:
        self.size = opened.size
        self.budget = budget
        self.bytes_read = 0
        self.spent = False
        self.refused: Refused | None = None
        """Why its source could not be read; libav takes that for the end of it."""
        self.ceiling = budget
        """Like `budget`, but may be moved to keep some of it for a later question."""
        self._fetch = opened.fetch
        self._block = opened.block
        self._blocks: dict[int, bytes] = {}
        self._position = 0
        self._patch: tuple[int, bytes, int] | None = None

    def overlay(self, offset: int, content: bytes, length: int) -> None:
        """Show `content` at `offset`, followed by zeros up to `length` bytes."""
        self._patch = (offset, content, length)

    def read(self, count: int = -1) -> bytes:
        if count < 0:
            count = self.size - self._position
        data = self._patched(self._position, count)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}
        target = base[whence] + offset
        if target < 0:
            raise OSError(22, "seek before the start")
        self._position = target
        return target

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; fewer at the end or when spent."""
        end = min(offset + count, self.size)
        if offset >= end:
            return b""
        first, last = offset // self._block, (end - 1) // self._block
        parts = []
        number = first
        while number <= last:
            if number not in self._blocks and not self._load(number, last):
                break
            parts.append(self._blocks[number])
            number += 1
        data = b"".join(parts)
        start = offset - first * self._block
        return data[start : start + end - offset]

    def can_afford(self, count: int) -> bool:
        return self.bytes_read + count <= self.ceiling

    def _load(self, first: int, last: int) -> bool:
        stop = first
        while stop <= last and stop not in self._blocks:
            stop += 1
        affordable = (self.ceiling - self.bytes_read) // self._block
        if affordable <= 0:
            self.spent = True
            return False
        stop = min(stop, first + affordable)
        try:
            data = self._fetch(first * self._block, (stop - first) * self._block)
        except Refused as exc:
            self.refused = exc
            raise
        self.bytes_read += len(data)
        for number in range(first, stop):
            at = (number - first) * self._block
            self._blocks[number] = data[at : at + self._block]
        return bool(data)

    def _patched(self, offset: int, count: int) -> bytes:
        if self._patch is None:
            return self.at(offset, count)
        start, content, length = self._patch
        if offset < start:
            return self.at(offset, min(count, start - offset))
        if offset >= start + length:
            return self.at(offset, count)
        count = min(count, start + length - offset)
        return content[offset - start : offset - start + count].ljust(count, b"\0")


def open_local(path: str) -> Opened:
    """
    The file at `path`, which is a real one; verdicts `not_found` and `unreadable`.
    """
    try:
        fd = open_real(path)
        status = os.fstat(fd)
    except (FileNotFoundError, NotADirectoryError):
        raise Refused("not_found", "there is no such file") from None
    except OSError as exc:
        raise Refused("unreadable", f"it may not be read: {exc.strerror}") from exc
    if not stat.S_ISREG(status.st_mode):
        raise Refused("unreadable", "it is no regular file")
    return Opened(status.st_size, lambda at, n: os.pread(fd, n, at), LOCAL_BLOCK)


def open_remote(url: str, *, patience_seconds: float, public_only: bool) -> Opened:
    """
    The object behind an http(s) URL, read by ranges; see `access.web`.

    Verdicts `not_found` and `unreadable`; `down` where a range asked for several times
    got no answer, or all of them together took longer than *patience_seconds*.
    """
    # What no file needs.
    from ...access.web import Gone, Web, WebError  # noqa: PLC0415

    waited = 0.0

    def ask(offset: int, count: int) -> tuple[int, bytes]:
        nonlocal waited
        began = time.monotonic()
        try:
            return _patiently(web, offset, count, began + patience_seconds - waited)
        except Gone as exc:
            raise Refused("not_found", str(exc)) from exc
        except WebError as exc:
            raise Refused("unreadable", str(exc)) from exc
        finally:
            waited += time.monotonic() - began

    try:
        web = Web(url, public_only=public_only)
    except WebError as exc:
        raise Refused("unreadable", str(exc)) from exc
    size, head = ask(0, REMOTE_BLOCK)

    def fetch(offset: int, count: int) -> bytes:
        # The size could only be learned by asking for something: not asked for twice.
        if offset + count <= len(head) or (offset == 0 and len(head) == size):
            return head[offset : offset + count]
        return ask(offset, count)[1]

    return Opened(size, fetch, REMOTE_BLOCK)


def _patiently(web: Web, offset: int, count: int, until: float) -> tuple[int, bytes]:
    """Asked for several times where that may help, up to *until* (`monotonic`)."""
    from ...access.web import Down  # noqa: PLC0415

    for number in range(_AGAIN.maximum_attempts or 1):
        if number:
            pause = _AGAIN.wait_seconds(number, random.random())  # noqa: S311
            time.sleep(max(0.0, min(pause, until - time.monotonic())))
        try:
            soon = min(until, time.monotonic() + _ANSWER_SECONDS)
            return _ranged(web, offset, count, soon)
        except Down as exc:
            fault = exc
            if time.monotonic() >= until:
                break
    raise Refused("down", str(fault)) from fault


def _ranged(web: Web, offset: int, count: int, until: float) -> tuple[int, bytes]:
    """The size of the whole and *count* bytes of it, asked for once."""
    answer = web.ask(offset, offset + count - 1, until=until)
    if answer.status == 416:  # noqa: PLR2004  an empty object has no first byte
        return 0, b""
    if answer.status == 206:  # noqa: PLR2004  Partial Content
        if answer.total_bytes is None:
            raise Refused("unreadable", "its server does not say how large it is")
        return answer.total_bytes, answer.body
    length = answer.length_bytes
    if length is None or length > REMOTE_BLOCK:
        raise Refused("unreadable", "its server does not answer range requests")
    return length, answer.body[offset : offset + count]
