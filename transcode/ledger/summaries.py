"""A job and what was spent as documents: the same in `--json` and over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from ..contract import Amount, Money, Value
from ..contract.job import JobStatus
from .job_rows import Job
from .totals import Total


class JobSummary(Value):
    """One job in a list."""

    job_id: str
    status: JobStatus
    source: str
    profile: str
    tags: Mapping[str, str]
    folder: str
    submitted_at: str
    finished_at: str | None
    wall_seconds: float | None
    tries: int
    cost: tuple[Money, ...]
    """So far, one amount for each currency."""
    by_hand: bool = False
    """Made by `transcode run`: there is a result, and no job that could be cancelled
    or tried again."""

    @classmethod
    def of(cls, job: Job, spent: Sequence[Total], status: JobStatus) -> Self:
        submission = job.submission
        return cls(
            job_id=job.job_id,
            status=status,
            source=submission.source.uri,
            profile=submission.profile.name,
            tags=dict(submission.tags),
            folder=submission.folder,
            submitted_at=submission.submitted_at.isoformat(),
            finished_at=job.finished_at,
            wall_seconds=job.wall_seconds,
            tries=job.claim_number,
            cost=tuple(Money(amount=one.cost, currency=one.currency) for one in spent),
            by_hand=job.by_hand,
        )


class Spending(Value):
    """What one group's attempts cost in one currency."""

    group: str
    currency: str
    cost: Amount
    attempts: int
    failed: int
    failed_cost: Amount
    """Part of `cost`."""
    predicted: Amount
    """Of those attempts that succeeded and had a price predicted for them."""
    actual: Amount
    """What the same did cost."""

    @classmethod
    def of(cls, total: Total) -> Self:
        return cls(
            group=total.group,
            currency=total.currency,
            cost=total.cost,
            attempts=total.attempts,
            failed=total.failed,
            failed_cost=total.failed_cost,
            predicted=total.predicted,
            actual=total.actual,
        )
