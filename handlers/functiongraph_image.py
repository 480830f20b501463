"""
Huawei FunctionGraph, custom image: `python -m transcode.handlers.functiongraph_image`.

Port 8000, `POST /init` and `POST /invoke`; the event is the body, the context is in
headers, and the answer is `{"statusCode", "headers", "isBase64Encoded", "body"}`.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

from .functiongraph import lend_credentials, prepared
from .log import write

# As in `functiongraph`.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

PORT = 8000


def main() -> None:
    """Serve until SIGTERM; then what is being worked on is handed back."""
    import anyio

    from transcode.errors import Cancelled
    from transcode.serve.listener import answering, bind
    from transcode.signals import run_to_the_end

    port = int(os.environ.get("PORT", PORT))

    async def serve() -> None:
        async with anyio.create_task_group() as group:
            await group.start(answering, application(), listener)

    with bind("0.0.0.0", port) as listener:  # noqa: S104  the platform calls from outside
        try:
            run_to_the_end(serve)
        except Cancelled:
            return


def application() -> Starlette:
    """The two addresses of the contract."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    return Starlette(
        routes=[
            Route("/init", _init, methods=["POST"]),
            Route("/invoke", _invoke, methods=["POST"]),
        ]
    )


async def _init(request: Request) -> Response:
    import anyio.to_thread

    from transcode.errors import TranscodeError

    _lend(request)
    try:
        await anyio.to_thread.run_sync(prepared, _memory(request))
    except TranscodeError as exc:
        return _reply(500, exc.describe().model_dump(mode="json"))
    return _reply(200, {"status": "ready"})


async def _invoke(request: Request) -> Response:
    """200 with what became of it, 400 for no event, 500 to have it repeated."""
    import anyio.to_thread

    from transcode.errors import EventError, TranscodeError
    from transcode.functions.upload import Invocation, answer

    arrived = time.monotonic()
    _lend(request)
    body = await request.body()
    try:
        event = json.loads(body)
    except ValueError as exc:
        error = EventError(f"The body is not JSON: {exc}.")
        return _reply(400, error.describe().model_dump(mode="json"))
    try:
        function = await anyio.to_thread.run_sync(prepared, _memory(request))
    except TranscodeError as exc:
        return _reply(500, exc.describe().model_dump(mode="json"))
    seconds = request.headers.get("x-cff-timeout") or os.environ.get("RUNTIME_TIMEOUT")
    gone = time.monotonic() - arrived
    invocation = Invocation(
        id=request.headers.get("x-cff-request-id") or secrets.token_hex(8),
        seconds_left=float(seconds) - gone if seconds else None,
    )
    done = await answer(function, event, invocation)
    write(invocation.id, done.document)
    if done.trouble is not None:
        return _reply(500, done.trouble.describe().model_dump(mode="json"))
    told = done.document["uploads"] or done.document["ignored"] or done.document["jobs"]
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


def _lend(request: Request) -> None:
    lend_credentials(
        request.headers.get("x-cff-security-access-key"),
        request.headers.get("x-cff-security-secret-key"),
        request.headers.get("x-cff-security-token"),
    )


def _memory(request: Request) -> int | None:
    given = request.headers.get("x-cff-memory") or os.environ.get("RUNTIME_MEMORY")
    return int(given) if given else None


if __name__ == "__main__":
    main()
