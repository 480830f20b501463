"""
One result for one person: a player, the renditions and the bill, on this machine alone.

The page is the one that stands beside the manifest of a CMAF result; it is served from
the package, so that results without one, or with an older one, are shown as well.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..contract.job import JobReport
from ..deliver.page import page
from ..errors import ObjectMissing, TranscodeError
from ..jobs.documents import as_ours
from ..store.bucket import Bucket
from ..store.destination import MANIFEST_NAME, PAGE_NAME
from .access import Access
from .files import place_of, result_file
from .listener import answering
from .pages import constant
from .responses import HttpRefusal, failed


def player(objects: Bucket, report: JobReport, *, key: str) -> Starlette:
    """The application; whoever does not know *key* is shown a constant only."""
    access = Access((key,))

    def guarded(
        answer: Callable[[Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            access.refuse(request)
            return await answer(request)

        return checked

    async def manifest(_request: Request) -> Response:
        body, _ = await objects.read(f"{report.folder}/{MANIFEST_NAME}")
        return Response(body, media_type="application/json")

    async def file(request: Request) -> Response:
        # As the page sees it, below its own address; those of old results lie at it.
        below = place_of(objects, report).removeprefix(report.folder).strip("/")
        path = request.path_params["path"].removeprefix(f"{below}/" if below else "")
        part = request.headers.get("Range")
        return await result_file(objects, report, path, part=part)

    shown = page()
    constants = [
        constant(path, shown.body, "html", policy=shown.policy)
        for path in ("/", f"/{PAGE_NAME}")
    ]
    return Starlette(
        routes=[
            *constants,
            Route(f"/{MANIFEST_NAME}", guarded(manifest)),
            Route("/{path:path}", guarded(file)),
        ],
        exception_handlers={HttpRefusal: _refused, TranscodeError: _failed},
    )


async def playing(app: Starlette, listener: socket.socket) -> None:
    """Answer until cancelled."""
    async with anyio.create_task_group() as group:
        await group.start(answering, app, listener)


async def _refused(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HttpRefusal)  # noqa: S101  that is what it is called for
    response = failed(exc.error, exc.status)
    response.headers.update(exc.headers)
    return response


async def _failed(_request: Request, exc: Exception) -> Response:
    if isinstance(exc, ObjectMissing):
        return failed(exc, 404)
    return failed(as_ours(exc))
