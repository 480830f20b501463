"""Attempts that run elsewhere: what their records say, and who is believed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from transcode.contract import (
    Attempt,
    Heartbeat,
    InvocationReport,
    Money,
    OutcomeKind,
    Produced,
    Progress,
    Spec,
    Task,
    WorkOrder,
)
from transcode.errors import OutOfMemory, TranscodeError, WorkerLost
from transcode.invoke.observer import AttemptObserver
from transcode.invoke.remote import (
    BEAT,
    ORDER,
    REPORT,
    RemoteEngine,
    RemoteOrder,
)
from transcode.platforms.platform import Platform
from transcode.settings import Settings
from transcode.store.bucket import Bucket
from transcode.store.open import bucket

pytestmark = pytest.mark.anyio

Work = Callable[[Bucket, RemoteOrder], Awaitable[TranscodeError | None]]


@dataclass
class Elsewhere:
    """A platform whose function does what a test says."""

    work: Work
    cancelled: anyio.Event = field(default_factory=anyio.Event)

    def fits(self, spec: Spec) -> bool:
        return spec.memory_mib > 0

    async def invoke(self, records: str, task: Task) -> Elsewhere:
        assert task.spec.memory_mib > 0
        self.records = records
        return self

    async def ended(self) -> TranscodeError | None:
        async with bucket(self.records, Settings()) as objects:
            body, _ = await objects.read(ORDER)
            return await self.work(objects, RemoteOrder.from_json(body))

    async def cancel(self) -> None:
        self.cancelled.set()


class Dropped(Elsewhere):
    """Where nobody tells of what does not come to be."""

    begins_within_seconds = 0.5


class Heard(AttemptObserver):
    """Remembers."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.gone: list[Attempt] = []

    def progressed(self, progress: Progress) -> None:
        self.seconds.append(progress.done_seconds)

    def cancelled(self, attempt: Attempt) -> None:
        self.gone.append(attempt)


@pytest.fixture
def order(make_task: Callable[..., Task], tmp_path: Path) -> WorkOrder:
    return WorkOrder(
        task=make_task(512),
        number=1,
        place=str(tmp_path / "place"),
        records=str(tmp_path / "records"),
        profile="mp4",
    )


@pytest.fixture
def attempt(
    platform: Platform, order: WorkOrder
) -> Callable[..., Awaitable[tuple[Attempt, Produced | None]]]:
    async def run(
        work: Work, there: type[Elsewhere] = Elsewhere
    ) -> tuple[Attempt, Produced | None]:
        engine = elsewhere(platform, there(work))
        with anyio.fail_after(60):
            return await engine.attempt(order, observer=AttemptObserver())

    return run


def elsewhere(platform: Platform, there: Elsewhere) -> RemoteEngine:
    settings = Settings(lease_seconds=2)
    return RemoteEngine(there, platform, settings, lambda at: bucket(at, settings))


def succeeded(order: RemoteOrder, note: str = "") -> bytes:
    """What a worker writes that did its work."""
    task = order.work.task
    attempt = Attempt(
        number=order.work.number,
        spec=task.spec,
        predicted=task.predicted,
        measured=task.predicted,
        cost=Money(amount=Decimal("0.002"), currency="CNY"),
        outcome=OutcomeKind.SUCCEEDED,
        notes=(note,),
    )
    done = Produced(outcome=OutcomeKind.SUCCEEDED)
    return InvocationReport(attempt=attempt, produced=done).to_json().encode()


async def report(objects: Bucket, order: RemoteOrder) -> None:
    await objects.create(REPORT, succeeded(order))


async def report_nothing(_objects: Bucket, _order: RemoteOrder) -> None:
    """It ends without a word."""


Run = Callable[..., Awaitable[tuple[Attempt, Produced | None]]]


async def test_the_report_is_what_counts(attempt: Run) -> None:
    """Whatever the platform says of the end, which may be wrong."""

    async def work(objects: Bucket, order: RemoteOrder) -> TranscodeError | None:
        await report(objects, order)
        return OutOfMemory("The container was killed.")

    done, produced = await attempt(work)

    assert OutcomeKind.SUCCEEDED == done.outcome
    assert produced is not None


async def test_what_the_platform_says_counts_where_there_is_no_report(
    attempt: Run,
) -> None:
    """A container that was killed for its memory says nothing itself."""

    async def work(_objects: Bucket, _order: RemoteOrder) -> TranscodeError | None:
        return OutOfMemory("The container was killed.")

    done, _ = await attempt(work)

    assert (OutcomeKind.OUT_OF_MEMORY, 512) == (done.outcome, done.spec.memory_mib)


async def test_an_end_without_a_word_is_a_loss(attempt: Run) -> None:
    """Neither the worker nor the platform says anything."""

    async def work(_objects: Bucket, _order: RemoteOrder) -> TranscodeError | None:
        return None

    done, _ = await attempt(work)

    assert OutcomeKind.LOST == done.outcome
    assert done.failure is not None
    assert "The invocation ended without a report." == done.failure.message
    assert 0 == done.cost.amount


async def test_who_falls_silent_is_given_up_and_billed(
    attempt: Run, tmp_path: Path
) -> None:
    """After a lease; what it says after that counts for nothing."""
    frozen: list[RemoteOrder] = []

    async def work(objects: Bucket, order: RemoteOrder) -> TranscodeError | None:
        await objects.put(BEAT, Heartbeat(number=1).to_json().encode())
        frozen.append(order)
        await anyio.sleep_forever()
        return None

    done, _ = await attempt(work)

    assert OutcomeKind.LOST == done.outcome
    assert done.cost.amount > 0
    async with bucket(str(tmp_path / "records"), Settings()) as objects:
        with pytest.raises(FileExistsError):
            await report(objects, frozen[0])
        body, _ = await objects.read(REPORT)
    assert done == InvocationReport.from_json(body).attempt


async def test_what_is_never_begun_is_given_up_at_its_age(attempt: Run) -> None:
    """Lambda does not tell of an event that it has dropped; nothing is owed for it."""

    async def work(_objects: Bucket, _order: RemoteOrder) -> TranscodeError | None:
        await anyio.sleep_forever()
        return None

    done, _ = await attempt(work, Dropped)

    assert (OutcomeKind.LOST, 0) == (done.outcome, done.cost.amount)
    assert done.failure is not None
    assert "It was not begun within the age of its event." == done.failure.message


async def test_progress_comes_with_the_heartbeats(
    platform: Platform, order: WorkOrder
) -> None:
    """In their order, and each once."""
    heard = Heard()

    async def work(objects: Bucket, order: RemoteOrder) -> TranscodeError | None:
        for number in (1, 2):
            progress = Progress(
                task_id="t1", done_seconds=number, total_seconds=2.0, speed=None
            )
            beat = Heartbeat(number=number, progress=progress)
            await objects.put(BEAT, beat.to_json().encode())
            while len(heard.seconds) < number:  # noqa: ASYNC110  it looks by the clock
                await anyio.sleep(0.01)
        await report(objects, order)
        return None

    engine = elsewhere(platform, Elsewhere(work))
    with anyio.fail_after(60):
        await engine.attempt(order, observer=heard)

    assert [1.0, 2.0] == heard.seconds


async def test_cancelling_stops_it_and_hands_over_the_bill(
    platform: Platform, order: WorkOrder
) -> None:
    """It is told to stop, and its report is written in its stead."""
    heard = Heard()

    async def work(objects: Bucket, _order: RemoteOrder) -> TranscodeError | None:
        scope.cancel()
        await anyio.sleep_forever()
        return None

    there = Elsewhere(work)
    with anyio.CancelScope() as scope:
        await elsewhere(platform, there).attempt(order, observer=heard)

    assert there.cancelled.is_set()
    assert [OutcomeKind.CANCELLED] == [one.outcome for one in heard.gone]


async def test_what_a_platform_does_not_take_is_lost_for_nothing(
    platform: Platform, order: WorkOrder
) -> None:
    """An outcome like any, which may be tried again; not the end of the job."""

    class Down(Elsewhere):
        async def invoke(self, records: str, task: Task) -> Elsewhere:
            raise WorkerLost(f"{task.task_id} was not taken at {records}.")

    engine = elsewhere(platform, Down(report_nothing))
    done, produced = await engine.attempt(order, observer=AttemptObserver())

    assert (OutcomeKind.LOST, None) == (done.outcome, produced)
    assert 0 == done.cost.amount


async def test_an_order_is_given_once(platform: Platform, order: WorkOrder) -> None:
    """Of two who would start the same attempt, one does."""

    async def work(objects: Bucket, order: RemoteOrder) -> TranscodeError | None:
        await report(objects, order)
        return None

    engine = elsewhere(platform, Elsewhere(work))
    await engine.attempt(order, observer=AttemptObserver())

    with pytest.raises(FileExistsError):
        await engine.attempt(order, observer=AttemptObserver())


async def test_no_key_is_told(platform: Platform, order: WorkOrder) -> None:
    """An order lies in the store, where more people read than may pay."""
    there: list[bytes] = []

    async def work(objects: Bucket, order: RemoteOrder) -> TranscodeError | None:
        there.append((await objects.read(ORDER))[0])
        await report(objects, order)
        return None

    said = {
        "token": "hunter-1",
        "huawei_secret_key": "hunter-2",
        "webhook_secret": "hunter-3",
        "on_success": "https://me:hunter-4@example.org/",
    }
    settings = Settings.model_validate(said | {"lease_seconds": 2})
    signed = "https://store/in.mp4?X-Amz-Signature=hunter-5"
    source = order.task.source.model_copy(update={"location": signed})
    task = order.task.model_copy(update={"source": source})
    order = order.model_copy(update={"task": task})
    engine = RemoteEngine(
        Elsewhere(work), platform, settings, lambda at: bucket(at, settings)
    )
    await engine.attempt(order, observer=AttemptObserver())

    assert b"hunter" not in there[0]
