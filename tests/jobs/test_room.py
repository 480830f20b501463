"""A job for which the disk has no room: said at once or soon, and taken up again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract.job import Envelope
from transcode.hooks import Ended
from transcode.jobs.ingest import Ingest, Rule
from transcode.jobs.runner import Runner, Swept, requeue_open, sweep
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.retry import RetryPolicy
from transcode.settings import Settings
from transcode.wiring import wire

pytestmark = pytest.mark.anyio
Disk = Callable[[int, int], None]
LOOKS = 5
"""For room, before it is said that there is none."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put off is due at once."""
    monkeypatch.setattr("transcode.jobs.execution._PUT_OFF", RetryPolicy(1e-6))
    monkeypatch.setattr("transcode.jobs.service._MOMENT_SECONDS", 0.0)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, hurried: None) -> Disk:
    """Says how much of scratch is free and how large it is, in MiB."""
    assert hurried is None

    def is_now(free: int, whole: int) -> None:
        monkeypatch.setattr("transcode.wiring.scratch_mib", lambda _: (free, whole))

    return is_now


class Heard:
    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []

    async def tell(
        self, envelope: Envelope, *, known: frozenset[str]
    ) -> tuple[Sequence[str], bool]:
        if "heard" in known:
            return [], True
        error = envelope.manifest.error if envelope.manifest else None
        self.told.append((envelope.status, error.type if error else None))
        return ["heard"], True


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def service(
    tmp_path: Path, heard: Heard, make_clip: Any, anyio_backend: str
) -> AsyncIterator[JobService]:
    assert anyio_backend
    (tmp_path / "in").mkdir()
    shutil.copyfile(make_clip("a", seconds=1, audio=False), tmp_path / "in/a.mp4")
    to = str(tmp_path / "out")
    async with JobService.open(wire(Settings()), to=to, tells=heard) as opened:
        yield opened


async def round_of(service: JobService) -> Swept:
    request = Request(source="", profile="preview", to=service.to)
    rule = Rule(request=request, settle_seconds=0.0)
    source = str(Path(service.to).with_name("in"))
    return await sweep(
        service, Ingest(service, rule), [source], concurrency=1, listen=lambda _: None
    )


async def test_room_that_was_made_is_seen_by_who_found_none(
    service: JobService, disk: Disk, heard: Heard
) -> None:
    """A service lives long: what was free as it began says nothing of now."""
    disk(0, 10_000)
    assert 1 == (await round_of(service)).left
    (job,) = [job async for job in service.repository.open_jobs()]
    waiting = await service.report(job)
    disk(9_000, 10_000)

    swept = await round_of(service)

    assert "MiB of scratch, there are at most 0 MiB" in (waiting.detail or "")
    assert ({"succeeded": 1}, [("succeeded", None)]) == (swept.ended, heard.told)


async def test_what_the_whole_disk_cannot_hold_ends_at_once(
    service: JobService, disk: Disk, heard: Heard
) -> None:
    """At the first try, told once; sweeps open it again where a larger disk is."""
    disk(0, 0)

    swept = [await round_of(service) for _ in range(3)]

    assert [{"failed": 1}, {}, {}] == [one.ended for one in swept]
    assert [("failed", "ScratchTooSmall")] == heard.told
    disk(9_000, 10_000)
    assert {"succeeded": 1} == (await round_of(service)).ended
    assert ("succeeded", None) == heard.told[-1]


async def test_room_that_never_comes_is_said_soon_and_looked_for_ever_after(
    service: JobService, disk: Disk, heard: Heard
) -> None:
    """After five looks, and not thirty; who ended it opens it again by itself."""
    runner = Runner(service, 1, lambda _: None)
    disk(0, 10_000)
    await round_of(service)
    (job,) = [job async for job in service.repository.open_jobs()]
    while not (ended := await service.perform(job)).over:
        assert ended.tries <= LOOKS

    # The last claim is that under which it is said.
    assert LOOKS + 1 == ended.tries
    assert [("failed", "ScratchFull")] == heard.told
    runner.cramped[job] = ended
    await requeue_open(service, runner)
    assert "failed" == (await service.report(job)).status

    disk(9_000, 10_000)
    await requeue_open(service, runner)

    assert "waiting" == (await service.report(job)).status
    assert {} == runner.cramped


@pytest.mark.usefixtures("hurried")
async def test_scratch_that_is_away_is_waited_for_and_found_again(
    service: JobService, tmp_path: Path, heard: Heard
) -> None:
    """A drive that was unplugged costs no try, however often it is missed."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    service.wiring = wire(Settings(scratch=str(scratch)))
    await round_of(service)
    other = tmp_path / "in/b.mp4"
    other.write_bytes((tmp_path / "in/a.mp4").read_bytes() + b"\0\0\0\x08free")
    scratch.rename(tmp_path / "away")
    await round_of(service)
    (job,) = [job async for job in service.repository.open_jobs()]

    for _ in range(service.wiring.settings.tries):
        await service.perform(job)

    assert "TRANSCODE_SCRATCH" in ((await service.report(job)).detail or "")
    # It is another folder than the one that our engine knew.
    scratch.mkdir()
    assert "succeeded" == (await service.perform(job)).status
    assert [("succeeded", None)] * 2 == heard.told


async def test_a_job_that_waits_is_said_once_and_with_its_reason(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many leases it waits for: a log is not filled with it."""
    events: list[object] = []
    runner = Runner(service, 1, events.append)
    monkeypatch.setattr("transcode.wiring.scratch_mib", lambda _: (0, 10_000))
    await round_of(service)

    async with anyio.create_task_group() as group:
        group.start_soon(runner.work)
        for _ in range(3):
            await requeue_open(service, runner)
            await runner.idle()
        group.cancel_scope.cancel()

    (said,) = [event.report for event in events if isinstance(event, Ended)]
    assert "MiB of scratch" in (said.detail or "")
    assert "to be tried again after" in (said.detail or "")
