"""What a function says to its platform's log: objects with time and level."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from transcode.handlers.log import lines, write

DOCUMENT = {
    "uploads": [
        {"uri": "s3://b/a", "job_id": "j", "ignored": None, "error": None},
        {"uri": "s3://b/t", "job_id": None, "ignored": "a note", "error": None},
        {
            "uri": "s3://b/x\nlevel=info",
            "job_id": None,
            "ignored": None,
            "error": {"message": "It may not be read."},
        },
    ],
    "ignored": [{"reason": "deletion", "detail": "s3://b/d is gone", "uri": None}],
    "jobs": [
        {"job_id": "j", "status": "succeeded", "detail": None, "location": "s3://o/j"},
        {"job_id": "k", "status": "failed", "detail": "no media", "location": None},
    ],
    "errors": [{"message": "The store does not answer."}],
}


def test_each_has_time_level_and_job() -> None:
    """Jobs, uploads that are none and errors, each its own; the call comes last."""
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    found = [*lines("c", DOCUMENT, now)]

    assert [
        ("info", "j", "succeeded"),
        ("error", "k", "failed: no media"),
        ("info", None, "s3://b/t is no upload: a note"),
        ("error", None, "s3://b/x\nlevel=info: It may not be read."),
        ("info", None, "ignored, deletion: s3://b/d is gone"),
        ("error", None, "The store does not answer."),
        ("info", None, "answered: 3 uploads, 2 jobs, 1 errors"),
    ] == [(line["level"], line["job"], line["message"]) for line in found]
    assert {"2026-11-28T12:00:00.000+00:00"} == {line["time"] for line in found}
    assert {"c"} == {line["call"] for line in found}
    assert DOCUMENT == found[-1]["answer"]


def test_a_name_makes_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As many lines as there are things to say, whatever a key holds."""
    write("c", DOCUMENT)
    said = capsys.readouterr().err.splitlines()

    assert 7 == len(said)
    assert all({"time", "level", "job", "message"} <= {*json.loads(it)} for it in said)
