"""A job and what was spent as documents: the same in `--json` and over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from ..contract import Amount, Money, Value
from ..contract.status import JobStatus
from .job_line import JobLine
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
    def of(cls, line: JobLine, spent: Sequence[Total]) -> Self:
        return cls(
            job_id=line.job_id,
            status=line.status,
            source=line.source,
            profile=line.profile,
            tags=dict(line.tags),
            folder=line.folder,
            submitted_at=line.submitted_at,
            finished_at=line.finished_at,
            wall_seconds=line.wall_seconds,
            tries=line.tries,
            cost=tuple(Money(amount=one.cost, currency=one.currency) for one in spent),
            by_hand=line.by_hand,
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
