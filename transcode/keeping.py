"""Who remembers the attempts of a job, and what is written of each."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from .contract import Attempt, Money, Plan, SourceRecord, Task
from .record import LedgerRecord


class Keeper(Protocol):
    """Remembers a job beyond this process."""

    @property
    def token(self) -> str:
        """Names this try at the job: two tries never write the same object."""

    @property
    def earlier(self) -> Mapping[str, Sequence[Attempt]]:
        """Attempts of tries before this one, by task."""

    async def allow(self, plan: Plan) -> Plan:
        """The plan with what may be spent on it; raises `BudgetReached`."""

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        """Before an attempt, as its testament, and after it."""

    async def commit(self) -> None:
        """Before the result becomes visible; raises `LeaseLost` where it must not."""


class Forgetful:
    """Where whoever asked waits for the answer: nobody takes over from us."""

    earlier: Mapping[str, Sequence[Attempt]] = MappingProxyType({})

    def __init__(self) -> None:
        self.token = f"run-{secrets.token_hex(4)}"

    async def allow(self, plan: Plan) -> Plan:
        """Whoever waits for the answer has said what it may cost."""
        return plan

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        """Say nothing."""

    async def commit(self) -> None:
        """Nobody decides in our stead."""


def ledger_record(
    plan: Plan, task: Task, attempt: Attempt, *, claim: int, now: datetime
) -> LedgerRecord:
    """What the ledger says of *attempt*; tags are the submission's to add."""
    source = plan.source
    return LedgerRecord(
        recorded_at=now,
        job_id=plan.job_id,
        claim=claim,
        task_id=task.task_id,
        kind=task.kind,
        source=SourceRecord(
            uri=source.uri, bytes=source.bytes, etag=source.etag, version=source.version
        ),
        profile=plan.profile,
        platform=plan.platform,
        engine=plan.engine,
        attempt=attempt,
        predicted_cost=_promised(plan, task, attempt),
        predicted_wall=task.predicted_wall,
        media=task.media,
        recipe=task.recipe,
    )


def _promised(plan: Plan, task: Task, attempt: Attempt) -> Money | None:
    """What this spec was expected to cost for the task, before it ran."""
    candidates = (
        candidate
        for one in plan.tasks
        for planned in (one, one.instead)
        if planned is not None
        and planned.task.task_id == task.task_id
        and planned.task.recipe == task.recipe
        for candidate in planned.candidates
    )
    return next((c.cost for c in candidates if c.spec == attempt.spec), None)
