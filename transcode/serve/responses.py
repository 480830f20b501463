"""What a caller is told: one JSON document, and a status that says who must act."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ..contract import Value
from ..contract.job import JobReport
from ..errors import (
    DestinationUnwritable,
    MachineBusy,
    MediaError,
    ObjectMissing,
    OutOfDisk,
    PlanError,
    SettingsError,
    StoreError,
    TranscodeError,
    UsageError,
    WorkerLost,
)
from ..jobs.documents import shown

_CAPITAL = re.compile(r"(?=[A-Z])")
BODY_BYTES = 2 * 2**20
"""Twice what the longest event of any platform has."""
_BODY_SECONDS = 30.0
RETRY_AFTER_SECONDS = 10
"""A store that restarts is back by then; senders add their own growing pause."""


class ProblemDetails(Value):
    """
    Every error: RFC 9457's fields, and the names that the command line uses.

    `type` is a URI reference, as the RFC wants it, and a name of our errors' tree.
    """

    type: str
    title: str
    status: int
    detail: str
    message: str
    """What is wrong, where, and what to do; the same as `detail`."""
    retryable: bool
    """Whether the same request may succeed later."""
    evidence: Mapping[str, Any]


class HttpRefusal(Exception):
    """An answer that is no success, from wherever it became clear."""

    def __init__(
        self, status: int, error: TranscodeError, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


def status_of(error: TranscodeError) -> int:
    """404 for what is not there, 4xx where the request is wrong, 5xx where we are."""
    match error:
        case ObjectMissing():
            return 404
        case (
            StoreError()
            | WorkerLost()
            | MachineBusy()
            | OutOfDisk()
            | DestinationUnwritable()
        ):
            return 503
        case SettingsError():
            return 500
        case UsageError():
            return 400
        case PlanError() | MediaError():
            return 422
        case _:
            return 500


def failed(error: TranscodeError, status: int | None = None) -> Response:
    """The one shape of an error, see `ProblemDetails`."""
    code = status_of(error) if status is None else status
    failure = error.describe()
    if code == 503:  # noqa: PLR2004
        failure = failure.model_copy(update={"retryable": True})
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if code == 503 else {}  # noqa: PLR2004
    words = _CAPITAL.sub(" ", failure.type).strip().lower()
    problem = {
        "title": f"{words[:1].upper()}{words[1:]}",
        "status": code,
        "detail": failure.message,
        **shown(failure),
    }
    return JSONResponse(
        problem, code, headers=headers, media_type="application/problem+json"
    )


def reported(report: JobReport, status: int = 200) -> Response:
    return Response(report.to_json(), status, media_type="application/json")


def answer(document: Mapping[str, Any], status: int = 200) -> Response:
    return _json(document, status, {})


def _json(document: Any, status: int, headers: Mapping[str, str]) -> Response:
    return JSONResponse(document, status, headers=dict(headers))


async def body_of(request: Request, *, most: int = BODY_BYTES) -> bytes:
    """The whole body, or `HttpRefusal` once it is too long, too slow or cut."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _too_long(most)
    pieces: list[bytes] = []
    size = 0
    try:
        with anyio.fail_after(_BODY_SECONDS):
            async for piece in request.stream():
                size += len(piece)
                if size > most:
                    raise _too_long(most)
                pieces.append(piece)
    except TimeoutError as exc:
        error = UsageError(f"The body did not come within {_BODY_SECONDS:g} s.")
        raise HttpRefusal(408, error) from exc
    except ClientDisconnect as exc:
        raise HttpRefusal(400, UsageError("The connection was cut.")) from exc
    return b"".join(pieces)


def _too_long(most: int) -> HttpRefusal:
    error = UsageError(f"The body is longer than {most} bytes.", limit_bytes=most)
    return HttpRefusal(413, error)
