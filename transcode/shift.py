"""One try at a job under a claim: the work, its records, and how it ended."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import anyio

from .contract import (
    Attempt,
    Manifest,
    OutcomeKind,
    Plan,
    PlatformRef,
    Task,
)
from .deliver import Ending as Ended
from .deliver import Status, refused
from .errors import (
    Cancelled,
    LeaseLost,
    ObjectChanged,
    OutOfDisk,
    StoreError,
    TranscodeError,
    WorkerLost,
)
from .happenings import AttemptEnded, Event, Listener, Planned
from .invoke import Engine
from .jobs import Book, hold
from .keeping import ledger_record
from .pipeline import Order, carry_out
from .record import Claim, Ending, LedgerRecord, Submission
from .wiring import Wiring

EndingKind = Literal["failed", "handed_back", "cancelled"]

_WORTH_REPEATING = (StoreError, WorkerLost, OutOfDisk)
"""What another time or another machine may cure. `ObjectChanged` is not among it."""
_BACKOFF_SECONDS = (10, 60, 300)
"""Before the second, third and every further try."""

_LAST_WORDS_SECONDS = 5.0
"""For the records of a job that is handed back, where the store still answers."""


@dataclass(slots=True)
class Diary:
    """Keeps every attempt as it begins and as it ends; see `pipeline.Keeper`."""

    book: Book
    submission: Submission
    claim: Claim
    before: Sequence[LedgerRecord]
    records: dict[tuple[str, int], LedgerRecord] = field(default_factory=dict)
    plan: Plan | None = None
    unsaid: list[tuple[str, Attempt]] = field(default_factory=list)

    @property
    def token(self) -> str:
        return f"{self.claim.number:04d}"

    @property
    def earlier(self) -> Mapping[str, Sequence[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        for record in self.before:
            found[record.task_id].append(record.attempt)
        return found

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        now = await self.book.now()
        entry = ledger_record(plan, task, attempt, claim=self.claim.number, now=now)
        record = entry.model_copy(update={"tags": self.submission.tags})
        self.records[task.task_id, attempt.number] = record
        await self.book.keep_attempt(record)
        if attempt.measured is not None:
            await self.book.enter(record)

    def listening(self, listen: Listener) -> Listener:
        """Hear of attempts that were cancelled, too: they have cost something."""

        def heard(event: Event) -> None:
            if isinstance(event, Planned):
                self.plan = event.plan
            elif isinstance(event, AttemptEnded):
                self.unsaid.append((event.task_id, event.attempt))
            listen(event)

        return heard

    async def settle(self) -> None:
        """Enter what no `keep` has seen, and what workers before us left unsaid."""
        for record in self.before:
            await self.book.enter(record)
        for task_id, attempt in self.unsaid:
            known = self.records.get((task_id, attempt.number))
            if known is not None and known.attempt.measured is None:
                task = self._task(task_id)
                plan = self.plan
                if plan is not None and task is not None:
                    await self.keep(plan, task, attempt)
        self.unsaid.clear()

    def _task(self, task_id: str) -> Task | None:
        tasks = self.plan.tasks if self.plan else ()
        return next((p.task for p in tasks if p.task.task_id == task_id), None)


@dataclass(frozen=True, slots=True)
class Shift:
    """What is needed to work on a job under one claim."""

    book: Book
    wiring: Wiring
    submission: Submission
    claim: Claim
    look_up: Callable[[Submission], Awaitable[Order]]
    engine: Callable[[Order], Awaitable[Engine]]
    listen: Listener

    async def work(self, *, seconds_left: float | None) -> Manifest | Ending | None:
        """
        The manifest, or how else it ended; None where the job is another's now.

        *seconds_left*: the work is stopped and handed back when they are over.
        Cancellation from outside hands the job back, too, and propagates.
        """
        started = time.monotonic()
        before = await self.book.attempts(self.claim.job_id)
        diary = Diary(self.book, self.submission, self.claim, before)
        try:
            async with hold(self.book, self.claim):
                with anyio.move_on_after(seconds_left):
                    return await self._carry_out(diary, started)
            ending = self._ending("handed_back", OutcomeKind.OUT_OF_TIME)
        except LeaseLost:
            return None
        except Cancelled as exc:
            ending = self._failed(exc, started, kind="cancelled", final=True)
        except TranscodeError as exc:
            ending = self._failed(exc, started, kind="failed", final=_is_final(exc))
        except Exception as exc:  # noqa: BLE001 - one bad job must not end the others
            ending = self._failed(_unforeseen(exc), started, kind="failed", final=False)
        except BaseException:
            with anyio.move_on_after(_LAST_WORDS_SECONDS, shield=True):
                await diary.settle()
                await self.book.end(self._ending("handed_back", OutcomeKind.CANCELLED))
            raise
        await diary.settle()
        return await self.book.end(ending)

    async def give_up(self, error: TranscodeError) -> Ending:
        """End the job for good without working on it."""
        await Diary(
            self.book,
            self.submission,
            self.claim,
            await self.book.attempts(self.claim.job_id),
        ).settle()
        cancelled = isinstance(error, Cancelled)
        kind: EndingKind = "cancelled" if cancelled else "failed"
        return await self.book.end(
            self._failed(error, time.monotonic(), kind=kind, final=True)
        )

    async def _carry_out(self, diary: Diary, started: float) -> Manifest:
        order = await self.look_up(self.submission)
        engine = await self.engine(order)
        manifest = await carry_out(
            order,
            self.wiring,
            engine,
            keeper=diary,
            listen=diary.listening(self.listen),
            started=started,
        )
        await diary.settle()
        return manifest

    def _ending(self, kind: EndingKind, outcome: OutcomeKind) -> Ending:
        return Ending(
            job_id=self.claim.job_id,
            claim=self.claim.number,
            kind=kind,
            final=False,
            outcome=outcome,
        )

    def _failed(
        self, error: TranscodeError, started: float, *, kind: EndingKind, final: bool
    ) -> Ending:
        wait = _BACKOFF_SECONDS[min(self.claim.number, len(_BACKOFF_SECONDS)) - 1]
        now = datetime.now(UTC)
        # Many jobs that one outage has failed must not come back all at once.
        later = now + timedelta(seconds=wait * random.uniform(0.5, 1.5))  # noqa: S311
        return Ending(
            job_id=self.claim.job_id,
            claim=self.claim.number,
            kind=kind,
            final=final,
            outcome=error.outcome,
            failure=error.describe(),
            manifest=error.manifest or self._refused(error, started),
            not_before=None if final else later,
        )

    def _refused(self, error: TranscodeError, started: float) -> Manifest | None:
        status: Status = "failed"
        if isinstance(error, Cancelled):
            status = "cancelled"
        elif error.outcome is OutcomeKind.REJECTED:
            status = "rejected"
        submission = self.submission
        own = self.wiring.own_platform(submission.engine)
        try:
            platform = self.wiring.platform(submission.platform or own)
        except TranscodeError:
            platform = self.wiring.platform(own)
        return refused(
            self.claim.job_id,
            submission.source,
            submission.profile,
            PlatformRef(
                name=platform.name, price_table=platform.price_table.isoformat()
            ),
            engine=submission.engine,
            currency=platform.currency,
            ending=Ended(
                status=status,
                finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
                wall_seconds=time.monotonic() - started,
            ),
            failure=error.describe(),
        )


def _is_final(error: TranscodeError) -> bool:
    worth = isinstance(error, _WORTH_REPEATING)
    return not worth or isinstance(error, ObjectChanged)


def _unforeseen(exc: Exception) -> TranscodeError:
    """A fault of ours: said as one, and tried again in case it was the machine's."""
    return WorkerLost(
        f"An unforeseen {type(exc).__name__} ended the work: {exc}. This is a fault of "
        "transcode; please report it.",
        exception=type(exc).__name__,
    )
