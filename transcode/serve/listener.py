"""The HTTP server around an application: bound first, and stopped in order."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator
from typing import Any

import anyio
import uvicorn
from anyio.abc import TaskStatus

from ..errors import SettingsError

_CONNECTIONS = 256
"""More at a time are told to come back: each holds memory and a store's connection."""
_GRACE_SECONDS = 10
"""For answers that are being made when we are told to stop."""


def bind(host: str, port: int) -> socket.socket:
    """Listen at the address; raises `SettingsError` where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as exc:
        why = getattr(exc, "strerror", None) or str(exc)
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {why}. Give another --port or --host.",
            host=host,
            port=port,
        ) from exc


class _Server(uvicorn.Server):
    """Leaves signals alone: whoever runs us cancels."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def answering(
    app: Any, listener: socket.socket, *, task_status: TaskStatus[None]
) -> None:
    """
    Answer until cancelled; then stop accepting and finish what is being answered.

    `started` is told once connections are accepted.
    """
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http="h11",
            ws="none",
            limit_concurrency=_CONNECTIONS,
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
