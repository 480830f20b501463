"""Jobs as text, a line each; light, since nothing of them is read but these lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from ...contract.status import JobStatus
from ...ledger.job_line import JobLine
from ...ledger.totals import Total
from ...units import duration, place, printable, rounded, shortened, table
from .legible import legible

SHOWN_DIGITS = 12
_LEAST_NAME = 12
_BESIDE_NAME = 12 + 9 + 15 + 3 * 2
"""Columns of id, status and cost, and between them."""


@dataclass(frozen=True, slots=True)
class JobListing:
    line: JobLine
    spent: tuple[Total, ...]

    @property
    def status(self) -> JobStatus:
        return self.line.status


def jobs_text(found: Sequence[JobListing], to: str, *, width: int | None = None) -> str:
    """A line each; on a terminal of few columns, with less in it."""
    if not found:
        return f"No such jobs in {place(to)}."
    found = legible(list(found))
    longest = 200 if width is None else max(_LEAST_NAME, width - _BESIDE_NAME)
    head = ("job", "status", "submitted", "source", "profile", "tries", "took", "cost")
    rows = [
        (
            it.line.job_id[:SHOWN_DIGITS],
            it.status,
            when(datetime.fromisoformat(it.line.submitted_at)),
            shortened(PurePosixPath(place(it.line.source)).name, longest),
            it.line.profile,
            "" if it.line.by_hand else str(it.line.tries),
            "" if it.line.wall_seconds is None else duration(it.line.wall_seconds),
            _spent(it.spent),
        )
        for it in found
    ]
    # Tries, profile, time, and when; what it is and where it stands stay.
    drop = (5, 4, 6, 2)
    return printable(table(rows, head=head, indent="", width=width, drop=drop))


def jobs_json(found: Sequence[JobListing]) -> str:
    return json.dumps([listed_data(it) for it in found], indent=2)


def listed_data(it: JobListing) -> dict[str, Any]:
    # With the documents of the contract, which a table does without.
    from ...ledger.summaries import JobSummary  # noqa: PLC0415

    return JobSummary.of(it.line, it.spent).model_dump(mode="json")


def _spent(totals: Sequence[Total]) -> str:
    return ", ".join(f"{rounded(one.cost)} {one.currency}" for one in totals)


def when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
