"""
Jobs that outlive the process that took them in: submit, perform, cancel, retry.

What `pipeline` does once for somebody who waits, the service does for whoever is gone:
a job is kept in the store before it is worked on, worked on under a claim, and its end
is kept and told. Any of it may be cut short anywhere; `perform` carries on.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Self

import anyio

from ..contract import Manifest, OutcomeKind, ProfileRef, SourceRecord
from ..contract.job import Claim, Delivery, JobReport, Submission, Tag
from ..errors import (
    Cancelled,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    ProfileError,
    TranscodeError,
    UsageError,
    WorkerLost,
    revive,
)
from ..hooks import Listener, TakenOver
from ..invoke.engine import Engine
from ..invoke.remote import RemoteEngine
from ..platforms.platform import Platform
from ..request import Request, ResolvedRequest, look_up
from ..store.bucket import Bucket
from ..store.destination import MANIFEST_NAME
from ..store.open import bucket, state_name
from ..tracing.spans import traceparent
from ..wiring import Wiring
from . import (
    Busy,
    Exhausted,
    Free,
    History,
    JobRepository,
    TryLimits,
    job_state,
    report,
)
from .advance import JobAdvance, Planning, is_wanted, own_mib
from .execution import JobExecution
from .finalize import (
    Tells,
    may_be_mended,
    room_needed_mib,
    tell_and_close,
    tidy,
)
from .journal import JobJournal
from .reservations import Reservations
from .state import waits_for_room
from .waitlist import leave_waitlist, wait_for_turn

_MOMENT_SECONDS = 1.0

_LEASES = 5
"""Of a claim under which nobody waits: its first task has to be begun within some."""
_MAX_DEPTH = 3
"""Results of results that are taken in: a trailer of a preview is one by intent."""
_KEPT_APART = frozenset(
    {
        *("source", "profile", "to", "platform", "engine", "deadline_seconds"),
        *("budget", "memory_mib", "optimize"),
    }
)
"""Fields of a request that a submission has of its own."""


@dataclass
class JobService:
    """Takes jobs in and has them done, any number at a time."""

    wiring: Wiring
    to: str
    bucket: Bucket
    tells: Tells
    owner: str
    _stack: AsyncExitStack
    later: Callable[[str], Awaitable[None]] | None = None
    """Takes the job whose result is to be told; None: it is told right after the work,
    by whoever did it."""
    sharing: Callable[[], int] = lambda: 1
    """How many jobs want this machine now, one that is worked on among them."""
    _engines: dict[tuple[str, str], Engine] = field(default_factory=dict)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    planning: Planning = field(default_factory=Planning)
    _asked: tuple[float, datetime] | None = None
    """When the store told its time last, by our own clock, and what it told."""

    def __post_init__(self) -> None:
        self.repository = JobRepository(self.bucket, done=self._is_done)
        self._reservations = None
        if caps := self.wiring.caps:
            state = state_name(self.bucket, self.wiring.settings)
            folder = self.wiring.index_folder
            self._reservations = Reservations(self.bucket, caps, folder, state)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, wiring: Wiring, *, to: str, tells: Tells | None = None
    ) -> AsyncIterator[Self]:
        """
        A service for the jobs whose results go to *to*; engines start when needed.

        Without *tells*, those are told whom the settings name; raises `SettingsError`
        where they cannot be.
        """
        owner = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        async with AsyncExitStack() as stack:
            if tells is None:
                tells = await stack.enter_async_context(wiring.announcer())
            objects = await stack.enter_async_context(bucket(to, wiring.settings))
            yield cls(wiring, to, objects, tells, owner, stack)

    async def submit(
        self,
        request: Request,
        *,
        tags: Mapping[Tag, Tag] | None = None,
        priority: int = 0,
        event_id: str | None = None,
        order: ResolvedRequest | None = None,
    ) -> tuple[JobReport, bool]:
        """
        Keep the request as a job, and say whether it is new.

        The same source version under the same profile is the same job: it is found,
        finished or not, and its first submission is the one that counts. Raises what
        `look_up` raises; a source that we made too many steps ago is a `UsageError`.
        """
        order = order or await look_up(request, self.wiring)
        submission = Submission(
            job_id=order.job_id,
            folder=order.folder,
            source=_record(order),
            location=None if order.source.is_remote else order.source.location,
            profile=ProfileRef(name=order.profile.name, digest=order.profile.digest),
            profile_from=_absolute(request.profile),
            to=self.to,
            engine=request.engine,
            platform=request.platform,
            deadline_seconds=request.deadline_seconds,
            budget=request.budget,
            memory_mib=request.memory_mib,
            optimize=request.optimize,
            options=request.model_dump(
                mode="json", exclude=set(_KEPT_APART), exclude_defaults=True
            ),
            tags=dict(tags or {}),
            priority=priority,
            event_id=event_id,
            depth=_depth(order),
            submitted_at=await self.repository.now(),
            traceparent=traceparent(),
        )
        done = await self.result(submission)
        if done is not None:
            # Made by hand, perhaps: then there never was a job to find.
            return done, False
        _, new = await self.repository.submit(submission)
        if new:
            history = History(submission, (), done=False)
            now = submission.submitted_at
            return report(history, now, self._limits, None), True
        history = await self.repository.history(order.job_id)
        found = await self._report(history)
        if await self.reopen(found):
            return await self.report(order.job_id), False
        if not found.over:
            # Results that somebody has removed are made anew.
            await self.repository.reopen(order.job_id, history.round_number)
        return found, False

    async def reopen(self, ended: JobReport) -> bool:
        """
        Open a job again that ended for no fault of its upload's, and say whether that
        was so. One that found no room stays closed for as long as there is none.
        """
        if not may_be_mended(ended) or not self.has_room(ended):
            return False
        await self.repository.retry(ended.job_id)
        return True

    def has_room(self, ended: JobReport) -> bool:
        """Whether there is the scratch now that it wanted, if it ended for that."""
        needed = room_needed_mib(ended)
        return not needed or needed <= self.wiring.machine.scratch_mib

    async def result(self, submission: Submission) -> JobReport | None:
        """What there is of it where no job is kept: a result, or nothing."""
        done = await self._manifest(submission.folder)
        if done is None:
            return None
        history = History(submission, (), done=True)
        now = await self.repository.now()
        return report(history, now, self._limits, done)

    async def report(self, job_id: str) -> JobReport:
        """Where the job stands; raises `ObjectMissing` where there is none."""
        history = await self.repository.history(job_id)
        return await self._report(history)

    async def perform(
        self,
        job_id: str,
        *,
        listen: Listener = lambda _event: None,
        seconds_left: float | None = None,
    ) -> JobReport:
        """
        Do what can be done for the job now, and say where it stands.

        Nothing is done for a job that somebody else works on, or that waits. Failures
        are reports, not exceptions; only a store that does not answer raises.
        """
        # Before the claims are looked at: however long that takes, a lease that was
        # renewed meanwhile is never taken for one that is over.
        now = await self._recently()
        history = await self.repository.history(job_id, held_at=now)
        state = job_state(history, now, self._limits)
        worked = isinstance(state, Free | Exhausted)
        if isinstance(state, Free | Exhausted):
            try:
                claim = await self.repository.claim(
                    job_id,
                    state.number,
                    owner=self.owner,
                    lease=self.wiring.settings.lease_seconds,
                )
            except ObjectExists:
                return await self.report(job_id)
            if history.tried and history.tried[-1].ending is None:
                listen(TakenOver(job_id))
            await self._take(history, state, claim, listen, seconds_left)
            history = await self.repository.history(job_id)
            now = await self.repository.now()
        return await self._ended(history, now, worked=worked)

    async def start(
        self,
        job_id: str,
        *,
        listen: Listener = lambda _event: None,
        has_room: bool = False,
    ) -> JobReport:
        """
        Plan the job, start its first tasks and leave: each task, once it is done, calls
        `advance`. Where one has been lost meanwhile, this goes on in its stead.

        As `perform`: nothing is done for a job that is over or waits, but for room,
        where there is some (*has_room*).
        """
        now = await self.repository.now()
        history = await self.repository.history(job_id)
        state = job_state(history, now, self._limits, has_room=has_room)
        if isinstance(state, Busy):
            number = history.tried[-1].claim.number
            return await self.advance(job_id, number, listen=listen)
        if not isinstance(state, Free) or history.cancelled:
            return await self.perform(job_id, listen=listen)
        if self.planning.is_full():
            # It would be claimed for nothing, and so would all that wait.
            own = own_mib(self.wiring)
            await wait_for_turn(self.bucket, history.submission, own)
            return await self._report(history, now)
        lease = self.wiring.settings.lease_seconds * _LEASES
        try:
            claim = await self.repository.claim(
                job_id, state.number, owner=self.owner, lease=lease
            )
        except ObjectExists:
            return await self.report(job_id)
        if history.tried and history.tried[-1].ending is None:
            listen(TakenOver(job_id))

        async def begin(journal: JobJournal, started: float) -> None:
            journal.before = await self.repository.attempts(job_id)
            order = await self._look_up(history.submission)
            advance = await self._advance(order, claim, journal, listen)
            await advance.begin(started)

        await self._execution(history, claim, listen).work(
            seconds_left=None, carry=begin
        )
        history = await self.repository.history(job_id)
        ours = history.tried[-1].claim.number == claim.number
        begun = ours and not waits_for_room(history)
        if begun and await self.limited(history.submission):
            await leave_waitlist(self.bucket, history.submission)
        return await self._ended(history, worked=False)

    async def limited(self, submission: Submission) -> RemoteEngine | None:
        """Its engine, where the platform loses what is above its concurrency."""
        engine = await self.engine_for(submission)
        if isinstance(engine, RemoteEngine) and engine.concurrency is not None:
            return engine
        return None

    async def advance(
        self,
        job_id: str,
        number: int,
        *,
        listen: Listener = lambda _event: None,
    ) -> JobReport:
        """
        Go on with the job under claim *number*: start what is next, or publish it.

        Called by whoever has finished one of its tasks, and by a clock. Does nothing
        where that claim is over or another has followed.
        """
        history = await self.repository.history(job_id)
        tried = next((t for t in history.tried if t.claim.number == number), None)
        newest = bool(tried) and tried is history.tried[-1]
        if tried is None or not newest or tried.ending is not None or history.done:
            return await self._report(history)
        claim = tried.claim
        before = replace(history, tried=history.tried[:-1])
        order = await self._look_up(history.submission)
        journal = JobJournal(
            self.repository,
            history.submission,
            claim,
            reservations=self._reservations,
            round_after=history.round_after,
        )
        await _recall(journal, self.repository)
        advance = await self._advance(order, claim, journal, listen)
        if history.cancelled:
            finished = await advance.stop()
        elif not await advance.is_planned():
            # Whoever holds it plans it still, or does it all where it is.
            return await self._report(history)
        else:
            finished = await advance.go_on()
        if finished is None:
            return await self._report(history)

        async def conclude(journal: JobJournal, started: float) -> Manifest:
            await _recall(journal, self.repository)
            last = await self._advance(order, claim, journal, listen)
            return await last.conclude(finished, started)

        await self._execution(before, claim, listen).work(
            seconds_left=None, carry=conclude
        )
        history = await self.repository.history(job_id)
        return await self._ended(history, worked=True)

    async def wanted(self, job_id: str, number: int) -> bool:
        """Whether what is done under claim *number* can still count."""
        return await is_wanted(self.repository, job_id, number)

    async def _ended(
        self, history: History, now: datetime | None = None, *, worked: bool
    ) -> JobReport:
        """Where it stands; once it is over it is tidied up and told."""
        report = await self._report(history, now)
        if report.over:
            await tidy(
                self.repository,
                self.bucket,
                history,
                report,
                settled=worked,
                thorough=history.submission.engine != "local",
            )
            if self.later is not None:
                await self.later(report.job_id)
            else:
                await self._tell(history, report)
        return report

    async def _recently(self) -> datetime:
        """
        The store's time, a moment ago at most: a lease seems no shorter for that.
        """
        began = anyio.current_time()
        if self._asked is None or began - self._asked[0] > _MOMENT_SECONDS:
            self._asked = began, await self.repository.now()
        return self._asked[1]

    def _execution(
        self, history: History, claim: Claim, listen: Listener
    ) -> JobExecution:
        return JobExecution(
            self.repository,
            self.wiring,
            history,
            claim,
            self._look_up,
            self._engine,
            listen,
            self._manifest,
            self._reservations,
            # Asked again and again: who works on jobs may come later.
            lambda: self.sharing(),  # noqa: PLW0108
        )

    async def _advance(
        self,
        order: ResolvedRequest,
        claim: Claim,
        journal: JobJournal,
        listen: Listener,
    ) -> JobAdvance:
        engine = await self._engine(order)
        if not isinstance(engine, RemoteEngine):
            raise UsageError(
                f"The engine `{order.request.engine}` has nobody to go on with a job: "
                "somebody has to wait for it.",
                engine=order.request.engine,
            )
        return JobAdvance(
            self.bucket,
            self.wiring,
            claim,
            order,
            engine,
            journal,
            journal.listening(listen),
            self.planning,
        )

    async def tell(self, job_id: str) -> tuple[bool, tuple[Delivery, ...]]:
        """
        Tell of a job that is over whoever was not told, and close it once all are.

        Returns whether all are, and who could not be told in this round.
        """
        history = await self.repository.history(job_id)
        report = await self._report(history)
        return await self._tell(history, report) if report.over else (True, ())

    async def _tell(
        self, history: History, report: JobReport
    ) -> tuple[bool, tuple[Delivery, ...]]:
        return await tell_and_close(
            self.repository, self.bucket, self.tells, history, report
        )

    async def find(self, text: str) -> str:
        """
        The id of the job that *text* means: the id, its first digits, or the name of
        its folder of results. Raises `UsageError` where it is none, or several.
        """
        wanted = text.rstrip("/").rpartition("/")[2].rpartition(".")[2]
        found = [job async for job in self.repository.jobs(wanted)]
        if len(found) == 1:
            return found[0]
        said = "several jobs" if found else "no job"
        raise UsageError(
            f"{text!r} names {said} in {self.to!r}; `transcode jobs --to {self.to}` "
            "lists them.",
            job=text,
        )

    async def cancel(self, job_id: str) -> JobReport:
        """Have the job stopped: by its worker within a third of its lease, or here."""
        await self.repository.cancel(job_id)
        return await self.perform(job_id)

    async def retry(self, job_id: str, *, task: str | None = None) -> JobReport:
        """
        Open a job that ended without a result, for as many tries as a new one.

        All its tasks are done again: what one made does not outlive the try. With
        *task*, its id or what follows the job's in it, only where that task is what was
        tried without success. Raises `UsageError` where it is not, the job has
        succeeded, or somebody works on it.
        """
        if task is not None:
            await self._refuse_unless_failed(job_id, task)
        now = await self.repository.now()
        history = await self.repository.history(job_id)
        if history.done:
            raise UsageError(
                f"Job {job_id[:12]} has succeeded: nothing is left to try. Remove "
                f"{self.bucket.uri(history.submission.folder)!r} to have it made anew.",
                job_id=job_id,
            )
        state = job_state(history, now, self._limits)
        if isinstance(state, Busy):
            raise UsageError(
                f"Job {job_id[:12]} is being worked on by {state.owner}; cancel it "
                "first, or wait for its end.",
                job_id=job_id,
            )
        await self.repository.retry(job_id)
        return await self.report(job_id)

    # ── within ──

    async def _refuse_unless_failed(self, job_id: str, task: str) -> None:
        records = await self.repository.attempts(job_id)
        # In the order in which they were tried, so that the last one counts.
        ended = {record.task_id: record.attempt.outcome for record in records}
        wanted = {task, f"{job_id[:12]}-{task}"}
        failed = [n for n, how in ended.items() if how != OutcomeKind.SUCCEEDED]
        if wanted & {*failed}:
            return
        known = "succeeded" if wanted & {*ended} else "was never tried"
        others = f"what failed is {', '.join(failed)}" if failed else "no task failed"
        raise UsageError(
            f"Task {task!r} of job {job_id[:12]} {known}; {others}. Leave out --task "
            "to have the job done again.",
            job_id=job_id,
        )

    @property
    def _limits(self) -> TryLimits:
        return TryLimits(tries=self.wiring.settings.tries)

    async def _is_done(self, folder: str) -> bool:
        try:
            await self.bucket.head(f"{folder}/{MANIFEST_NAME}")
        except ObjectMissing:
            return False
        return True

    async def _manifest(self, folder: str) -> Manifest | None:
        try:
            text, _ = await self.bucket.read(f"{folder}/{MANIFEST_NAME}")
        except ObjectMissing:
            return None
        return Manifest.from_json(text)

    async def _take(
        self,
        history: History,
        state: Free | Exhausted,
        claim: Claim,
        listen: Listener,
        seconds_left: float | None,
    ) -> None:
        execution = self._execution(history, claim, listen)
        if isinstance(state, Exhausted):
            await execution.give_up(_exhausted(history, state))
        elif history.cancelled:
            await execution.give_up(_cancelled(claim))
        else:
            await execution.work(seconds_left=seconds_left)

    async def _look_up(self, submission: Submission) -> ResolvedRequest:
        """The order as submitted, or why it cannot be that any more."""
        request = Request.model_validate(
            {
                **submission.options,
                "source": submission.source.uri,
                "profile": submission.profile_from or submission.profile.name,
                "to": self.to,
                "platform": submission.platform,
                "engine": submission.engine,
                "deadline_seconds": await self._deadline(submission),
                "budget": submission.budget,
                "memory_mib": submission.memory_mib,
                "optimize": submission.optimize,
            }
        )
        order = await look_up(request, self.wiring)
        if order.profile.digest != submission.profile.digest:
            raise ProfileError(
                f"The profile {submission.profile.name!r} is no longer what it was "
                "when this was submitted; submit it again.",
                profile=submission.profile.name,
            )
        moved = submission.location not in (None, order.source.location)
        if moved or order.job_id != submission.job_id:
            raise ObjectChanged(
                f"{submission.source.uri!r} was replaced after it was submitted; the "
                "new version is a job of its own.",
                uri=submission.source.uri,
            )
        return order

    async def _deadline(self, submission: Submission) -> float | None:
        if submission.deadline_seconds is None:
            return None
        gone = (await self.repository.now() - submission.submitted_at).total_seconds()
        # A plan for less than a moment is refused with the reason that a person needs.
        return max(submission.deadline_seconds - gone, 0.001)

    async def _engine(self, order: ResolvedRequest) -> Engine:
        return await self._engine_on(order.request.engine, order.platform)

    async def engine_for(self, submission: Submission) -> Engine:
        name = submission.engine
        platform = self.wiring.platform_of(name, submission.platform)
        return await self._engine_on(name, platform)

    async def _engine_on(self, name: str, platform: Platform) -> Engine:
        key = (name, platform.name)
        async with self._lock:
            if key not in self._engines:
                self._engines[key] = await self._stack.enter_async_context(
                    self.wiring.engine(name, platform)
                )
            return self._engines[key]

    async def _report(self, history: History, now: datetime | None = None) -> JobReport:
        manifest = None
        if history.done:
            manifest = await self._manifest(history.submission.folder)
        now = now or await self.repository.now()
        return report(history, now, self._limits, manifest)


async def _recall(journal: JobJournal, repository: JobRepository) -> None:
    """What was written down under this claim is this claim's, whoever wrote it."""
    kept = await repository.attempts(journal.claim.job_id)
    own = journal.claim.number
    journal.before = [one for one in kept if one.claim != own]
    journal.records = {
        (one.task_id, one.attempt.number): one for one in kept if one.claim == own
    }
    if journal.before:
        await journal.learn()


def _record(order: ResolvedRequest) -> SourceRecord:
    source = order.source
    return SourceRecord(
        uri=source.uri, bytes=source.bytes, etag=source.etag, version=source.version
    )


def _absolute(profile: str) -> str:
    """A path stays right wherever the work will be done from."""
    by_path = "/" in profile or profile.endswith(".toml")
    return str(Path(profile).absolute()) if by_path else profile


def _depth(order: ResolvedRequest) -> int:
    """Of the source; refuses one at the end of a long chain."""
    depth = order.source.depth
    if depth > _MAX_DEPTH:
        raise UsageError(
            f"{order.source.uri!r} is itself the {depth}th result in a row of results: "
            "something feeds our outputs back to us. Keep uploads and results apart.",
            uri=order.source.uri,
            depth=depth,
        )
    return depth


def _cancelled(claim: Claim) -> TranscodeError:
    return Cancelled(f"Job {claim.job_id[:12]} was cancelled.", job_id=claim.job_id)


def _exhausted(history: History, state: Exhausted) -> TranscodeError:
    last = next((t.ending for t in reversed(history.tried) if t.ending), None)
    if last is not None and last.failure is not None:
        error = revive(last.failure)
        error.message = f"{error.message} Not tried again: {state.why}."
        error.manifest = last.manifest
        return error
    return WorkerLost(
        f"Every worker that took this job vanished or ran out of time: {state.why}.",
        tries=state.tries,
    )
