"""A job that somebody waits for: run here, and its cost entered where results go."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from .contract import Attempt, Manifest, Plan, Task
from .errors import Cancelled, TranscodeError
from .happenings import Listener, Unrecorded
from .keeping import Forgetful, ledger_record
from .ledger import LEDGER, append
from .pipeline import Request
from .pipeline import run as run_here
from .record import LedgerRecord
from .store.bucket import bucket
from .wiring import Wiring


class _Receipts(Forgetful):
    """Collects what is to be entered once all is over."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[LedgerRecord] = []
        # Nobody else claims this job; a time tells its runs apart in the ledger.
        self._claim = time.time_ns() // 1_000_000

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        if attempt.measured is not None:
            took = timedelta(seconds=attempt.measured.wall_seconds)
            begun = datetime.now(UTC) - took
            self.records.append(
                ledger_record(plan, task, attempt, claim=self._claim, now=begun)
            )


async def run(request: Request, wiring: Wiring, *, listen: Listener) -> Manifest:
    """
    `pipeline.run`, and every attempt of it in the ledger of `request.to`.

    Only where there is a ledger: where no jobs are kept, nothing but the result is to
    be found, and nothing at all of a run that failed. An interrupted run enters
    nothing. A ledger that cannot be written changes no result: listeners hear
    `Unrecorded`.
    """
    receipts = _Receipts()
    try:
        manifest = await run_here(request, wiring, listen=listen, keeper=receipts)
    except Cancelled:
        raise
    except TranscodeError:
        await _enter(receipts.records, request, wiring, listen)
        raise
    await _enter(receipts.records, request, wiring, listen)
    return manifest


async def _enter(
    records: list[LedgerRecord],
    request: Request,
    wiring: Wiring,
    listen: Listener,
) -> None:
    if not records:
        return
    try:
        async with bucket(request.to, wiring.settings) as objects:
            if await anext(objects.entries(LEDGER), None) is None:
                return
            for record in records:
                await append(objects, record)
    except TranscodeError as exc:
        listen(Unrecorded(exc))
