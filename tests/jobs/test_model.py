"""
Exactly once, whatever is cut short: real services over a store held up by a schedule.

Time is virtual. Each operation of each worker takes a moment of its own, and before or
after any of them a worker may be killed, stand still for longer than its lease, or lose
the reply. Stood in for are probing and planning, which are done once, and encoders.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import selectors
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import transcode.pipeline
from transcode.analysis.planner import Planner
from transcode.contract import (
    Artifact,
    Attempt,
    Manifest,
    Media,
    OutcomeKind,
    Plan,
    Produced,
    Source,
    Spec,
    WorkOrder,
)
from transcode.contract.job import Envelope, LedgerRecord, Submission
from transcode.contract.status import STATUSES
from transcode.errors import MediaRejected, StoreError, TranscodeError, UsageError
from transcode.invoke.scheduler import provisional_attempt as before_it_ran
from transcode.jobs.journal import JobJournal
from transcode.jobs.runner import Runner, requeue_open, requeueing
from transcode.jobs.service import JobService
from transcode.ledger.job_rows import by_job, look
from transcode.ledger.places import JOBS
from transcode.pipeline import admit
from transcode.request import Request, ResolvedRequest, look_up
from transcode.settings import Settings
from transcode.store.bucket_destination import BucketDestination
from transcode.store.destination import FIRST, freely
from transcode.wiring import Wiring, wire

ADDRESS = "memory://"
LEASE = 30.0
TRIES = 3
WORKERS = 3
NOON = datetime(2026, 11, 22, 23, 58, tzinfo=UTC)
"""Two minutes before midnight: the ledger is kept by day."""
FILES = ("init.mp4", "00001.m4s")

Fault = Literal[
    "killed before", "killed after", "frozen before", "frozen after", "lost"
]
Deed = Literal["submit", "cancel", "retry", "clock"]


@dataclass(frozen=True)
class Schedule:
    """What goes wrong in one run, and who asks for what when."""

    seed: int
    faults: Mapping[int, Fault] = field(default_factory=dict)
    """By the number of the operation, over all workers."""
    deeds: tuple[tuple[float, Deed, int], ...] = ()
    """At which second, what, of which job."""
    media: tuple[str, ...] = ("good", "good")
    """What becomes of each job's encoding: good, bad, flaky, poison, unlucky."""


class Killed(BaseException):
    """The process is no more: nothing that it would still do happens."""


class _Selector(selectors.DefaultSelector):
    """Never waits: when nothing is ready, it is later at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes when everybody waits."""

    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.now


class World:
    """The store, those who work on it, and what is seen of them."""

    def __init__(self, schedule: Schedule, memory: ModuleType, **breaks: bool) -> None:
        self.schedule = schedule
        self.breaks = breaks
        self.random = random.Random(schedule.seed)  # noqa: S311 - to be repeated
        self.skipped = timedelta(0)
        self.store = memory.Memory(
            clock=self.clock, conditional=not breaks.get("unconditional")
        )
        self.operations = 0
        self.calm = False
        self.told: list[Envelope] = []
        self.begun: Counter[tuple[str, int]] = Counter()
        self.log: list[str] = []
        self.witness: Callable[[], Awaitable[None]] | None = None

    def clock(self) -> datetime:
        return NOON + timedelta(seconds=anyio.current_time()) + self.skipped

    def next_fault(self) -> Fault | None:
        self.operations += 1
        return None if self.calm else self.schedule.faults.get(self.operations)


class View:
    """The store as one process sees it, for as long as that lives."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.dead = False
        self.death = anyio.Event()

    def uri(self, key: str = "") -> str:
        return str(self.world.store.uri(key))

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self.world.store, name)

        async def operation(*args: Any, **more: Any) -> Any:
            return await self._do(name, lambda: call(*args, **more), args)

        return operation

    async def entries(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Any]:
        async def listing() -> list[Any]:
            return [e async for e in self.world.store.entries(prefix, after=after)]

        for entry in await self._do("list", listing, (prefix,)):
            yield entry

    async def _do(
        self, name: str, call: Callable[[], Awaitable[Any]], args: tuple[Any, ...]
    ) -> Any:
        world = self.world
        await anyio.sleep(world.random.choice((0.001, 0.01, 0.1, 1.0)))
        self._still_there()
        fault = world.next_fault()
        if fault:
            world.log.append(f"{self.name}: {fault} {name} {args[:1]}")
        if fault == "killed before":
            self._die()
        if fault == "frozen before":
            await self._stand_still()
        # What was sent arrives, whether or not anybody waits for the answer.
        with anyio.CancelScope(shield=True):
            found = await call()
            if name in {"create", "put", "delete"} and world.witness is not None:
                await world.witness()
        if fault == "killed after":
            self._die()
        if fault == "frozen after":
            await self._stand_still()
        if fault == "lost":
            raise StoreError("The store did not answer.")
        self._still_there()
        return found

    async def _stand_still(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(self.world.random.choice((5, 40, 100, 1000)))
        self._still_there()

    def _die(self) -> None:
        self.dead = True
        self.death.set()
        raise Killed

    def _still_there(self) -> None:
        if self.dead:
            raise Killed


@dataclass
class Destination:
    """Somebody who is to be told."""

    world: World
    view: View

    async def tell(
        self, envelope: Envelope, *, known: frozenset[str]
    ) -> tuple[list[str], bool]:
        digest = hashlib.sha256(envelope.id.encode()).hexdigest()[:8]
        if digest in known:
            return [], True
        await anyio.sleep(0.5)
        if self.view.dead:
            raise Killed
        self.world.told.append(envelope)
        return [digest], True


class OnePlace(BucketDestination):
    """A mutant: all attempts at a job write to the same place."""

    def uri(self, folder: str, path: str = "", *, name: str, token: str = FIRST) -> str:
        assert name
        assert token
        return super().uri(folder, path, name="one")

    def place(self, folder: str, name: str, *, token: str = FIRST) -> str:
        assert name
        assert token
        return super().place(folder, "one")


def results(
    view: View, kind: type[BucketDestination] = BucketDestination
) -> BucketDestination:
    """Results of *view*'s process, in the store of the model."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        yield view

    return kind(ADDRESS.removesuffix("/"), opened)


class ModelService(JobService):
    """A real one, whose orders are known without looking at media."""

    model: Model

    async def _look_up(self, submission: Submission) -> ResolvedRequest:
        view: Any = self.bucket
        order = self.model.orders[submission.job_id]
        kind = OnePlace if self.model.breaks.get("one_place") else BucketDestination
        return replace(order, target=results(view, kind))

    async def _engine(self, order: ResolvedRequest) -> Any:
        assert order.job_id
        return ModelEngine(self)


@dataclass(frozen=True)
class ModelEngine:
    """Where nothing is encoded."""

    service: ModelService
    shares_scratch = False

    async def prewarm(self) -> None:
        """There is nothing to import."""

    def guard(self, path: Path) -> AbstractContextManager[None]:
        assert path
        return nullcontext()

    def fits(self, spec: Spec) -> bool:
        return spec.memory_mib > 0

    async def attempt(
        self, order: WorkOrder, *, observer: Any
    ) -> tuple[Attempt, Produced | None]:
        """What its media become of the job."""
        model, view = self.service.model, self.service.bucket
        store: Any = view
        job, dice = order.task.job_id, model.world.random
        assert order.place is not None
        assert order.records is not None
        place = order.place.removeprefix(ADDRESS)
        model.world.begun[job, int(order.records.split("/")[-2])] += 1
        provisional = before_it_ran(order.task, order.number)
        try:
            await anyio.sleep(dice.choice((1, 20, 50)))
        except anyio.get_cancelled_exc_class():
            observer.cancelled(
                provisional.model_copy(update={"outcome": OutcomeKind.CANCELLED})
            )
            raise
        media = model.media[job]
        if media == "poison" or (media == "flaky" and dice.random() < 0.5):
            store._die()
        error: TranscodeError | None = None
        if media == "bad":
            error = MediaRejected("Not a film.")
        if media == "unlucky" and job not in model.unlucky:
            model.unlucky.add(job)
            error = StoreError("The store did not answer.")
        outcome = OutcomeKind.SUCCEEDED if error is None else error.outcome
        done = provisional.model_copy(
            update={
                "measured": order.task.predicted,
                "outcome": outcome,
                "failure": None if error is None else error.describe(),
            }
        )
        names = FILES if error is None else ()
        artifacts = tuple([await self._written(place, name) for name in names])
        return done, Produced(outcome=outcome, artifacts=artifacts)

    async def _written(self, place: str, name: str) -> Artifact:
        body = f"{name} {self.service.owner}".encode()
        await self.service.bucket.put(f"{place}/{name}", body)
        return Artifact(
            path=name,
            kind="segment",
            made_by="encoded",
            bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )


@dataclass
class Model:
    """One run of a schedule."""

    schedule: Schedule
    memory: ModuleType
    plan: Plan
    order: ResolvedRequest
    wiring: Wiring
    breaks: Mapping[str, bool] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)
    """How often a job was in which state, wherever it was asked for."""
    wrong_words: list[str] = field(default_factory=list)
    unlucky: set[str] = field(default_factory=set)
    """Jobs whose first attempt met a store that was down."""

    def __post_init__(self) -> None:
        self.world = World(self.schedule, self.memory, **self.breaks)
        self.jobs = [f"{n:032x}" for n in range(1, len(self.schedule.media) + 1)]
        self.orders = {
            job: replace(
                self.order,
                job_id=job,
                folder=f"clip.mp4.{job[-12:]}",
                source=self.order.source.model_copy(update={"uri": job}),
            )
            for job in self.jobs
        }
        self.media = dict(zip(self.jobs, self.schedule.media, strict=True))

    async def compare_words(self) -> None:
        """Note where those who are asked for the state of a job say different words."""
        now = self.world.clock().replace(microsecond=0)
        seen = replace(
            self.world.store, clock=lambda: now, objects=dict(self.world.store.objects)
        )
        listed = by_job([entry async for entry in seen.entries(JOBS)])
        tells = Destination(self.world, View(self.world, "witness"))
        told_by = ModelService(
            self.wiring, "memory", seen, tells, "witness", AsyncExitStack()
        )
        for job, objects in listed.items():
            row, _ = await look(seen, objects)
            if row is None:
                continue
            report = await told_by.report(job)
            self.words[report.status] += 1
            said: dict[str, str] = {
                "reports": report.status,
                "index": row.status(now),
            }
            if report.manifest is not None:
                said["destinations"] = report.manifest.status
            if not report.over:
                runner = Runner(told_by, 1, lambda _event: None, {job: report.status})
                counts = runner.counts()
                said["metrics"] = "".join(word for word in counts if counts[word])
            if len({*said.values()}) > 1:
                self.wrong_words.append(f"{job[-2:]}: {said}")

    def run(self) -> list[str]:
        """What was wrong in the end; empty is as it should be."""
        return anyio.run(self._run, backend_options={"loop_factory": Loop})

    async def _run(self) -> list[str]:
        async with anyio.create_task_group() as group:
            for number in range(WORKERS):
                group.start_soon(self._worker, f"w{number}")
            for at, deed, n in self.schedule.deeds:
                group.start_soon(self._deed, at, deed, self.jobs[n % len(self.jobs)])
            for job in self.jobs:
                group.start_soon(self._deed, 0.0, "submit", job)
            await anyio.sleep(400)
            self.world.calm = True
            for job in self.jobs:
                await self._deed(0.0, "submit", job)
            # Every pause, every frozen worker and every lease is over by then.
            await anyio.sleep(6000)
            group.cancel_scope.cancel()
        service = self._service(View(self.world, "sweep"))
        runner = Runner(service, 2, lambda _event: None)
        async with anyio.create_task_group() as group:
            group.start_soon(runner.work)
            await requeue_open(service, runner)
            await runner.idle()
            group.cancel_scope.cancel()
        return [*self.wrong_words, *[wrong async for wrong in self._judge(service)]]

    def _service(self, view: View) -> ModelService:
        name = f"{view.name}.{self.world.random.getrandbits(32):08x}"
        tells = Destination(self.world, view)
        bucket: Any = view
        service = ModelService(
            self.wiring, "memory", bucket, tells, name, AsyncExitStack()
        )
        service.model = self
        return service

    async def _worker(self, name: str) -> None:
        """Started again whenever it was killed."""
        while True:
            view = View(self.world, name)
            service = self._service(view)
            runner = Runner(service, 2, lambda _event: None)
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(runner.work)
                    group.start_soon(requeueing, service, runner)
                    await view.death.wait()
                    group.cancel_scope.cancel()
            except BaseException as exc:
                if not view.dead:
                    raise
                if isinstance(exc, anyio.get_cancelled_exc_class()):
                    raise
            await anyio.sleep(self.world.random.choice((0.1, 10, 50)))

    async def _deed(self, at: float, deed: Deed, job: str) -> None:
        await anyio.sleep(at)
        view = View(self.world, deed)
        service = self._service(view)
        try:
            if deed == "submit":
                await service.submit(self.order.request, order=self.orders[job])
            elif deed == "cancel":
                await service.cancel(job)
            elif deed == "retry":
                await service.retry(job)
            else:
                self.world.skipped += timedelta(seconds=45)
        except (StoreError, UsageError):
            return
        except BaseException:
            if not view.dead:
                raise

    async def probe(self, *_: Any) -> Media:
        """It was looked at once."""
        await anyio.sleep(self.world.random.choice((0.1, 2)))
        return self.plan.media

    def planner(
        self, _request: Request, _wiring: Wiring, source: Source, *_: Any
    ) -> Planner:
        """The plan that was made once, of a source that is named like its job."""
        ours = {"job_id": source.uri}
        tasks = tuple(
            one.model_copy(update={"task": one.task.model_copy(update=ours)})
            for one in self.plan.tasks
        )
        plan = self.plan.model_copy(update={**ours, "source": source, "tasks": tasks})
        return Planner(
            self.order.constraints,
            "never",
            frozenset(),
            plan=lambda _constraints, _content: plan,
            consider=lambda _plan, _refusal: None,
            understand=lambda _attempt, _sample: None,
            index_of=lambda one, _on: one.tasks[0],
        )

    # ── what must hold ──

    async def _judge(  # noqa: C901 - one branch for each thing that must hold
        self, service: JobService
    ) -> AsyncIterator[str]:
        objects = self.world.store.objects
        for job in self.jobs:
            history = await service.repository.history(job)
            report = await service.report(job)
            if not report.over:
                yield f"{job[-2:]} is {report.status}: {report.detail}"
            if report.status == "succeeded":
                for wrong in self._result(job, report.manifest):
                    yield wrong
            elif any(
                key.startswith(f"{report.folder}/") for key in objects
            ) and not any(self._litters() or one.publishing for one in history.tried):
                yield f"{job[-2:]} is {report.status} and left objects"
            tries = Counter(
                int(one.claim.number > history.round_after)
                for one in history.tried
                if self.world.begun[job, one.claim.number]
            )
            if tries[1] > TRIES:
                yield f"{job[-2:]} was begun {tries[1]} times in a round"
            late = 0
            if report.manifest is not None and report.status == "succeeded":
                # Held up between its lock and its manifest for longer than the rest.
                place = report.manifest.outputs[0].uri.split("/")[-2]
                token = int(place.partition(".")[0])
                late = int(token < history.tried[-1].claim.number)
            told_of = 1 + history.round_number + late
            for wrong in self._telling(job, report.status, told_of):
                yield wrong
            for wrong in self._ledger(job):
                yield wrong
        for key in objects:
            if "/open/" in key:
                yield f"marker left: {key}"

    def _result(self, job: str, manifest: Manifest | None) -> Iterator[str]:
        objects = self.world.store.objects
        assert manifest is not None
        assert manifest.page is not None
        named = {o.uri.removeprefix("memory://"): o.sha256 for o in manifest.outputs}
        named[manifest.page.uri.removeprefix("memory://")] = manifest.page.sha256
        for key, digest in named.items():
            if key not in objects:
                yield f"{job[-2:]}: {key} does not exist"
            elif hashlib.sha256(objects[key][0]).hexdigest() != digest:
                yield f"{job[-2:]}: {key} is of another worker"
        folder = f"{self.orders[job].folder}/"
        for key in () if self._litters() else objects:
            if key.startswith(folder) and key not in {*named, f"{folder}manifest.json"}:
                yield f"{job[-2:]}: orphan {key}"

    def _litters(self) -> bool:
        """Somebody stood still, perhaps until all was over, and somebody was killed."""
        log = " ".join(self.world.log)
        dies = "killed" in log or {"flaky", "poison"} & set(self.schedule.media)
        return "frozen" in log and bool(dies)

    def _telling(self, job: str, status: str, most: int) -> Iterator[str]:
        told = [one for one in self.world.told if one.job_id == job]
        if not told or told[-1].status != status:
            yield f"{job[-2:]} is {status}; told was {[one.id for one in told]}"
        if len({one.id for one in told}) > most:
            yield f"{job[-2:]} went on after its end: {[one.id for one in told]}"

    def _ledger(self, job: str) -> Iterator[str]:
        objects = self.world.store.objects
        kept = [key for key in objects if f"jobs/{job}/attempts/" in key]
        entered = Counter(
            (record.claim, record.task_id, record.attempt.number)
            for key, (body, _) in objects.items()
            if key.startswith(".transcode/ledger/")
            and (record := LedgerRecord.from_json(body)).job_id == job
        )
        for key in kept:
            record = LedgerRecord.from_json(objects[key][0])
            count = entered[record.claim, record.task_id, record.attempt.number]
            if count != 1 and (count or self.world.begun[job, record.claim]):
                yield f"{job[-2:]}: {key} stands {count} times in the ledger"


@pytest.fixture(scope="module")
def looked_up(make_clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Order and plan of a real clip."""
    to = tmp_path_factory.mktemp("to")
    wiring = wire(Settings(lease_seconds=LEASE, tries=TRIES))
    clip = make_clip("clip", seconds=1)
    request = Request(source=str(clip), profile="hls", to=str(to))

    async def look() -> tuple[Plan, ResolvedRequest]:
        return await admit(request, wiring), await look_up(request, wiring)

    plan, order = anyio.run(look)
    return plan, order, wiring


async def unchanged(*_: Any) -> None:
    """Nobody replaces the clip."""


Run = Callable[..., list[str]]


@pytest.fixture
def run(
    looked_up: Any, memory_bucket: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run a schedule, with parts of what keeps it right taken out."""
    plan, order, wiring = looked_up

    def one(
        schedule: Schedule, words: Counter[str] | None = None, **breaks: bool
    ) -> list[str]:
        model = Model(schedule, memory_bucket, plan, order, wiring, breaks)
        if words is not None:
            model.world.witness, model.words = model.compare_words, words
        monkeypatch.setattr(transcode.pipeline, "_probe_and_prepare", model.probe)
        monkeypatch.setattr(transcode.pipeline, "planner_of", model.planner)
        monkeypatch.setattr(transcode.pipeline, "refuse_change", unchanged)
        with monkeypatch.context() as mutant:
            if breaks.get("unsealed"):
                mutant.setattr(JobJournal, "commit", lambda _self: freely())
            wrong = model.run()
        return [*wrong, *model.world.log] if wrong else []

    return one


FAULTS = st.sampled_from(
    ["killed before", "killed after", "frozen before", "frozen after", "lost"]
)
SCHEDULES = st.builds(
    Schedule,
    seed=st.integers(0, 2**16),
    faults=st.dictionaries(st.integers(1, 300), FAULTS, max_size=8),
    deeds=st.lists(
        st.tuples(
            st.floats(0, 300, allow_nan=False).map(lambda t: round(t, 2)),
            st.sampled_from(["submit", "cancel", "retry", "clock"]),
            st.integers(0, 2),
        ),
        max_size=5,
    ).map(tuple),
    media=st.lists(
        st.sampled_from(["good", "good", "flaky", "bad", "poison", "unlucky"]),
        min_size=1,
        max_size=2,
    ).map(tuple),
)


def test_a_calm_day(run: Run) -> None:
    """Nothing goes wrong, and nothing is wrong: both succeed."""
    words: Counter[str] = Counter()

    assert [] == run(Schedule(0), words=words)
    assert {"waiting", "running", "succeeded"} == {*words}


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schedule=SCHEDULES)
def test_every_job_ends_exactly_once(run: Run, schedule: Schedule) -> None:
    """One result or one explained failure, told of, billed once, nothing left over."""
    assert [] == run(schedule)


def at_random(seed: int) -> Schedule:
    """A day on which much goes wrong."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated
    kinds: tuple[Fault, ...] = (
        "killed before", "killed after", "frozen before", "frozen after", "lost",
    )  # fmt: skip
    wrong = [dice.choice(kinds), "frozen before", "frozen after"]
    return Schedule(
        seed,
        faults={dice.randrange(20, 200): dice.choice(wrong) for _ in range(12)},
        deeds=tuple(
            (dice.uniform(0, 200), dice.choice(("submit", "cancel", "retry")), n)
            for n in range(2)
        ),
        media=("good", dice.choice(("good", "flaky", "poison"))),
    )


@pytest.mark.parametrize("seed", range(50))
def test_days_on_which_much_goes_wrong(run: Run, seed: int) -> None:
    """Denser than chance would have it, and repeatable."""
    assert [] == run(at_random(seed))


def test_everybody_says_the_same_word_for_the_same_history(run: Run) -> None:
    """
    After every write of every run: reports (command line and HTTP), index, metrics, and
    destinations once there is something to tell. Every word there is was needed.
    """
    words: Counter[str] = Counter()

    days = [
        Schedule(0, media=("bad", "unlucky")),
        Schedule(1, deeds=((3.0, "cancel", 0),)),
        *map(at_random, range(4)),
    ]

    assert [] == [wrong for day in days for wrong in run(day, words=words)]
    assert {*STATUSES} == {*words}


def held_up(number: int) -> Schedule:
    """
    Whoever works stands still before one of its operations, and the job is cancelled:
    what would have to happen for a job that was given up to be published.
    """
    seed, operation = divmod(number, 100)
    return Schedule(
        seed,
        faults={20 + operation // 2: "frozen before"},
        deeds=((60.0, "cancel", 0),),
        media=("good",),
    )


@pytest.mark.parametrize(
    ("what", "day", "known"),
    [
        ("unconditional", at_random, 0),
        ("one_place", at_random, 0),
        ("unsealed", held_up, 256),
    ],
)
def test_without_its_locks_it_would_not_hold(
    run: Run, what: str, day: Callable[[int], Schedule], known: int
) -> None:
    """
    What is taken out is missed: otherwise this model would prove nothing.

    By the day on which it was when that was last looked up, or another near it.
    """
    days = sorted(range(500), key=lambda number: abs(number - known))
    wrong = (run(day(number), **{what: True}) for number in days)

    assert any(wrong)
