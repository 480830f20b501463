"""The page for people: constants of the package, behind a strict policy."""

from __future__ import annotations

import hashlib
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
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def pages() -> list[Route]:
    """
    Nothing of the jobs is in them: they ask for it, with the token that a person gives.
    """
    folder = resources.files("transcode.serve") / "static"
    return [
        constant(path, (folder / name).read_bytes(), name.rpartition(".")[2])
        for path, name in _FILES.items()
    ]


def constant(path: str, body: bytes, kind: str, *, policy: str = _POLICY) -> Route:
    """*body* at *path* for everybody; *kind*: `html`, `css`, `js` or `svg`."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {
        **_HEADERS,
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "ETag": etag,
        "Content-Type": _KINDS[kind],
    }

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers)

    return Route(path, answer)
