"""
Results that no job is kept of, as `transcode run` makes them: their manifest tells all.

There is no second book of them. A run that failed leaves nothing, here neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from ..contract import (
    JobCost,
    Media,
    Money,
    PlatformRef,
    ProfileRef,
    SourceRecord,
    TaskRecord,
)
from ..contract.job import LedgerRecord, StoredRecord, Submission
from .job_rows import Job
from .log import Unreadable

FOLDER = re.compile(r".+\.[0-9a-f]{12}", re.ASCII)
"""As `deliver.layout` names a job's folder: the id's first digits make it unique."""
BY_HAND = 0
"""The claim of what nobody has claimed; those of jobs begin at 1."""
_SCHEMA = "transcode/manifest/1"


class ResultRecord(StoredRecord):
    """What of a manifest makes a line in a list, and a bill."""

    job_id: str
    status: str
    source: SourceRecord
    profile: ProfileRef
    platform: PlatformRef
    engine: str
    media: Media | None = None
    tasks: tuple[TaskRecord, ...] = ()
    cost: JobCost
    depth: int = 0
    finished_at: datetime
    wall_seconds: float = 0.0

    @property
    def begun_at(self) -> datetime:
        """UTC."""
        finished = self.finished_at
        if finished.tzinfo is None:
            finished = finished.replace(tzinfo=UTC)
        return finished.astimezone(UTC) - timedelta(seconds=self.wall_seconds)


def key_of(folder: str) -> str:
    """Where the manifest of *folder* lies."""
    return f"{folder}/manifest.json"


def parse(folder: str, body: bytes) -> ResultRecord | Unreadable | None:
    """The result in *folder*; what is wrong with it; None where it is not ours."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
        return None
    try:
        found = ResultRecord.from_json(body)
        # A time that no calendar has is refused here, and not when it is listed.
        _ = found.begun_at
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        why = f"field {field}: {first['msg']}"
    except OverflowError:
        why = "it was finished at no time that there is"
    else:
        if found.status == "succeeded" and folder.endswith(f".{found.job_id[:12]}"):
            return found
        why = f"it is of job {found.job_id[:12]}, which {found.status}"
    return Unreadable(key_of(folder), why)


def job_of(folder: str, result: ResultRecord, *, to: str) -> Job:
    """As a list shows it: a job that has succeeded, and that nobody submitted."""
    return Job(
        submission=Submission(
            job_id=result.job_id,
            folder=folder,
            source=result.source,
            profile=result.profile,
            to=to,
            engine=result.engine,
            platform=result.platform.name,
            depth=result.depth,
            submitted_at=result.begun_at,
        ),
        by_hand=True,
        succeeded=True,
        finished_at=result.finished_at.isoformat(),
        wall_seconds=result.wall_seconds,
    )


def records_of(result: ResultRecord) -> Sequence[LedgerRecord]:
    """
    Its attempts as a ledger has them, under the claim `BY_HAND`.

    All begin with the job: a manifest does not say when each did. Of what was predicted
    it has one price for the whole; where there was one attempt, that is its price.
    """
    attempts = [(task, one) for task in result.tasks for one in task.attempts]
    cost = result.cost
    alone = Money(amount=cost.predicted, currency=cost.currency)
    return [
        LedgerRecord(
            recorded_at=result.begun_at,
            job_id=result.job_id,
            claim=BY_HAND,
            task_id=task.task_id,
            kind=task.kind,
            source=result.source,
            profile=result.profile,
            platform=result.platform,
            engine=result.engine,
            attempt=attempt,
            predicted_cost=alone if len(attempts) == 1 else None,
            predicted_wall=attempt.predicted_wall,
            media=result.media,
        )
        for task, attempt in attempts
    ]
