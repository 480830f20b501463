"""
Huawei FunctionGraph, custom image: `python -m transcode.handlers.functiongraph_image`.

Port 8000, `POST /init` and `POST /invoke`; the event is the body, the context is in
headers, and the answer is `{"statusCode", "headers", "isBase64Encoded", "body"}`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from .functiongraph import credentials, prepared, unwrapped
from .log import write

# As in `functiongraph`.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from transcode.access.credentials import Credentials

PORT = 8000
_BODY_BYTES = 6 * 2**20
"""What FunctionGraph passes on at most of one call."""
_NUMBER = re.compile(r"[0-9]{1,9}")


def main() -> None:
    """Serve until SIGTERM; then what is being worked on is handed back."""
    import anyio

    from transcode.errors import Cancelled
    from transcode.serve.connections import ConnectionLimits
    from transcode.serve.listener import answering, bind
    from transcode.signals import run_to_the_end

    port = int(os.environ.get("PORT", PORT))

    # The platform is our only peer, and a call lasts as long as its job.
    limits = ConnectionLimits(per_peer=None, request_seconds=None)
    serving = partial(answering, application(), limits=limits)

    async def serve() -> None:
        async with anyio.create_task_group() as group:
            await group.start(serving, listener)

    with bind("0.0.0.0", port) as listener:  # noqa: S104  the platform calls from outside
        try:
            run_to_the_end(serve)
        except Cancelled:
            return


def application() -> Starlette:
    """The two addresses of the contract."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    from transcode.errors import EventError

    return Starlette(
        routes=[
            Route("/init", _init, methods=["POST"]),
            Route("/invoke", _invoke, methods=["POST"]),
        ],
        exception_handlers={EventError: _not_understood},
    )


async def _not_understood(_request: Request, exc: Exception) -> Response:
    from transcode.errors import EventError

    assert isinstance(exc, EventError)  # noqa: S101  that is what it is called for
    return _reply(400, exc.describe().model_dump(mode="json"))


async def _init(request: Request) -> Response:
    import anyio.to_thread

    from transcode.errors import TranscodeError

    memory_mib = _memory(request)
    try:
        await anyio.to_thread.run_sync(prepared, memory_mib)
    except TranscodeError as exc:
        return _reply(500, exc.describe().model_dump(mode="json"))
    return _reply(200, {"status": "ready"})


async def _invoke(request: Request) -> Response:
    """200 with what became of it, 400 for no event, 500 to have it repeated."""
    import anyio.to_thread

    from transcode.access.credentials import lent
    from transcode.errors import EventError, TranscodeError
    from transcode.functions.upload import Invocation, answer
    from transcode.serve.responses import HttpRefusal, body_of

    arrived = time.monotonic()
    memory_mib, seconds = _memory(request), _timeout(request)
    try:
        event = unwrapped(json.loads(await body_of(request, most=_BODY_BYTES)))
    except HttpRefusal as exc:
        return _reply(exc.status, exc.error.describe().model_dump(mode="json"))
    except (ValueError, RecursionError) as exc:
        error = EventError(f"The body is not JSON: {exc}.")
        return _reply(400, error.describe().model_dump(mode="json"))
    try:
        function = await anyio.to_thread.run_sync(prepared, memory_mib)
    except TranscodeError as exc:
        return _reply(500, exc.describe().model_dump(mode="json"))
    gone = time.monotonic() - arrived
    invocation = Invocation(
        id=request.headers.get("x-cff-request-id") or secrets.token_hex(8),
        seconds_left=None if seconds is None else seconds - gone,
    )
    with lent(_keys(request)):
        done = await answer(function, event, invocation)
    write(invocation.id, done.document)
    if done.trouble is not None:
        return _reply(500, done.trouble.describe().model_dump(mode="json"))
    told = any(done.document.get(it) for it in ("uploads", "ignored", "jobs", "task"))
    refused = done.document["errors"] and not told
    return _reply(400 if refused else 200, done.document)


def _reply(status: int, document: Any) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(
        {
            "statusCode": status,
            "isBase64Encoded": False,
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(document, default=str),
        },
        status,
    )


def _keys(request: Request) -> Credentials | None:
    return credentials(
        request.headers.get("x-cff-security-access-key"),
        request.headers.get("x-cff-security-secret-key"),
        request.headers.get("x-cff-security-token"),
    )


def _memory(request: Request) -> int | None:
    """MiB; raises `EventError` for what is no number."""
    return _whole(request, "x-cff-memory") or _given("RUNTIME_MEMORY")


def _timeout(request: Request) -> int | None:
    return _whole(request, "x-cff-timeout") or _given("RUNTIME_TIMEOUT")


def _whole(request: Request, header: str) -> int | None:
    from transcode.errors import EventError

    given = request.headers.get(header)
    if not given:
        return None
    if not _NUMBER.fullmatch(given):
        raise EventError(f"The header {header} is no whole number: {given[:50]!r}.")
    return int(given)


def _given(variable: str) -> int | None:
    given = os.environ.get(variable)
    return int(given) if given else None


if __name__ == "__main__":
    main()
