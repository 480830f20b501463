"""
One result for one person: a player, the renditions and the bill, on this machine alone.

The page is made of the manifest when somebody looks, and stands in no result: what is
published is what the recipe names, with digests that were verified; a page from a file
could not read the segments beside it anyhow, as browsers count every file a stranger.
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
from ..errors import ObjectMissing, TranscodeError
from ..jobs.documents import as_ours
from ..store.bucket import Bucket
from .access import Access
from .files import result_file
from .listener import answering
from .pages import constants
from .responses import HttpRefusal, failed, reported

_PAGES = {
    "/": "play.html",
    "/index.html": "play.html",
    "/play.js": "play.js",
    "/parts.js": "parts.js",
    "/player.js": "player.js",
    "/page.css": "page.css",
    "/icon.svg": "icon.svg",
}


def player(objects: Bucket, report: JobReport, *, key: str) -> Starlette:
    """The application; whoever does not know *key* is shown constants only."""
    access = Access((key,))

    def guarded(
        answer: Callable[[Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            access.refuse(request)
            return await answer(request)

        return checked

    async def told(_request: Request) -> Response:
        return reported(report)

    async def file(request: Request) -> Response:
        if request.path_params["job"] != report.job_id:
            raise ObjectMissing("There is no such job here.")
        return await result_file(objects, report, request.path_params["path"])

    return Starlette(
        routes=[
            *constants(_PAGES),
            Route("/report", guarded(told)),
            Route("/jobs/{job}/files/{path:path}", guarded(file)),
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
