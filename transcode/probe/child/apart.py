"""A remote upload is fetched by a process of its own: who decodes it has no network."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from .reader import Opened, Refused

_ASKED = struct.Struct("=QQ")
"""Where to begin, and how many bytes."""
_TOLD = struct.Struct("=?Q")
"""Whether it went well, and how long what follows is."""


def apart(
    open_: Callable[[], Opened], confine: Callable[[], object]
) -> Callable[[], Opened]:
    """
    Start the process that opens and fetches, confined by *confine*.

    To be called while this one has a single thread, and before it gives up the network
    itself. What is answered opens the upload there, and raises what *open_* raises.
    """
    question, asked = os.pipe()
    answer, told = os.pipe()
    if os.fork() == 0:
        for end in (0, 1, asked, answer):
            # Whoever waits for our parent's words must not wait for us.
            os.close(end)
        _serve(question, told, open_, confine)
    for end in (question, told):
        os.close(end)

    def ask(offset: int, count: int) -> bytes:
        with suppress(BrokenPipeError):
            os.write(asked, _ASKED.pack(offset, count))
        well, length = _TOLD.unpack(_whole(answer, _TOLD.size))
        body = _whole(answer, length)
        if well:
            return body
        verdict, message = json.loads(body)
        raise Refused(str(verdict), str(message))

    def opened() -> Opened:
        size, block = json.loads(ask(0, 0))
        return Opened(int(size), ask, int(block))

    return opened


def _serve(
    question: int, told: int, open_: Callable[[], Opened], confine: Callable[[], object]
) -> NoReturn:
    """Until nobody asks any more."""
    code = 1
    try:
        confine()
        opened: Opened | None = None
        while asked := os.read(question, _ASKED.size):
            offset, count = _ASKED.unpack(asked)
            try:
                if opened is None:
                    opened = open_()
                    body = json.dumps([opened.size, opened.block]).encode()
                else:
                    body = opened.fetch(offset, count)
                well = True
            except Refused as exc:
                well, body = False, json.dumps([exc.verdict, exc.message]).encode()
            _say(told, _TOLD.pack(well, len(body)) + body)
        code = 0
    finally:
        os._exit(code)


def _say(told: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(told, rest) :]


def _whole(answer: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = os.read(answer, count - len(data))
        if not piece:
            raise Refused("down", "the process that fetched it has ended")
        data += piece
    return bytes(data)
