"""Where a job stands, in words. Pure."""

from __future__ import annotations

from ..contract import Manifest
from ..record import Ending, JobReport, JobStatus
from .standing import Busy, Done, History, Over, Standing, Waiting


def report(history: History, state: Standing, manifest: Manifest | None) -> JobReport:
    """*manifest* is that of a success, where *state* says so."""
    status: JobStatus = "waiting"
    detail: str | None = "nobody works on it"
    if isinstance(state, Done):
        status, detail = "succeeded", None
    elif isinstance(state, Over):
        status, manifest = _status(state.ending), state.ending.manifest
        detail = state.ending.failure.message if state.ending.failure else None
    elif isinstance(state, Busy):
        status, detail = "running", f"{state.owner} works on it"
    elif isinstance(state, Waiting):
        detail = f"to be tried again after {state.until.isoformat('T', 'seconds')}"
        last = history.tried[-1].ending if history.tried else None
        if last is not None and last.kind == "handed_back" and last.failure:
            detail = last.failure.message
    return JobReport(
        job_id=history.submission.job_id,
        folder=history.submission.folder,
        status=status,
        detail=detail,
        submission=history.submission,
        tries=len(history.tried),
        manifest=manifest,
    )


def _status(ending: Ending) -> JobStatus:
    if ending.kind == "cancelled":
        return "cancelled"
    if ending.manifest is not None and ending.manifest.status == "rejected":
        return "rejected"
    return "failed"
