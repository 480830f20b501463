"""An http(s) address as the source: one version of one object, read by ranges."""

from __future__ import annotations

import time
from urllib.parse import urlsplit, urlunsplit

from anyio import to_thread

from ..access.address import web_place
from ..access.web import Down, Gone, Web, WebAnswer, WebError
from ..contract import Source
from ..errors import SourceDown, SourceNotFound, SourceUnreadable
from ..settings import Settings

_TIMEOUT_SECONDS = 10.0


async def locate(url: str, settings: Settings) -> Source:
    """Ask the server for size and etag with a one-byte range; nothing is downloaded."""
    web_place(url, "source")
    host = urlsplit(url).hostname or ""
    public_only = not settings.may_be_private(host)
    return await to_thread.run_sync(_locate, url, public_only)


def _locate(url: str, public_only: bool) -> Source:  # noqa: FBT001  for a thread
    named = _without_secrets(url)
    # Not HEAD: a URL signed for GET refuses it.
    answer = _ask(url, named, public_only=public_only)
    if answer.status != 206:  # noqa: PLR2004  Partial Content
        raise SourceUnreadable(
            f"{named} does not serve byte ranges (HTTP {answer.status}), and a video "
            "is never downloaded whole to look at it; use a server that does, or a "
            "local file.",
            uri=named,
        )
    etag = answer.headers.get("etag") or answer.headers.get("last-modified")
    return Source(
        uri=named,
        bytes=answer.total_bytes,
        etag=etag.strip('"') if etag else None,
        location=url,
        public_only=public_only,
    )


def _ask(url: str, named: str, *, public_only: bool) -> WebAnswer:
    try:
        with Web(url, public_only=public_only) as web:
            return web.ask(0, 0, until=time.monotonic() + _TIMEOUT_SECONDS)
    except Gone as exc:
        raise SourceNotFound(f"There is nothing at {named}: {exc}.", uri=named) from exc
    except Down as exc:
        raise SourceDown(
            f"{named} cannot be reached now: {exc}; try again later.", uri=named
        ) from exc
    except WebError as exc:
        raise SourceUnreadable(f"{named} may not be read: {exc}.", uri=named) from exc


def _without_secrets(url: str) -> str:
    """Signatures stand in queries; who names a password is refused."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
