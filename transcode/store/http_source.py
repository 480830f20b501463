"""An http(s) address as the source: one version of one object, read by ranges."""

from __future__ import annotations

import urllib.error
import urllib.request
from http import HTTPStatus
from http.client import HTTPException
from urllib.parse import urlsplit, urlunsplit

from anyio import to_thread

from ..contract import Source
from ..errors import SourceDown, SourceNotFound, SourceUnreadable
from ..retry import PASSING, stays

_TIMEOUT_SECONDS = 10


async def locate(url: str) -> Source:
    """Ask the server for size and etag with a one-byte range; nothing is downloaded."""
    return await to_thread.run_sync(_locate, url)


def _locate(url: str) -> Source:
    named = _without_secrets(url)
    # Not HEAD: a URL signed for GET refuses it.
    request = urllib.request.Request(url, headers={"Range": "bytes=0-0"})  # noqa: S310  scheme checked by the caller
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as reply:  # noqa: S310
            headers, status = reply.headers, reply.status
    except urllib.error.HTTPError as exc:
        exc.close()
        if exc.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise SourceNotFound(
                f"There is nothing at {named} (HTTP {exc.code}).", uri=named
            ) from exc
        if exc.code in PASSING:
            raise SourceDown(
                f"The server of {named} answers HTTP {exc.code} {exc.reason}; try "
                "again later.",
                uri=named,
            ) from exc
        raise SourceUnreadable(
            f"{named} may not be read (HTTP {exc.code} {exc.reason}).", uri=named
        ) from exc
    except (OSError, HTTPException, ValueError) as exc:
        reason = getattr(exc, "reason", exc)
        kind = SourceUnreadable if stays(exc) or stays(reason) else SourceDown
        raise kind(f"{named} cannot be reached: {reason}.", uri=named) from exc
    if status != HTTPStatus.PARTIAL_CONTENT:
        raise SourceUnreadable(
            f"{named} does not serve byte ranges (HTTP {status}), and a video is never "
            "downloaded whole to look at it; use a server that does, or a local file.",
            uri=named,
        )
    size = headers.get("Content-Range", "").rpartition("/")[2]
    etag = headers.get("ETag") or headers.get("Last-Modified")
    return Source(
        uri=named,
        bytes=int(size) if size.isdigit() else None,
        etag=etag.strip('"') if etag else None,
        location=url,
    )


def _without_secrets(url: str) -> str:
    """Signatures and passwords stand in queries and before the `@`."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
