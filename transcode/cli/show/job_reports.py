"""Jobs as text: a line as something happens, a table at the end."""

from __future__ import annotations

from collections.abc import Sequence

from ...contract.job import JobReport
from ...hooks import AttemptEnded, Ended, Taken, Troubled, Undelivered, Weaker
from ...units import duration, one_line, printable, rounded, table
from .legible import legible


def line(event: object) -> str | None:
    """What an operator wants to see go by; None for what is too fine."""
    text = None
    if isinstance(event, Taken):
        text = _taken(event)
    elif isinstance(event, Ended):
        text = f"{_name(event.report)} {_standing(event.report)}"
    elif isinstance(event, AttemptEnded) and event.attempt.failure is not None:
        text = (
            f"{event.task_id} {event.attempt.outcome}: {event.attempt.failure.message}"
        )
    elif isinstance(event, Weaker):
        text = (
            f"{event.uri} does not refuse to create what exists: two workers may do "
            "the same job. See docs/storage.md."
        )
    elif isinstance(event, Undelivered):
        error = event.told.error
        why = error.message if error else "it did not take it."
        text = (
            f"{event.job_id[:12]}: {event.told.target} was not told: {why} Trying "
            f"again in {duration(event.seconds)}."
        )
    elif isinstance(event, Troubled):
        text = f"{event.error.message} Trying again in {duration(event.seconds)}."
    return None if text is None else one_line(text)


def _taken(event: Taken) -> str | None:
    if event.report is None:
        return f"{event.uri} is not taken: {event.ignored}"
    return f"{event.uri} is job {_name(event.report)}" if event.new else None


def reports_text(reports: Sequence[JobReport], to: str) -> str:
    """One row a job, and what to do next where something is left to do."""
    reports = legible(list(reports))
    rows = [
        (report.job_id[:12], report.status, report.submission.source.uri, _end(report))
        for report in reports
    ]
    text = table(rows, head=("job", "status", "source", ""))
    if any(not report.over for report in reports):
        text += (
            f"\n\n`transcode sweep --to {to}` does what is left, `transcode watch` "
            "keeps doing it."
        )
    return printable(text)


def _standing(report: JobReport) -> str:
    end = _end(report)
    return f"{report.status}: {end}" if end else report.status


def _end(report: JobReport) -> str:
    manifest = report.manifest
    if report.status == "succeeded" and manifest is not None:
        took = manifest.wall_seconds
        spent = f"{rounded(manifest.cost.amount)} {manifest.cost.currency}"
        when = f"{duration(took)}, " if took is not None else ""
        return f"{when}{spent} → {manifest.location}"
    return report.detail or ""


def _name(report: JobReport) -> str:
    return f"{report.job_id[:12]} ({report.folder.partition('.')[0]})"
