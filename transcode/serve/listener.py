"""The HTTP server around an application: bound first, and stopped in order."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import time
from collections.abc import Generator
from typing import Any

import anyio
import uvicorn
from anyio.abc import TaskStatus

from ..errors import SettingsError
from .connections import ConnectionLimits, Listener, connections_of
from .messages import Strict

_GRACE_SECONDS = 10
"""For answers that are being made when we are told to stop."""
_BACKLOG = 512
_LOGGED = 10
"""Faults of ours that are logged in full in a minute: strangers can repeat them."""
_MINUTE_SECONDS = 60.0


def bind(host: str, port: int, *, private: bool = False) -> Listener:
    """
    Listen at the address; raises `SettingsError` where that cannot be, and with
    *private* where others than this machine could reach it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = Listener(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        if private:
            # What a name stands for is known now, and nobody is heard yet.
            _refuse_outsiders(host, listener.getsockname()[0])
        listener.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as exc:
        listener.close()
        why = getattr(exc, "strerror", None) or str(exc)
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {why}. Give another --port or --host.",
            host=host,
            port=port,
        ) from exc
    except BaseException:
        listener.close()
        raise
    return listener


def _refuse_outsiders(host: str, bound: str) -> None:
    if is_loopback(bound):
        return
    raise SettingsError(
        f"At --host {host!r} others than this machine could reach the server: set "
        "TRANSCODE_TOKEN, which callers must then present, or listen on 127.0.0.1.",
        host=host,
        setting="TRANSCODE_TOKEN",
    )


def is_loopback(host: str) -> bool:
    """Whether an address, as the kernel writes it, is this machine's alone."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class _Server(uvicorn.Server):
    """Leaves signals alone: whoever runs us cancels."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Seldom(logging.Filter):
    """Lets pass what is our fault, and of that so much a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._until = 0.0
        self._left = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR:
            # That a stranger sends nonsense fills no disk.
            return False
        now = time.monotonic()
        if now >= self._until:
            self._until, self._left = now + _MINUTE_SECONDS, _LOGGED
        self._left -= 1
        return self._left >= 0


async def answering(
    app: Any,
    listener: socket.socket,
    *,
    limits: ConnectionLimits | None = None,
    task_status: TaskStatus[None],
) -> None:
    """
    Answer until cancelled; then stop accepting and finish what is being answered.

    `started` is told once connections are accepted.
    """
    limits = limits or ConnectionLimits()
    log = logging.getLogger("uvicorn.error")
    if not any(isinstance(each, _Seldom) for each in log.filters):
        log.addFilter(_Seldom())
    server = _Server(
        uvicorn.Config(
            Strict(app),
            log_config=None,
            access_log=False,
            lifespan="off",
            http=connections_of(limits),
            ws="none",
            backlog=_BACKLOG,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            server_header=False,
        )
    )

    async def run() -> None:
        with anyio.CancelScope(shield=True):
            await server.serve(sockets=[listener])

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        try:
            task_status.started()
            await anyio.sleep_forever()
        finally:
            server.should_exit = True
