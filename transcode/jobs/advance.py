"""
A job that goes on by itself: nobody waits for its tasks.

Whoever finishes a task looks at the job's records, decides by `invoke.advance`, and
starts what follows. An order is created conditionally: of several who decide the same,
one starts it. The last one publishes. Doing it twice, late or from two places changes
nothing; what was lost is found by the next to look.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import anyio

from ..analysis.measuring import BegunPlan, MeasureFirst, left_of
from ..contract import (
    InvocationReport,
    KeptWork,
    Manifest,
    Plan,
    TaskResult,
    WorkOrder,
    attempt_name,
)
from ..contract.job import Claim
from ..errors import (
    Cancelled,
    ObjectExists,
    ObjectMissing,
    PlatformBusy,
    StoreError,
    TranscodeError,
    WorkerLost,
)
from ..hooks import Listener, Planned
from ..invoke.advance import (
    Begin,
    TaskState,
    left_for_whole,
    next_steps,
    results_of,
    whole_afforded,
    whole_of,
    with_whole,
)
from ..invoke.remote import (
    BEAT,
    BEGUN,
    ORDER,
    REPORT,
    AdvancingJob,
    RemoteEngine,
    RemoteOrder,
    ended_as,
)
from ..invoke.scheduler import provisional_attempt
from ..pipeline import conclude, gone_on_with, plan_job, refusal_of
from ..request import ResolvedRequest
from ..store.bucket import Bucket
from ..store.destination import RECORDS
from ..wiring import Wiring
from .journal import JobJournal
from .repository import JobRepository, read_one
from .takeover import (
    MEASURING_KINDS,
    MeasuringTry,
    PlannedTry,
    measuring_path,
    plan_path,
    write_measuring,
)
from .waitlist import leave_waitlist, wait_for_turn

_FULL_SECONDS = 5.0
"""Less than a task takes, and more than a call that looks at hundreds of jobs."""
_QUEUED = 3
"""Leases that an order may wait to be begun: the age that an event may have, and a cold
start."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to start, nothing runs."""

    plan: Plan
    results: tuple[TaskResult, ...]
    begun_at: Mapping[tuple[str, int], datetime]
    kept: Mapping[str, KeptWork]
    """What tries before this one have made of it."""
    measured: tuple[TaskResult, ...] = ()
    """What was measured for the plan."""
    refusal: TranscodeError | None = None
    """Why there is no plan for what was measured, or nothing was."""


@dataclass(slots=True)
class Planning:
    """Of jobs that are planned here side by side, those that have started nothing."""

    count: int = 0
    one_at_a_time: anyio.Lock = field(default_factory=anyio.Lock)
    """For a look at the platform's room, and what is started for it."""
    full_until: float = -math.inf
    """By the clock of anyio: so long nobody needs to look for room."""

    def is_full(self) -> bool:
        """Whether the platform had no room a moment ago."""
        return anyio.current_time() < self.full_until

    def look_again(self) -> None:
        """Somebody has made room."""
        self.full_until = -math.inf


def own_mib(wiring: Wiring) -> int | None:
    """The memory of the function that this is; None: it is none."""
    return None if wiring.held_to is None else wiring.held_to.memory_mib


async def room_on(
    engine: RemoteEngine, objects: Bucket, wiring: Wiring, planning: Planning
) -> int | None:
    """
    How many invocations more may run, by what all jobs here have ordered and nobody
    has reported or given up; None: as many as we like. Two who ask at once are told
    the same: a few too many are lost, and begun again.
    """
    most = engine.concurrency
    if most is None:
        return None
    if wiring.held_to is not None and most > 1:
        most -= 1  # the function that asks
    now, lease = await objects.now(), wiring.settings.lease_seconds
    lies: dict[str, dict[str, datetime]] = defaultdict(dict)
    async for entry in objects.entries(f"{RECORDS}/"):
        attempt, _, what = entry.key.rpartition("/")
        lies[attempt][what] = entry.modified
    silent = timedelta(seconds=lease * _QUEUED)
    live = (
        REPORT not in it and now - max(it.values()) <= silent for it in lies.values()
    )
    return most - sum(live) - planning.count


@dataclass(frozen=True, slots=True)
class JobAdvance:
    """One look at a job under one claim."""

    objects: Bucket
    """Of the destination."""
    wiring: Wiring
    claim: Claim
    order: ResolvedRequest
    engine: RemoteEngine
    journal: JobJournal
    """Knows of the attempts so far."""
    listen: Listener
    planning: Planning
    """What this process plans besides: it needs room, too."""

    async def begin(self, started: float) -> None:
        """
        Plan it and start what is first.

        Raises `PlatformBusy` where the platform would lose what is started now.
        """
        async with self.planning.one_at_a_time:
            if await self._is_full():
                submission = self.journal.submission
                await wait_for_turn(self.objects, submission, own_mib(self.wiring))
                # What ended before it stood there has called nobody for it.
                if await self._is_full():
                    self.planning.full_until = anyio.current_time() + _FULL_SECONDS
                    raise PlatformBusy(
                        f"{self.engine.concurrency} invocations run on the platform, "
                        "as many as the account may have. The job waits its turn."
                    )
                await leave_waitlist(self.objects, submission)
            self.planning.count += 1
        try:
            await self._plan(started)
        finally:
            self.planning.count -= 1
        async with self.planning.one_at_a_time:
            await self.go_on()

    async def _is_full(self) -> bool:
        room = await self._room()
        return room is not None and room <= 0

    async def _plan(self, started: float) -> None:
        resumed = await self.journal.resume(in_place=self.order.target.in_place)
        if resumed is None:
            await self._decide(started)
        else:
            plan = gone_on_with(resumed.plan, self.order)
            plan = await self.journal.allow(plan)
            self.listen(Planned(plan))
            await self.journal.planned(plan, resumed.kept)

    async def _decide(self, started: float, begun: BegunPlan | None = None) -> None:
        """Write down the plan, or what is to be measured for it. Of several, one is."""
        decided = await plan_job(
            self.order,
            self.wiring,
            self.journal,
            self.listen,
            started,
            begun=begun,
        )
        if isinstance(decided, MeasureFirst):
            await write_measuring(
                self.objects,
                self.claim,
                decided.own,
                decided.media,
                decided.constraints,
            )
        else:
            await self.journal.planned(decided.plan, {}, decided.measured)

    async def go_on(self) -> Finished | None:
        """Start what is next; what it came to where nothing is; None: others work."""
        while (known := await self._planned()) is None:
            # As long as something more is to be measured.
            measuring = await self._measure()
            if measuring is not True:
                return measuring or None
        return await self._work(known)

    async def _planned(self) -> PlannedTry | None:
        try:
            return await read_one(self.objects, PlannedTry, self._path)
        except ObjectMissing:
            return None

    async def _measuring(self) -> list[MeasuringTry]:
        """What was to be measured so far, in its order."""
        found: list[MeasuringTry] = []
        for kind in MEASURING_KINDS:
            path = measuring_path(self.claim.job_id, self.claim.number, kind)
            with suppress(ObjectMissing):
                found.append(await read_one(self.objects, MeasuringTry, path))
        return found

    async def _measure(self) -> Finished | bool:
        """
        Start what is to be measured, and plan by what it came to: True once that is
        written down, False while others work, what it came to where there is no plan.
        """
        began = time.monotonic()
        now, found = await self.objects.now(), await self._records()
        measured: dict[str, TaskResult] = {}
        stages = await self._measuring()
        if not stages:
            return False  # over meanwhile, and tidied up
        for plan in (it.plan for it in stages):
            (planned,) = plan.tasks
            name = planned.task.task_id
            earlier = tuple(self.journal.earlier.get(name, ()))
            state = await self._state(TaskState(planned, earlier), found, now)
            fits = self.engine.fits
            steps = next_steps([state], budget=plan.budget, fits=fits)
            for one in steps.begin:
                await self._start(plan, one)
            if steps.begin or state.runs:
                return False
            # Where neither spec nor money was found for it, there is no attempt.
            none = TaskResult(
                task_id=name, kind=planned.task.kind, attempts=(), produced=None
            )
            (measured[name],) = results_of([state], steps.gave_up) or (none,)
        first = stages[0]
        try:
            await self._decide(
                began, BegunPlan(first.media, first.constraints, measured)
            )
        except StoreError:
            raise
        except TranscodeError as exc:
            return self._refused(stages[-1].plan, measured, exc)
        return True

    def _refused(
        self, plan: Plan, measured: Mapping[str, TaskResult], why: TranscodeError
    ) -> Finished:
        begun_at = dict(self.journal.begun_at)
        paid = tuple(it for it in measured.values() if it.attempts)
        return Finished(plan, (), begun_at, {}, paid, why)

    async def _work(self, known: PlannedTry) -> Finished | None:
        plan = known.plan
        now = await self.objects.now()
        found = await self._records()
        self.journal.use(known.kept)
        earlier = self.journal.earlier
        states = [
            await self._state(
                TaskState.after(
                    planned,
                    earlier.get(planned.task.task_id, ()),
                    known.kept.get(planned.task.task_id),
                ),
                found,
                now,
            )
            for planned in plan.tasks
        ]
        budget, fits = left_of(plan), self.engine.fits
        steps = next_steps(states, budget=budget, fits=fits)
        if not steps.failed:
            for one in await self._allowed(steps.begin, states):
                await self._start(plan, one)
            if steps.begin or not all(state.done for state in states):
                return None
            return self._finished(known, results_of(states, {}))
        results = results_of(await self._stopped(states), steps.gave_up)
        whole = whole_of(states, steps.gave_up)
        if whole is None:
            return self._finished(known, results)
        refusal = whole_afforded(states, whole, budget=budget, fits=fits)
        if refusal is not None:
            ended = with_whole(results, (), refusal)
            return self._finished(known, ended)
        instead = await self._state(TaskState(whole), found, now)
        left = left_for_whole(states, budget)
        more = next_steps([instead], budget=left, fits=fits)
        for one in more.begin:
            await self._start(plan, one)
        if more.begin or instead.runs:
            return None
        ended = with_whole(results, results_of([instead], more.gave_up))
        return self._finished(known, ended)

    async def _allowed(
        self, begin: Sequence[Begin], states: Sequence[TaskState]
    ) -> Sequence[Begin]:
        """
        As many as the platform has room for; the others begin as these end. At least
        one where nothing runs: nobody else would look at the job.
        """
        room = await self._room() if begin else None
        if room is None:
            return begin
        return begin[: max(room, int(not any(state.runs for state in states)))]

    async def _room(self) -> int | None:
        return await room_on(self.engine, self.objects, self.wiring, self.planning)

    def _finished(self, known: PlannedTry, results: tuple[TaskResult, ...]) -> Finished:
        begun_at = dict(self.journal.begun_at)
        return Finished(known.plan, results, begun_at, known.kept, known.measured)

    @property
    def _path(self) -> str:
        return plan_path(self.claim.job_id, self.claim.number)

    async def is_planned(self) -> bool:
        """Whether there is something to go on with."""
        return bool(await self._planned() or await self._measuring())

    async def stop(self) -> Finished | None:
        """Give up what runs; None: nothing was planned yet."""
        known, stages = await self._planned(), await self._measuring()
        now, found = await self.objects.now(), await self._records()
        if known is not None:
            states = [
                await self._state(TaskState(it), found, now) for it in known.plan.tasks
            ]
            return self._finished(known, results_of(await self._stopped(states), {}))
        if not stages:
            return None
        states = [
            await self._state(TaskState(it.plan.tasks[0]), found, now) for it in stages
        ]
        results = results_of(await self._stopped(states), {})
        measured = {it.task_id: it for it in results}
        why = Cancelled("The job was cancelled.")
        return self._refused(stages[-1].plan, measured, why)

    async def _records(self) -> Mapping[str, Mapping[str, datetime]]:
        """Attempt → what lies in its records → when it was written."""
        root = f"{RECORDS}/{self.order.folder}/{self.journal.token}/"
        found: dict[str, dict[str, datetime]] = defaultdict(dict)
        async for entry in self.objects.entries(root):
            name, _, what = entry.key.removeprefix(root).rpartition("/")
            found[name][what] = entry.modified
        return found

    async def _state(
        self,
        state: TaskState,
        found: Mapping[str, Mapping[str, datetime]],
        now: datetime,
    ) -> TaskState:
        """*state* as this try has begun, with what its records say since."""
        name, number = (
            state.name,
            1 + max((attempt.number for attempt in state.earlier), default=0),
        )
        while (lies := found.get(attempt_name(name, number))) and ORDER in lies:
            at = f"{RECORDS}/{self.order.folder}/{self.journal.token}"
            at = f"{at}/{attempt_name(name, number)}"
            order = await read_one(self.objects, RemoteOrder, f"{at}/{ORDER}")
            if order.ordered_at is not None:
                self.journal.begun_at[name, number] = order.ordered_at
            report = await self._reported(order, at, lies, now)
            if report is None:
                limit = order.work.task.spend_limit
                return replace(state, runs=True, running=limit)
            state = replace(
                state,
                attempts=(*state.attempts, report.attempt),
                produced=report.produced,
                place=order.work.place or "",
            )
            number += 1
        return state

    async def _reported(
        self, order: RemoteOrder, at: str, lies: Mapping[str, datetime], now: datetime
    ) -> InvocationReport | None:
        """How it ended; said in its stead where it has been silent for too long."""
        if REPORT in lies:
            return await read_one(self.objects, InvocationReport, f"{at}/{REPORT}")
        lease = self.wiring.settings.lease_seconds
        last = max(lies.get(BEAT, lies[ORDER]), lies.get(BEGUN, lies[ORDER]))
        begun = BEGUN in lies
        if now - last <= timedelta(seconds=lease if begun else lease * _QUEUED):
            return None
        error = WorkerLost(
            "Nothing was heard of it for as long as its lease."
            if begun
            else "It was never begun: the platform has lost or discarded it."
        )
        took = (last - lies[ORDER]).total_seconds()
        attempt = ended_as(
            error, order.work, self.engine.platform, wall_seconds=took, begun=begun
        )
        return await self._say(at, InvocationReport(attempt=attempt))

    async def _say(self, at: str, report: InvocationReport) -> InvocationReport:
        try:
            await self.objects.create(f"{at}/{REPORT}", report.to_json().encode())
        except ObjectExists:
            return await read_one(self.objects, InvocationReport, f"{at}/{REPORT}")
        return report

    async def _stopped(self, states: list[TaskState]) -> list[TaskState]:
        """With what runs given up: a job is all or nothing."""
        stopped = []
        for state in states:
            if not state.runs:
                stopped.append(state)
                continue
            number = len(state.all_attempts) + 1
            name = attempt_name(state.name, number)
            at = f"{RECORDS}/{self.order.folder}/{self.journal.token}/{name}"
            order = await read_one(self.objects, RemoteOrder, f"{at}/{ORDER}")
            attempt = ended_as(
                Cancelled("The attempt was cancelled."),
                order.work,
                self.engine.platform,
                wall_seconds=order.work.task.predicted.wall_seconds,
                begun=True,
            )
            report = await self._say(at, InvocationReport(attempt=attempt))
            attempts = (*state.attempts, report.attempt)
            stopped.append(
                replace(state, runs=False, attempts=attempts, produced=report.produced)
            )
        return stopped

    async def _start(self, plan: Plan, one: Begin) -> None:
        name = attempt_name(one.task.task_id, one.number)
        token = self.journal.token
        target, folder = self.order.target, self.order.folder
        work = WorkOrder(
            task=one.task,
            number=one.number,
            place=target.place(folder, name, token=token),
            records=target.records(folder, name, token=token),
            profile=plan.profile.name,
            traceparent=self.journal.submission.traceparent,
        )
        job = AdvancingJob(
            to=self.order.request.to,
            job_id=self.claim.job_id,
            claim=self.claim.number,
        )
        now = await self.objects.now()
        if not await self.engine.order(work, job, now):
            return  # somebody else starts it
        if not await is_wanted(self.journal.repository, job.job_id, job.claim):
            # We stood still until all was over, its records included.
            at = f"{RECORDS}/{folder}/{token}/{name}"
            await self.objects.delete(f"{at}/{ORDER}")
            return
        self.journal.begun_at[one.task.task_id, one.number] = now
        # Before it can cost anything: whoever takes over must know of it.
        provisional = provisional_attempt(one.task, one.number)
        await self.journal.keep(plan, one.task, provisional)
        await self.engine.start(work)

    async def conclude(self, finished: Finished, started: float) -> Manifest:
        """Publish it, or raise what it failed with; every attempt is written down."""
        plan, results = finished.plan, finished.results
        measured = finished.measured
        self.journal.defers = True
        self.journal.use(finished.kept)
        self.journal.begun_at.update(finished.begun_at)
        tasks = {
            planned.task.task_id: planned.task
            for one in plan.tasks
            for planned in (one.fallback, one)
            if planned is not None
        }
        if measured:
            stages = [it.plan.tasks[0].task for it in await self._measuring()]
            tasks |= {it.task_id: it for it in stages}
        earlier = self.journal.earlier
        for result in (*measured, *results):
            if result.task_id not in tasks:
                continue  # a try before has measured it
            known = {it.number for it in earlier.get(result.task_id, ())}
            for attempt in result.attempts:
                name = (result.task_id, attempt.number)
                if attempt.number in known and name not in self.journal.records:
                    continue  # of a try before, and on its bill
                await self.journal.keep(plan, tasks[result.task_id], attempt)
        names = {it.task_id for it in measured}
        others = self.journal.others(plan)
        before = (*(it for it in others if it.task_id not in names), *measured)
        if finished.refusal is not None:
            raise refusal_of(plan, before, finished.refusal, started)
        manifest = await conclude(
            self.order,
            self.wiring,
            plan,
            results,
            journal=self.journal,
            listen=self.listen,
            started=started,
            before=before,
            kept=finished.kept,
        )
        await self.journal.settle(published=True)
        return manifest


async def is_wanted(repository: JobRepository, job_id: str, number: int) -> bool:
    """Whether what is done for the job under claim *number* can still count."""
    history = await repository.history(job_id)
    last = history.tried[-1] if history.tried else None
    return (
        last is not None
        and last.claim.number == number
        and last.ending is None
        and not (history.done or history.cancelled)
    )
