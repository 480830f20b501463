"""Requests that two programs could read differently: refused before anything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..errors import UsageError
from .responses import failed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_DELETE = 0x7F


class Strict:
    """
    An application behind checks of the message itself.

    Two lengths of one body (RFC 9112, 6.1) and control characters in an address are
    how a request is smuggled past a proxy. 400, and the connection is over.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        why = ambiguous(scope) if scope["type"] == "http" else None
        if why is None:
            await self._app(scope, receive, send)
            return
        error = UsageError(f"The request is refused: {why}.")
        answer = failed(error, 400)
        answer.headers["Connection"] = "close"
        await answer(scope, receive, send)


def ambiguous(scope: Scope) -> str | None:
    """What is wrong with the message; None where nothing is."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    names = [name for name, _ in headers]
    if b"transfer-encoding" in names:
        if b"content-length" in names:
            return "it has both Content-Length and Transfer-Encoding"
        if scope["http_version"] == "1.0":
            return "HTTP/1.0 knows no Transfer-Encoding"
    for single in (b"host", b"content-length", b"content-type", b"authorization"):
        if names.count(single) > 1:
            return f"it has {single.decode()} more than once"
    path: str = scope["path"]
    if any(ord(c) < ord(" ") or ord(c) == _DELETE for c in path):
        return "its path has a control character"
    if any(_is_control(byte) for _, value in headers for byte in value):
        return "a header has a control character"
    return None


def _is_control(byte: int) -> bool:
    return (byte < ord(" ") and byte != ord("\t")) or byte == _DELETE
