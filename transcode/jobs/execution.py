"""One try at a job under a claim: the work, its records, and how it ended."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import anyio

from ..contract import Manifest, OutcomeKind, PlatformRef
from ..contract.job import Claim, Ending, Submission
from ..deliver import RunEnding as Ended
from ..deliver import Status, refused
from ..errors import (
    BudgetReached,
    Cancelled,
    LeaseLost,
    PlatformBusy,
    ScratchTooSmall,
    StoreError,
    TranscodeError,
    WorkerLost,
)
from ..hooks import Listener
from ..invoke.engine import Engine
from ..pipeline import carry_out, marks_of_job
from ..request import ResolvedRequest
from ..retry import RetryPolicy
from ..tracing.spans import span
from ..wiring import Wiring
from . import History, JobRepository, keep_lease
from .journal import JobJournal
from .reservations import Reservations

EndingKind = Literal["failed", "handed_back", "cancelled"]

_AGAIN = RetryPolicy(10, backoff_coefficient=6, maximum_interval_seconds=300)
"""After a failure; how often is for `TryLimits` to say."""
_PUT_OFF = RetryPolicy(10, backoff_coefficient=6, maximum_interval_seconds=1800)
"""Likewise where nothing was spent: a source that may not be read, a store that is
down."""

_TURN = RetryPolicy(10, backoff_coefficient=1)
"""Where the platform was full: there is room when a task ends, however long one has
waited already."""

_BUSY = PlatformBusy.__name__
_LAST_WORDS_SECONDS = 5.0
"""For the records of a job that is handed back, where the store still answers."""


@dataclass(frozen=True, slots=True)
class JobExecution:
    """What is needed to work on a job under one claim."""

    repository: JobRepository
    wiring: Wiring
    history: History
    """As it was before the claim."""
    claim: Claim
    look_up: Callable[[Submission], Awaitable[ResolvedRequest]]
    engine: Callable[[ResolvedRequest], Awaitable[Engine]]
    listen: Listener
    shown: Callable[[str], Awaitable[Manifest | None]]
    """The manifest in a folder of results, where there is one."""
    reservations: Reservations | None = None
    sharing: Callable[[], int] = lambda: 1
    """How many jobs want this machine now, this one among them."""

    @property
    def submission(self) -> Submission:
        return self.history.submission

    async def work(
        self,
        *,
        seconds_left: float | None,
        carry: Callable[[JobJournal, float], Awaitable[Manifest | None]] | None = None,
    ) -> Manifest | Ending | None:
        """
        *carry*: what the work is; by default all of it, here. None of it: others go on.


        The manifest, or how else it ended; None where the job is another's now.

        *seconds_left*: the work is stopped and handed back when they are over.
        Cancellation from outside hands the job back, too, and propagates.
        """
        started = time.monotonic()
        journal = JobJournal(
            self.repository,
            self.submission,
            self.claim,
            reservations=self.reservations,
            round_after=self.history.round_after,
        )
        error: TranscodeError | None = None
        try:
            async with keep_lease(self.repository, self.claim):
                with anyio.move_on_after(seconds_left):
                    return await (carry or self._carry_out)(journal, started)
        except LeaseLost:
            # Whoever has taken over may have read our attempts before the last one.
            with (
                contextlib.suppress(StoreError),
                anyio.move_on_after(_LAST_WORDS_SECONDS),
            ):
                await self._settle(journal)
            return None
        except TranscodeError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - one bad job must not end the others
            error = _unforeseen(exc)
        except BaseException:
            with anyio.move_on_after(_LAST_WORDS_SECONDS, shield=True):
                await self._settle(journal)
                await self.repository.end(
                    self._ending("handed_back", OutcomeKind.CANCELLED)
                )
            raise
        await self._settle(journal)
        if error is None:
            return await self._end(self._ending("handed_back", OutcomeKind.OUT_OF_TIME))
        if await self.repository.done(self.submission.folder):
            # Somebody's try was good, perhaps this one: there is nothing to explain.
            return None
        until = await self._put_off(error, spent=journal.has_spent)
        if until is not None:
            put_off = self._ending("handed_back", error.outcome)
            why = {"failure": error.describe(), "not_before": until}
            return await self._end(put_off.model_copy(update=why))
        cancelled = isinstance(error, Cancelled)
        ending = await self._end(
            await self._failed(
                error,
                started,
                kind="cancelled" if cancelled else "failed",
                final=cancelled or not _may_pass(error),
            )
        )
        if ending.final:
            await journal.settle(over=True)
        return ending

    async def _settle(self, journal: JobJournal) -> None:
        """After an error, which may have come when results were to be seen already."""
        there = False
        if journal.made:
            there = journal.is_in(await self.shown(self.submission.folder))
        await journal.settle(published=there)

    async def give_up(self, error: TranscodeError) -> Ending:
        """End the job for good without working on it."""
        before = await self.repository.attempts(self.claim.job_id)
        journal = JobJournal(
            self.repository,
            self.submission,
            self.claim,
            before,
            reservations=self.reservations,
            round_after=self.history.round_after,
        )
        await journal.learn()
        await journal.settle(over=True)
        cancelled = isinstance(error, Cancelled)
        kind: EndingKind = "cancelled" if cancelled else "failed"
        return await self._end(
            await self._failed(error, time.monotonic(), kind=kind, final=True)
        )

    async def _end(self, ending: Ending) -> Ending:
        """Before an end for good, workers that may yet come back are locked out."""
        if ending.final:
            await self.repository.seal(self.history)
        return await self.repository.end(ending)

    async def _carry_out(self, journal: JobJournal, started: float) -> Manifest:
        journal.before = await self.repository.attempts(self.claim.job_id)
        order = await self.look_up(self.submission)
        with span("job", marks_of_job(order), parent=self.submission.traceparent):
            engine = await self.engine(order)
            # The worker imports while the source is looked at.
            await engine.prewarm()
            manifest = await carry_out(
                order,
                self.wiring,
                engine,
                journal=journal,
                listen=journal.listening(self.listen),
                started=started,
                # What is done elsewhere wants nothing of this machine.
                sharing=(
                    self.sharing if self.submission.engine == "local" else lambda: 1
                ),
            )
        await journal.settle(published=True)
        return manifest

    def _ending(self, kind: EndingKind, outcome: OutcomeKind) -> Ending:
        return Ending(
            job_id=self.claim.job_id,
            claim=self.claim.number,
            kind=kind,
            final=False,
            outcome=outcome,
        )

    async def _failed(
        self, error: TranscodeError, started: float, *, kind: EndingKind, final: bool
    ) -> Ending:
        later = await self._later(_AGAIN, self._failures())
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

    async def _put_off(self, error: TranscodeError, *, spent: bool) -> datetime | None:
        """Until when, where this was no try: nothing spent, and not for the upload."""
        if isinstance(error, BudgetReached):
            return error.until
        if isinstance(error, PlatformBusy):
            return await self._later(_TURN, 0)
        if spent or not _may_pass(error) or isinstance(error, WorkerLost):
            return None
        return await self._later(_PUT_OFF, self._put_offs())

    async def _later(self, policy: RetryPolicy, before: int) -> datetime:
        wait = policy.wait_seconds(before + 1, random.random())  # noqa: S311
        return await self.repository.now() + timedelta(seconds=wait)

    def _failures(self) -> int:
        """Before this one, of this round; a worker that was killed is none."""
        return sum(ending.kind == "failed" for ending in self._endings())

    def _put_offs(self) -> int:
        """Likewise, of those that were no try; to wait for a turn is neither."""
        failures = (it.failure for it in self._endings() if it.kind == "handed_back")
        return sum(it is not None and it.type != _BUSY for it in failures)

    def _endings(self) -> list[Ending]:
        return [
            one.ending
            for one in self.history.tried
            if one.ending is not None and one.claim.number > self.history.round_after
        ]

    def _refused(self, error: TranscodeError, started: float) -> Manifest | None:
        status: Status = "failed"
        if isinstance(error, Cancelled):
            status = "cancelled"
        elif error.outcome is OutcomeKind.REJECTED:
            status = "rejected"
        submission = self.submission
        own = self.wiring.own_platform(submission.engine)
        try:
            platform = self.wiring.catalog.platform(submission.platform or own)
        except TranscodeError:
            platform = self.wiring.catalog.platform(own)
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


def _may_pass(error: TranscodeError) -> bool:
    """Whether to wait may help: a disk that is too small does not grow."""
    return error.mendable and not isinstance(error, ScratchTooSmall)


def _unforeseen(exc: Exception) -> TranscodeError:
    """A fault of ours: said as one, and tried again in case it was the machine's."""
    return WorkerLost(
        f"An unforeseen {type(exc).__name__} ended the work: {exc}. This is a fault of "
        "transcode; please report it.",
        exception=type(exc).__name__,
    )
