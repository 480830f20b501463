"""Files in both directions: uploads to the store, results from it."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from ..access.address import is_local
from ..contract import Value
from ..contract.job import JobReport
from ..errors import ObjectExists, ObjectMissing, UsageError
from ..store.bucket import Bucket
from ..store.open import bucket
from ..wiring import Wiring
from .operations import PATH_PARAMETERS
from .responses import HttpRefusal

_WHOLE_BYTES = 32 * 2**20
"""Objects of a bucket up to here pass through us; larger ones are pointed to."""
_LINK_SECONDS = 3600
_OPEN_BYTES = 8 * 2**20
"""Of a range without an end: who plays asks for the next, whoever leaves does not."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_KINDS = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".m4s": "video/iso.segment",
    ".vtt": "text/vtt",
    ".json": "application/json",
}
_HARMLESS = {
    # A subtitle or a manifest with a script in it is no page of ours.
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=300",
}


class Uploaded(Value):
    """A source that was taken in."""

    uri: str
    """What `POST /jobs` takes as `source`."""
    bytes: int


def place_of_uploads(sources: Sequence[str] | None) -> str | None:
    """The first of *sources* that files can be put into."""
    for one in sources or ():
        if is_local(one) or (one.startswith("s3://") and one != "s3://"):
            return one
    return None


async def taken_in(
    place: str | None, name: str, request: Request, wiring: Wiring
) -> Uploaded:
    """The body of *request* as an object of that name, visible once it is whole."""
    if place is None:
        error = UsageError(
            "This server takes no uploads: it was started without a --source that is "
            "a folder or a bucket's prefix."
        )
        raise HttpRefusal(409, error)
    about, pattern = PATH_PARAMETERS["name"]
    if not re.search(pattern, name):
        raise UsageError(
            f"{name[:200]!r} is no name for an upload: {about}",
            field="name",
        )
    try:
        async with bucket(place, wiring.settings) as objects:
            made = await objects.upload(name, request.stream(), only_new=True)
            return Uploaded(uri=objects.uri(name), bytes=made.bytes)
    except ObjectExists as exc:
        error = UsageError(f"There is an upload called {name!r} already.", field="name")
        raise HttpRefusal(409, error) from exc
    except ClientDisconnect as exc:
        raise HttpRefusal(400, UsageError("The connection was cut.")) from exc


def place_of(objects: Bucket, report: JobReport) -> str:
    """The folder of *objects* that its outputs lie in; raises `ObjectMissing`."""
    manifest = report.manifest
    location = manifest.location if manifest is not None else None
    if manifest is None or manifest.status != "succeeded" or location is None:
        raise ObjectMissing(f"Job {report.job_id[:12]} has no results.")
    root = objects.uri(report.folder).rstrip("/")
    found = location.rstrip("/")
    if found != root and not found.startswith(f"{root}/"):
        raise ObjectMissing(f"The results of {report.job_id[:12]} lie elsewhere.")
    return f"{report.folder}{found[len(root) :]}"


def asked_part(header: str | None, size: int) -> tuple[int, int] | None:
    """
    First and last byte of *size* that a `Range` asks for; None: all of them.

    Several ranges at once may be answered with the whole (RFC 9110, 14.2). Of one that
    is longer than what passes through us its beginning is given, as a server may
    (15.3.7). Raises `HttpRefusal` where it begins beyond the end.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or found.groups() == ("", ""):
        return None
    begin, end = found.groups()
    if begin:
        first = int(begin)
        last = int(end) if end else first + _OPEN_BYTES - 1
        if last < first:
            return None
    else:
        first, last = max(size - int(end), 0), size - 1
    last = min(last, first + _WHOLE_BYTES - 1, size - 1)
    if last < first:
        error = UsageError(f"It has {size} bytes, and none at {header}.")
        raise HttpRefusal(416, error, {"Content-Range": f"bytes */{size}"})
    return first, last


async def result_file(
    objects: Bucket, report: JobReport, path: str, *, part: str | None = None
) -> Response:
    """
    The file at *path* of the job's results, or the *part* that a `Range` names.

    Raises `ObjectMissing`, and `HttpRefusal` as `asked_part` does.
    """
    key = f"{place_of(objects, report)}/{path}"
    there = await objects.head(key)
    kind = _KINDS.get(Path(path).suffix) or mimetypes.guess_type(path)[0]
    headers = {**_HARMLESS, "Content-Type": kind or "application/octet-stream"}
    if not objects.uri().startswith("s3://"):
        return FileResponse(await objects.sign(key, seconds=1), headers=headers)
    # Parts pass through us whatever the size: a page plays nothing from elsewhere.
    headers["Accept-Ranges"] = "bytes"
    if (span := asked_part(part, there.bytes)) is not None:
        first, last = span
        headers["Content-Range"] = f"bytes {first}-{last}/{there.bytes}"
        body = await objects.read_part(key, first, last)
        return Response(body, 206, headers=headers)
    if there.bytes > _WHOLE_BYTES:
        return RedirectResponse(await objects.sign(key, seconds=_LINK_SECONDS), 307)
    body, _ = await objects.read(key)
    return Response(body, headers=headers)
