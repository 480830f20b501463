"""The page for people: constants of the package, behind a strict policy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FILES = {
    "/": "index.html",
    "/docs": "docs.html",
    "/page.css": "page.css",
    "/page.js": "page.js",
    "/parts.js": "parts.js",
    "/player.js": "player.js",
    "/docs.js": "docs.js",
    "/icon.svg": "icon.svg",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def pages() -> list[Route]:
    """
    Nothing of the jobs is in them: they ask for it, with the token that a person gives.
    """
    return constants(_FILES)


def constants(files: Mapping[str, str]) -> list[Route]:
    """Address → a file of the package, for everybody."""
    folder = resources.files("transcode.serve") / "static"
    return [
        _route(path, (folder / name).read_bytes(), name) for path, name in files.items()
    ]


def _route(path: str, body: bytes, name: str) -> Route:
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {
        **_HEADERS,
        "ETag": etag,
        "Content-Type": _KINDS[name.rpartition(".")[2]],
    }

    async def constant(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers)

    return Route(path, constant)
