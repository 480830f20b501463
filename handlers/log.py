"""Lines of JSON for each call, where the platform's log collects them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any


def write(call: str, document: Mapping[str, Any]) -> None:
    """What became of what the *call* told of, as `lines` puts it."""
    for line in lines(call, document, datetime.now(UTC)):
        sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()


def lines(
    call: str, document: Mapping[str, Any], now: datetime
) -> Iterator[dict[str, Any]]:
    """
    Of each job, each upload that is none and each error one, and of the call the last:
    `time`, `level`, `job` and `message` as in `transcode serve --log-format json`.
    """

    def line(level: str, message: str, **more: Any) -> dict[str, Any]:
        when = now.isoformat(timespec="milliseconds")
        facts = {"time": when, "level": level, "job": None, "message": message}
        return facts | {"call": call} | more

    for job in document["jobs"]:
        level = "error" if job["status"] == "failed" else "info"
        said = ": ".join(filter(None, (job["status"], job["detail"])))
        yield line(level, said, job=job["job_id"], location=job["location"])
    for upload in document["uploads"]:
        if upload["error"] is not None:
            said = f"{upload['uri']}: {upload['error']['message']}"
            yield line("error", said, job=upload["job_id"])
        elif upload["ignored"] is not None:
            yield line("info", f"{upload['uri']} is no upload: {upload['ignored']}")
    for one in document["ignored"]:
        yield line("info", f"ignored, {one['reason']}: {one['detail']}")
    for error in document["errors"]:
        yield line("error", error["message"])
    counts = (f"{len(document[name])} {name}" for name in ("uploads", "jobs", "errors"))
    yield line("info", f"answered: {', '.join(counts)}", answer=document)
