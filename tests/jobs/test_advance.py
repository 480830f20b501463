"""
Jobs that nobody waits for: chunks and a join, each a call that starts what follows.

In the model of `test_model.py`: real services, real decisions, a store that is held up,
functions that are lost, started twice, frozen and killed between any two operations.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import transcode.jobs.advance
from tests.jobs.test_model import (
    ADDRESS,
    LEASE,
    Destination,
    Killed,
    Loop,
    Schedule,
    View,
    World,
    at_random,
    looked_up,
    results,
)
from transcode.analysis.measuring import BegunPlan, Measure, MeasureFirst
from transcode.contract import (
    Artifact,
    Attempt,
    Heartbeat,
    Indexed,
    InvocationReport,
    Money,
    OutcomeKind,
    Plan,
    PlannedTask,
    Produced,
    Spec,
    Task,
)
from transcode.contract.job import Ending, LedgerRecord, Submission
from transcode.errors import (
    ObjectExists,
    ObjectMissing,
    StoreDown,
    StoreError,
    TranscodeError,
)
from transcode.invoke.remote import (
    BEAT,
    BEGUN,
    ORDER,
    REPORT,
    RemoteEngine,
    RemoteOrder,
)
from transcode.jobs.journal import JobJournal
from transcode.jobs.service import JobService
from transcode.jobs.turns import pass_turn, take_turns
from transcode.pipeline import Decided
from transcode.request import ResolvedRequest
from transcode.settings import Settings
from transcode.store.destination import (
    MANIFEST_NAME,
    RECORDS,
    token_of,
)
from transcode.wiring import Wiring

__all__ = ["looked_up"]

_SEEN = Indexed(
    pictures=2,
    untimed=0,
    first_seconds=0.0,
    last_seconds=0.04,
    keyframe_seconds=(0.0,),
    shortest_step_seconds=0.04,
    longest_step_seconds=0.04,
    leaps=0,
)
TURN_SECONDS = 20
"""After that it is asked again whether there is room, however often it was."""
AT_ONCE = 3
"""Who may look in one moment, an upload, a task that ends and who has the row: all are
told that there is room."""


@dataclass(frozen=True)
class Beneath:
    """Of a store, what lies under one address."""

    view: View
    prefix: str

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.view, name)

        async def operation(key: str, *args: Any, **more: Any) -> Any:
            return await call(f"{self.prefix}/{key}", *args, **more)

        return operation


def key_of(address: str | None) -> str:
    """Where in the store of the model it lies."""
    assert address is not None
    return address.removeprefix(ADDRESS)


async def removed(view: View, folder: str, token: str) -> None:
    """All that a try has made, and its records: what nobody may do while it counts."""
    for root in (f"{folder}/{token}.", f"{RECORDS}/{folder}/{token}/"):
        for key in [entry.key async for entry in view.entries(root)]:
            await view.delete(key)


class AdvancingService(JobService):
    """A real one whose engine is the cloud of the model."""

    model: AdvanceModel

    async def _look_up(self, submission: Submission) -> ResolvedRequest:
        order = self.model.orders[submission.job_id]
        view: Any = self.bucket
        return replace(order, target=results(view))

    async def engine_for(self, submission: Submission) -> Any:
        return await self._engine(self.model.orders[submission.job_id])

    async def _engine(self, order: ResolvedRequest) -> Any:
        view: Any = self.bucket

        @asynccontextmanager
        async def opened(place: str) -> AsyncIterator[Any]:
            yield Beneath(view, key_of(place))

        cloud = Cloud(self.model)
        settings = Settings(lease_seconds=LEASE)
        return RemoteEngine(cloud, order.platform, settings, opened)


@dataclass(frozen=True)
class Cloud:
    """Takes calls, loses some and makes some twice."""

    model: AdvanceModel

    @property
    def concurrency(self) -> int | None:
        return self.model.concurrency

    def fits(self, spec: Spec) -> bool:
        return spec.memory_mib > 0

    async def invoke(self, records: str, task: Task) -> Any:
        raise AssertionError((records, task))

    async def start(self, records: str, task: Task) -> None:
        assert task.task_id
        self._call(self.model.function, key_of(records))

    async def pass_turn(self, memory_mib: int | None) -> None:
        assert memory_mib is None
        self._call(self.model.turn)

    def _call(self, function: Callable[..., Any], *args: str) -> None:
        dice = self.model.world.random.random()
        calm = self.model.world.calm
        times = 1 if calm else 0 if dice < 0.1 else 2 if dice < 0.2 else 1
        for _ in range(times):
            self.model.group.start_soon(function, *args)
        if not calm and self.model.world.random.random() < 0.1:
            raise StoreDown("The answer was lost; the call was not.")


@dataclass
class AdvanceModel:
    """One run of a schedule."""

    schedule: Schedule
    memory: ModuleType
    plan: Plan
    order: ResolvedRequest
    wiring: Wiring
    breaks: dict[str, bool]
    concurrency: int | None = None
    """Of invocations at once, as the account may have."""
    running: int = 0
    most_running: int = 0
    begun: Counter[str] = field(default_factory=Counter)
    reported: list[tuple[float, str, int, str]] = field(default_factory=list)
    """When, of which job, under which claim, which task was finished."""
    resumed: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)
    """Job and claim → when that looked what was finished, and since which claim."""
    kept: int = 0
    """Tasks that were not done again."""
    measures: bool = False
    """Before it is planned, an index is made in a call of its own."""
    sweeps: bool = True
    """There is a clock; without one all have been told of once, and nothing is lost."""
    reused: int = 0
    """Plans by what tries before have measured."""
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        request = self.order.request.model_copy(update={"engine": "functiongraph"})
        self.order = replace(self.order, request=request)
        self.world = World(self.schedule, self.memory)
        self.jobs = [f"{n:032x}" for n in range(1, len(self.schedule.media) + 1)]
        self.orders = {
            job: replace(self.order, job_id=job, folder=f"clip.mp4.{job[-12:]}")
            for job in self.jobs
        }
        self.media = dict(zip(self.jobs, self.schedule.media, strict=True))

    def run(self) -> list[str]:
        return anyio.run(self._run, backend_options={"loop_factory": Loop})

    async def plan_job(
        self,
        order: ResolvedRequest,
        _wiring: Wiring,
        journal: Any,
        *_: Any,
        begun: BegunPlan | None = None,
    ) -> Decided | MeasureFirst:
        """As the real one, which looks at media, and whether an index pays."""
        plan = self.plan.model_copy(update={"job_id": order.job_id})
        if not self.measures:
            return Decided(await journal.allow(plan))
        own = plan.model_copy(update={"tasks": (_part(plan, "index", "index"),)})
        earlier = journal.earlier.get("index", ())
        if self.breaks.get("measures anew"):
            earlier = ()
        known = Measure(own, plan, order.constraints).known(earlier)
        if begun is not None:
            known = begun.measured["index"]
        if known is None:
            return MeasureFirst(own, plan.media, order.constraints)
        if begun is None:
            self.reused += 1
        return Decided(await journal.allow(plan), (known,) if known.attempts else ())

    def service(self, view: View) -> AdvancingService:
        name = f"{view.name}.{self.world.random.getrandbits(32):08x}"
        bucket: Any = view
        tells = Destination(self.world, view)
        made = AdvancingService(
            self.wiring, "memory", bucket, tells, name, AsyncExitStack()
        )
        made.model = self
        return made

    async def _run(self) -> list[str]:
        async with anyio.create_task_group() as self.group:
            for n, job in enumerate(self.jobs):
                # Of several who ask in one moment, all are told that there is room.
                at = 0.0 if self.concurrency is None else 10.0 * n
                self.group.start_soon(self._deed, "submit", job, at)
            if self.sweeps:
                self.group.start_soon(self._clock)
            else:
                self.world.calm = True
            for at, deed, n in self.schedule.deeds:
                job = self.jobs[n % len(self.jobs)]
                self.group.start_soon(self._deed, deed, job, at)
            await anyio.sleep(400)
            if self.sweeps:
                self.world.calm = True
                for job in self.jobs:
                    await self._deed("submit", job)
            await anyio.sleep(9000)
            self.group.cancel_scope.cancel()
        return [*self.wrong, *[wrong async for wrong in self._judge()]]

    async def resume(self, journal: JobJournal, resumed: Any) -> Any:
        """As the real one, of which the time is noted; or not at all."""
        claim = journal.claim
        looked, found = anyio.current_time(), await resumed
        if self.breaks.get("forgets"):
            found = None
        self.resumed[claim.job_id, claim.number] = looked, journal.round_after
        self.kept += len(found.kept) if found else 0
        return found

    def _repeats(self, order: RemoteOrder) -> Iterator[str]:
        """Whether a task is begun that was known to be finished."""
        assert order.job is not None
        job, claim, name = order.job.job_id, order.job.claim, order.work.task.task_id
        looked, since = self.resumed.get((job, claim), (0.0, 0))
        for at, *whose, number, task in self.reported:
            known = since < number < claim and at < looked
            if [*whose, task] == [job, name] and known:
                yield f"{job[-2:]}: {name} is done again by {claim} after {number}"

    async def _clock(self) -> None:
        """A sweep now and then: the net for what was lost."""
        for number in range(10_000):
            await anyio.sleep(self.world.random.choice((5, LEASE)))
            await self._alive(View(self.world, f"sweep {number}"), self._sweep)

    async def _sweep(self, view: View) -> None:
        service = self.service(view)
        async for job in service.repository.open_jobs():
            await service.start(job)

    async def _alive(self, view: View, work: Callable[[View], Any]) -> None:
        """A process that may be killed; what it could not do is done by another."""
        try:
            await work(view)
        except (TranscodeError, Killed):
            return
        except BaseException:
            if not view.dead:
                raise
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()

    async def _deed(self, deed: str, job: str, at: float = 0.0) -> None:
        await anyio.sleep(at)

        async def work(view: View) -> None:
            service = self.service(view)
            if deed == "submit":
                await service.submit(self.order.request, order=self.orders[job])
                await service.start(job)
            elif deed == "cancel":
                await service.cancel(job)
            elif deed == "retry":
                await service.retry(job)
            elif deed == "clock":
                self.world.skipped += timedelta(seconds=LEASE * 6)

        await self._alive(View(self.world, deed), work)

    # ── a function that does one task ──

    async def function(self, records: str) -> None:
        async def work(view: View) -> None:
            await self._task(view, records)

        await self._alive(View(self.world, records.rpartition("/")[2]), work)

    async def _task(self, view: View, records: str) -> None:
        """As `functions.task`, without an encoder."""
        dice = self.world.random
        await anyio.sleep(dice.choice((0.1, 5, 40)))
        body, _ = await view.read(f"{records}/{ORDER}")
        order = RemoteOrder.from_json(body)
        job = order.job
        assert job is not None
        try:
            await view.create(f"{records}/{BEGUN}", b"{}")
        except ObjectExists:
            if not self.breaks.get("twice"):
                return
        service = self.service(view)
        if not await service.wanted(job.job_id, job.claim):
            return
        self.begun[records] += 1
        self.wrong += self._repeats(order)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await view.head(f"{records}/{REPORT}")
        except ObjectMissing:
            await self._encode(view, service, order, records)
        finally:
            self.running -= 1
        discards = self.breaks.get("discards")
        if discards and not await service.wanted(job.job_id, job.claim):
            folder, token = self.orders[job.job_id].folder, token_of(job.claim)
            await removed(view, folder, token)
        report = await service.advance(job.job_id, job.claim)
        if not self.breaks.get("keeps its room"):
            await pass_turn(service, report.submission)

    async def turn(self) -> None:
        """A function that begins jobs which wait for room."""

        async def work(view: View) -> None:
            await anyio.sleep(self.world.random.choice((0.1, 2)))
            service, width = self.service(view), self.world.random.choice((1, 2))
            await take_turns(service, width, lambda _error: None)

        await self._alive(View(self.world, "turn"), work)

    async def _encode(
        self, view: View, service: JobService, order: RemoteOrder, records: str
    ) -> None:
        job, work, dice = order.job, order.work, self.world.random
        assert job is not None
        history = await service.repository.history(job.job_id)
        claims = [t.claim for t in history.tried if t.claim.number == job.claim]
        media = self.media[job.job_id]
        outcome = OutcomeKind.SUCCEEDED
        for number in range(dice.choice((1, 4))):
            beat = Heartbeat(number=number).to_json().encode()
            try:
                await view.put(f"{records}/{BEAT}", beat)
                for claim in claims:
                    if await service.repository.renew(claim) != "renewed":
                        outcome = OutcomeKind.CANCELLED
            except StoreError:
                pass
            await anyio.sleep(LEASE / 3)
        if media == "poison" or (media == "flaky" and dice.random() < 0.3):
            view._die()
        if media == "bad":
            outcome = OutcomeKind.REJECTED
        ours = f"{work.name} {view.name}".encode()
        artifacts: tuple[Artifact, ...] = ()
        measures = work.task.kind == "index"
        if outcome is OutcomeKind.SUCCEEDED and not measures:
            await view.put(f"{key_of(work.place)}/out.mp4", ours)
            await self._bring(view, service, order)
            artifacts = (
                Artifact(
                    path="out.mp4",
                    kind="rendition",
                    made_by="encoded",
                    bytes=len(ours),
                    sha256=hashlib.sha256(ours).hexdigest(),
                ),
            )
        attempt = Attempt(
            number=work.number,
            spec=work.task.spec,
            predicted=work.task.predicted,
            measured=work.task.predicted,
            cost=Money(
                amount=work.task.predicted_cost.amount + dice.randrange(1, 10**6),
                currency=work.task.predicted_cost.currency,
            ),
            outcome=outcome,
            indexed=_SEEN if measures and outcome is OutcomeKind.SUCCEEDED else None,
        )
        produced = Produced(outcome=outcome, artifacts=artifacts)
        report = InvocationReport(attempt=attempt, produced=produced)
        text = report.to_json().encode()
        try:
            await view.create(f"{records}/{REPORT}", text)
        except ObjectExists:
            return
        if outcome is OutcomeKind.SUCCEEDED:
            whose = (job.job_id, job.claim, work.task.task_id)
            self.reported.append((anyio.current_time(), *whose))

    async def _bring(self, view: View, service: JobService, order: RemoteOrder) -> None:
        """A join needs its chunks."""
        for place in order.work.task.inputs:
            try:
                await view.read(f"{key_of(place)}/out.mp4")
            except ObjectMissing:
                job = order.job
                if job is not None and await service.wanted(job.job_id, job.claim):
                    self.wrong.append(f"{place} is gone before {order.work.name}")
                raise

    # ── what must hold ──

    def _late(self) -> bool:
        """Whether somebody may have spent something after the receipt was written."""
        return "frozen" in " ".join(self.world.log) or bool(self.world.skipped)

    async def _judge(  # noqa: C901, PLR0912 - one branch for each thing that must hold
        self,
    ) -> AsyncIterator[str]:
        service = self.service(View(self.world, "judge"))
        objects = self.world.store.objects
        left: list[str] = []
        for job in self.jobs:
            report = await service.report(job)
            if not report.over:
                yield f"{job[-2:]} is {report.status}: {report.detail}"
            if report.status == "succeeded":
                assert report.manifest is not None
                for out in report.manifest.outputs:
                    key = out.uri.removeprefix("memory://")
                    body = objects.get(key, (b"", None))[0]
                    if hashlib.sha256(body).hexdigest() != out.sha256:
                        yield f"{job[-2:]}: {out.uri} is not what was verified"
            entered = Counter(
                (record.claim, record.task_id, record.attempt.number)
                for key, (body, _) in objects.items()
                if key.startswith(".transcode/ledger/")
                and (record := LedgerRecord.from_json(body)).job_id == job
            )
            for entry, count in entered.items():
                if count != 1:
                    yield f"{job[-2:]}: {entry} stands {count} times in the ledger"
            good = {
                (record.task_id, record.attempt.number)
                for key, (body, _) in objects.items()
                if key.startswith(".transcode/ledger/")
                and (record := LedgerRecord.from_json(body)).job_id == job
                and record.attempt.outcome is OutcomeKind.SUCCEEDED
            }
            used = report.manifest if report.status == "succeeded" else None
            for task in used.tasks if used else ():
                last = task.attempts[-1]
                made = last.outcome is OutcomeKind.SUCCEEDED
                if made and (task.task_id, last.number) not in good:
                    yield f"{job[-2:]}: {task.task_id} is published, and billed as lost"
            if report.manifest is not None and not self._late():
                paid = sum(
                    record.attempt.cost.amount
                    for key, (body, _) in objects.items()
                    if key.startswith(".transcode/ledger/")
                    and (record := LedgerRecord.from_json(body)).job_id == job
                )
                if report.status == "succeeded" and paid != report.manifest.cost.amount:
                    said = report.manifest.cost.amount
                    yield f"{job[-2:]}: the receipt says {said}, the ledger {paid}"
            told = [one for one in self.world.told if one.job_id == job]
            if not told or told[-1].status != report.status:
                yield f"{job[-2:]} is {report.status}, told: {[one.id for one in told]}"
            folder = self.orders[job].folder
            result = report.manifest
            uris = [out.uri for out in result.outputs] if result else []
            uris += [result.page.uri] if result and result.page else []
            named = {uri.removeprefix("memory://") for uri in uris}
            for key in objects:
                ours = key.startswith((f"{folder}/", f"{RECORDS}/{folder}/"))
                if ours and key not in {*named, f"{folder}/{MANIFEST_NAME}"}:
                    left.append(key)
        # Who stood still until all was over, and was killed then, leaves what it wrote.
        if left and not {"frozen", "killed"} & {*" ".join(self.world.log).split()}:
            yield f"left: {left}"
        for key, (body, entry) in objects.items():
            if "/endings/" in key and b"PlatformBusy" in body:
                again = Ending.from_json(body).not_before
                assert again is not None
                waits = (again - entry.modified).total_seconds()
                if waits > TURN_SECONDS:
                    yield f"{key} waits {waits:.0f} s for its turn"
        most = self.most_running
        if self.concurrency is not None and most > self.concurrency + AT_ONCE:
            yield f"{most} ran at once, {self.concurrency} may"
        for name, count in self.begun.items():
            if count > 1:
                yield f"{name} was begun {count} times"


@pytest.fixture
def run(
    looked_up: Any,
    memory_bucket: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., list[str]]:
    plan, order, wiring = looked_up
    chunked, resume = _in_chunks(plan), JobJournal.resume

    def one(
        schedule: Schedule,
        concurrency: int | None = None,
        *,
        measures: bool = False,
        sweeps: bool = True,
        **breaks: bool,
    ) -> list[str]:
        model = AdvanceModel(
            schedule, memory_bucket, chunked, order, wiring, breaks, concurrency
        )
        model.measures, model.sweeps = measures, sweeps
        monkeypatch.setattr(transcode.jobs.advance, "plan_job", model.plan_job)
        monkeypatch.setattr(
            JobJournal,
            "resume",
            lambda journal, in_place: model.resume(
                journal, resume(journal, in_place=in_place)
            ),
        )
        wrong = model.run()
        return [*wrong, *model.world.log] if wrong else []

    return one


def _part(plan: Plan, name: str, kind: str, joins: tuple[str, ...] = ()) -> PlannedTask:
    one = plan.tasks[0]
    update = {"task_id": name, "kind": kind, "joins": joins}
    task = one.task.model_copy(update=update)
    return one.model_copy(update={"task": task, "fallback": None})


def _in_chunks(plan: Plan) -> Plan:
    """The same plan, as two chunks and what joins them."""
    chunks = ("c1", "c2")
    tasks = (
        _part(plan, "join", "join", chunks),
        *(_part(plan, it, "chunk") for it in chunks),
    )
    return plan.model_copy(update={"tasks": tasks})


def test_a_calm_day(run: Callable[..., list[str]]) -> None:
    """Two chunks at once, then the join, then the result."""
    assert [] == run(Schedule(0))


@pytest.mark.parametrize("seed", range(2))
def test_no_more_are_started_than_may_run(
    run: Callable[..., list[str]], seed: int
) -> None:
    """Jobs wait their turn, chunks for one another, and all of them succeed."""
    assert [] == run(Schedule(seed, media=("good",) * 24), concurrency=3)


@pytest.mark.parametrize("seed", range(6))
def test_room_is_taken_as_it_is_made(run: Callable[..., list[str]], seed: int) -> None:
    """
    Who waits for room is begun by who makes some, without a clock; who makes some and
    tells nobody is missed.
    """
    day = Schedule(seed, media=("good",) * 24)

    assert [] == run(day, concurrency=3, sweeps=False)
    assert run(day, concurrency=3, sweeps=False, **{"keeps its room": True})


@pytest.mark.parametrize("seed", range(12))
def test_days_on_which_much_goes_wrong(
    run: Callable[..., list[str]], seed: int
) -> None:
    """One result or one explained failure, each attempt billed once, all told."""
    assert [] == run(at_random(seed))


def test_what_is_measured_first_is_planned_by(run: Callable[..., list[str]]) -> None:
    """An index, then two chunks, then the join, and all of them on the bill."""
    assert [] == run(Schedule(0), measures=True)


@pytest.mark.parametrize("seed", range(12))
def test_days_on_which_much_goes_wrong_where_something_is_measured(
    run: Callable[..., list[str]], seed: int
) -> None:
    """As above: whoever finishes the measuring plans; of several plans one holds."""
    assert [] == run(at_random(seed), measures=True)


def taken_over(seed: int) -> Schedule:
    """A day on which claims lapse while those who work under them are alive."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated
    return Schedule(
        seed,
        faults={dice.randrange(20, 200): dice.choice(("killed before", "lost"))},
        deeds=tuple((dice.uniform(5, 120), "clock", 0) for _ in range(3)),
        media=("good", dice.choice(("good", "flaky"))),
    )


@pytest.mark.parametrize("seed", range(5))
def test_what_is_finished_outlives_a_claim(
    run: Callable[..., list[str]], seed: int
) -> None:
    """It is not done again, nor billed again, nor removed under who relies on it."""
    assert [] == run(taken_over(seed))
    assert [] == run(taken_over(seed), measures=True)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_finished_is_billed_as_such_though_a_claim_found_no_room(
    run: Callable[..., list[str]], seed: int
) -> None:
    """Who has to wait for a turn knows nothing of how tries before it have ended."""
    day = replace(taken_over(seed), media=("good",) * 8)

    assert [] == run(day, concurrency=3)


@pytest.mark.parametrize(
    ("what", "day", "known"),
    [
        ("twice", at_random, 1),
        ("forgets", taken_over, 0),
        ("discards", taken_over, 8),
        ("measures anew", taken_over, 0),
    ],
)
def test_without_its_locks_it_would_not_hold(
    run: Callable[..., list[str]],
    what: str,
    day: Callable[[int], Schedule],
    known: int,
) -> None:
    """
    What is taken out is missed.

    By the first day of 200 on which it was, when that was last looked up, or another.
    """
    days = sorted(range(200), key=lambda seed: abs(seed - known))

    measures = what == "measures anew"
    assert any(run(day(seed), measures=measures, **{what: True}) for seed in days)
