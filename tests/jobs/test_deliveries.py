"""Telling goes on beside the work, and says what it could not do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from transcode.contract import Failure
from transcode.contract.job import Delivery, Envelope
from transcode.errors import DestinationDown
from transcode.hooks import Ended, Event, Undelivered
from transcode.jobs import told_of
from transcode.jobs.deliveries import Deliveries
from transcode.jobs.ingest import Ingest, Rule
from transcode.jobs.runner import Runner, sweep
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

pytestmark = pytest.mark.anyio

UPLOADS = 3


@pytest.fixture
def anyio_backend() -> str:
    """As the service runs."""
    return "asyncio"


class Hanging:
    """A destination that never answers."""

    async def tell(
        self, _envelope: Envelope, *, known: frozenset[str]
    ) -> tuple[Sequence[str], bool]:
        assert not known
        await anyio.sleep_forever()
        return [], False


class Moody:
    """Refuses until it is mended, and says so."""

    def __init__(self) -> None:
        self.mended = False
        self.heard: list[str] = []

    async def tell(
        self, envelope: Envelope, *, known: frozenset[str]
    ) -> tuple[Sequence[str], bool]:
        if "moody" in known:
            return [], True
        self.heard.append(envelope.job_id)
        return (["moody"], True) if self.mended else ([], False)

    def said(self, envelope_id: str) -> dict[str, Delivery]:
        error = DestinationDown("It answers 503.").describe()
        return {"moody": self._told(envelope_id, None if self.mended else error)}

    def _told(self, envelope_id: str, error: Failure | None) -> Delivery:
        return Delivery(
            envelope_id=envelope_id,
            digest="moody",
            target="https://example.org/…",
            ok=error is None,
            tries=4,
            error=error,
        )


def put_texts(folder: Path) -> None:
    """Uploads that end soon: none is a film."""
    folder.mkdir()
    for number in range(UPLOADS):
        (folder / f"{number}.mp4").write_text(f"Dear diary, day {number}.\n" * 50)


async def test_a_destination_that_hangs_holds_up_no_upload(tmp_path: Path) -> None:
    """One worker does them all, while the first is still being told of."""
    put_texts(tmp_path / "in")
    to = str(tmp_path / "out")
    ended: list[str] = []
    everything = anyio.Event()

    def heard(event: Event) -> None:
        if isinstance(event, Ended):
            ended.append(event.report.status)
            if len(ended) == UPLOADS:
                everything.set()

    async with JobService.open(wire(Settings()), to=to, tells=Hanging()) as service:
        rule = Rule(request=Request(source="", to=to), settle_seconds=0)
        runner = Runner(service, 1, heard)
        async with anyio.create_task_group() as group:
            group.start_soon(runner.work)
            async for events in Ingest(service, rule).look(str(tmp_path / "in")):
                for event in events:
                    await runner.add(event.report.job_id)  # type: ignore[union-attr]
            with anyio.fail_after(60):
                await everything.wait()
            assert UPLOADS == runner.counts()["telling"]
            open_jobs = [job async for job in service.repository.open_jobs()]
            assert all(runner.knows(job) for job in open_jobs)
            group.cancel_scope.cancel()

    assert ["rejected"] * UPLOADS == ended
    assert UPLOADS == len(open_jobs)


async def test_what_was_not_told_is_said_kept_and_told_once_it_can_be(
    tmp_path: Path,
) -> None:
    """By the next sweep, to whom it was not; nothing is left to do after that."""
    put_texts(tmp_path / "in")
    moody, events = Moody(), list[Event]()
    to, uploads = str(tmp_path / "out"), [str(tmp_path / "in")]

    async with JobService.open(wire(Settings()), to=to, tells=moody) as service:
        rule = Rule(request=Request(source="", to=to), settle_seconds=0)

        async def round_of() -> None:
            ingest = Ingest(service, rule)
            await sweep(service, ingest, uploads, concurrency=2, listen=events.append)

        await round_of()
        missed = [one for one in events if isinstance(one, Undelivered)]
        jobs = {one.job_id for one in missed}
        before = [await told_of(service.bucket, job) for job in jobs]
        moody.mended = True
        await round_of()
        after = [await told_of(service.bucket, job) for job in jobs]
        await round_of()
        open_jobs = [job async for job in service.repository.open_jobs()]

    assert UPLOADS == len(missed) == len(jobs)
    assert [False] * UPLOADS == [one.ok for (one,) in before]
    assert [True] * UPLOADS == [one.ok for (one,) in after]
    assert 2 * UPLOADS == len(moody.heard)
    assert [] == open_jobs


async def test_one_that_fails_keeps_no_other_waiting() -> None:
    """At most so many at once; each has its round, those that failed another one."""
    rounds: list[str] = []
    at_once = most = 0

    async def tell(job: str) -> tuple[bool, tuple[Delivery, ...]]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await anyio.lowlevel.checkpoint()
        at_once -= 1
        rounds.append(job)
        if job == "3":
            raise DestinationDown("No answer.")
        return job != "5", ()

    events: list[Event] = []
    telling = Deliveries(tell, events.append, at_once=2)
    async with anyio.create_task_group() as group:
        group.start_soon(telling.work)
        for number in range(10):
            await telling.add(str(number))
            await telling.add(str(number))
        with anyio.fail_after(30):
            await telling.once()
        group.cancel_scope.cancel()

    assert [str(n) for n in range(10)] == sorted(rounds)
    assert {"3", "5"} == {str(n) for n in range(10) if telling.knows(str(n))}
    assert most <= 2
    assert 1 == len(events)
