"""One job in a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ..contract.status import JobStatus

if TYPE_CHECKING:
    from .job_rows import Job


@dataclass(frozen=True, slots=True)
class JobLine:
    """Of a job what a list shows."""

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
    by_hand: bool

    @classmethod
    def of(cls, job: Job, status: JobStatus) -> Self:
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
            by_hand=job.by_hand,
        )
