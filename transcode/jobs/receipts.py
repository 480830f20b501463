"""One run for somebody who waits, without a job: what it took goes into the ledger."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..contract import Attempt, Manifest, Money, Plan, SourceRecord, Task
from ..errors import Cancelled, TranscodeError
from ..hooks import Listener, Unrecorded
from ..invoke.engine import Engine
from ..invoke.journal import NullJournal
from ..ledger.places import JOBS, LEDGER
from ..pipeline import run as run_here
from ..request import Request
from ..store.open import bucket
from ..wiring import Wiring

if TYPE_CHECKING:
    from ..contract.job import LedgerRecord


class _Receipts(NullJournal):
    """Collects what is to be entered once all is over."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Plan, Task, Attempt, datetime]] = []
        """Each attempt, and when it began."""
        # Nobody else claims this job; a time tells its runs apart in the ledger.
        self.claim = time.time_ns() // 1_000_000

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        if attempt.measured is not None:
            took = timedelta(seconds=attempt.measured.wall_seconds)
            begun_at = datetime.now(UTC) - took
            self.found.append((plan, task, attempt, begun_at))


async def run(
    request: Request,
    wiring: Wiring,
    *,
    listen: Listener,
    engine: Engine | None = None,
) -> Manifest:
    """
    `pipeline.run`, and every attempt of it in the ledger of `request.to`.

    Only where there is a ledger or a job: where none are kept, nothing but the result
    is to be found, and nothing at all of a run that failed. An interrupted run enters
    nothing. A ledger that cannot be written changes no result: listeners hear
    `Unrecorded`.
    """
    receipts = _Receipts()
    try:
        manifest = await run_here(
            request, wiring, listen=listen, journal=receipts, engine=engine
        )
    except Cancelled:
        raise
    except TranscodeError:
        await _enter(receipts, request, wiring, listen)
        raise
    await _enter(receipts, request, wiring, listen)
    return manifest


async def _enter(
    receipts: _Receipts,
    request: Request,
    wiring: Wiring,
    listen: Listener,
) -> None:
    if not receipts.found:
        return
    try:
        async with bucket(request.to, wiring.settings) as objects:
            for kept in (LEDGER, JOBS):
                if await anext(objects.entries(kept), None) is not None:
                    break
            else:
                return
            # Most runs have no ledger to enter anything into.
            from ..ledger.log import append  # noqa: PLC0415

            for plan, task, attempt, begun_at in receipts.found:
                record = ledger_record(
                    plan, task, attempt, claim=receipts.claim, now=begun_at
                )
                await append(objects, record)
    except TranscodeError as exc:
        listen(Unrecorded(exc))


def ledger_record(
    plan: Plan, task: Task, attempt: Attempt, *, claim: int, now: datetime
) -> LedgerRecord:
    """What the ledger says of *attempt*; tags are the submission's to add."""
    from ..contract.job import LedgerRecord  # noqa: PLC0415 - see `_enter`

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
        for planned in (one, one.fallback)
        if planned is not None
        and planned.task.task_id == task.task_id
        and planned.task.recipe == task.recipe
        for candidate in planned.candidates
    )
    return next((c.cost for c in candidates if c.spec == attempt.spec), None)
