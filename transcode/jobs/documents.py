"""What became of uploads, as a document for whoever told us of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..contract import Failure
from ..contract.job import JobReport
from ..errors import TranscodeError, WorkerLost
from ..event.verdict import Ignored
from ..hooks import Taken


def became(uri: str, one: Taken | Exception) -> dict[str, Any]:
    """One upload: the job it is, why it is none, or what went wrong."""
    if isinstance(one, Taken):
        report = one.report
        return {
            "uri": uri,
            "job_id": report.job_id if report else None,
            "status": report.status if report else "ignored",
            "new": one.new,
            "ignored": one.ignored,
            "error": None,
        }
    return {
        "uri": uri,
        "job_id": None,
        "status": "failed",
        "new": False,
        "ignored": None,
        "error": shown(as_ours(one).describe()),
    }


def stands(report: JobReport) -> dict[str, Any]:
    """One job after it was worked on."""
    manifest = report.manifest
    return {
        "job_id": report.job_id,
        "status": report.status,
        "detail": report.detail,
        "location": manifest.location if manifest else None,
    }


def passed_over(ignored: Sequence[Ignored]) -> list[dict[str, Any]]:
    """What an event told of that is no upload."""
    return [
        {
            "reason": one.reason,
            "detail": one.detail,
            "uri": one.about.uri if one.about else None,
        }
        for one in ignored
    ]


def shown(failure: Failure) -> dict[str, Any]:
    return json.loads(failure.to_json())  # type: ignore[no-any-return]


def as_ours(exc: BaseException) -> TranscodeError:
    """The error of ours that *exc* is or holds; what is none is a fault of ours."""
    if isinstance(exc, TranscodeError):
        return exc
    if isinstance(exc, BaseExceptionGroup):
        return as_ours(exc.exceptions[0])
    error = WorkerLost(f"A fault of ours, please report it: {exc!r}.")
    error.__cause__ = exc
    return error
