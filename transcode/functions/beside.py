"""What a call of a function took beside its attempts: on the bill, too."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from ..contract import Attempt, OutcomeKind, PlatformRef, Spec, StoreRequests, Usage
from ..contract.job import JobReport, LedgerRecord
from ..jobs.service import JobService
from ..meter import settle
from ..platforms.platform import Platform

__all__ = ["enter_beside"]

_NOTHING = Usage(wall_seconds=0.0, cpu_seconds=0.0, peak_memory_bytes=None)
"""Of the function itself nothing is predicted."""


async def enter_beside(  # noqa: PLR0913 - what a record says
    service: JobService,
    jobs: Collection[JobReport],
    used: Usage,
    *,
    store: StoreRequests | None,
    platform: Platform,
    spec: Spec,
    call: str,
) -> None:
    """
    Enter *used* and what was asked of the *store*, in equal parts for *jobs*.

    *call*: what the platform calls this call, which was one request: it is on the bill
    once.
    """
    # It may hold anything; this is part of a key.
    named = hashlib.sha256(call.encode()).hexdigest()[:12]
    part = used.model_copy(
        update={
            "wall_seconds": used.wall_seconds / len(jobs),
            "cpu_seconds": used.cpu_seconds / len(jobs),
        }
    )
    for number, report in enumerate(jobs):
        one = part.model_copy(update={"requests": 0} if number else {"store": store})
        measured, cost = settle(platform, spec, one)
        attempt = Attempt(
            number=1,
            spec=spec,
            predicted=_NOTHING,
            measured=measured,
            cost=cost,
            outcome=OutcomeKind.SUCCEEDED,
            invocation=call,
        )
        await service.repository.enter(
            LedgerRecord(
                recorded_at=await service.repository.now(),
                job_id=report.job_id,
                claim=report.tries,
                task_id=f"function-{named}",
                kind="function",
                source=report.submission.source,
                profile=report.submission.profile,
                platform=PlatformRef(
                    name=platform.name,
                    price_table=platform.price_table.isoformat(),
                ),
                engine=report.submission.engine,
                tags=report.submission.tags,
                attempt=attempt,
            )
        )
