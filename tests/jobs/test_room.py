"""A job for which the disk has no room: said at once or soon, and taken up again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from transcode.contract.job import Envelope
from transcode.jobs.ingest import Ingest, Rule
from transcode.jobs.runner import Runner, Swept, requeue_open, sweep
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.retry import RetryPolicy
from transcode.settings import Settings
from transcode.wiring import wire

pytestmark = pytest.mark.anyio
Disk = Callable[[int, int], None]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Says how much of scratch is free and how large it is, in MiB; nobody waits."""
    monkeypatch.setattr("transcode.jobs.execution._PUT_OFF", RetryPolicy(1e-6))

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
    looks = 1
    while not (ended := await service.perform(job)).over:
        looks += 1

    assert (5, [("failed", "ScratchFull")]) == (looks, heard.told)
    runner.cramped[job] = ended
    await requeue_open(service, runner)
    assert "failed" == (await service.report(job)).status

    disk(9_000, 10_000)
    await requeue_open(service, runner)

    assert "waiting" == (await service.report(job)).status
    assert {} == runner.cramped
