"""What happens between the taking in of a job and the work on it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeRecord
from transcode.contract.job import Envelope, JobReport
from transcode.errors import RecordUnreadable, StoreError, UsageError
from transcode.hooks import Event, Troubled
from transcode.jobs.ingest import Ingest, Rule
from transcode.jobs.runner import Swept, sweep
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

pytestmark = pytest.mark.anyio


class Heard:
    """A destination that takes everything."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def tell(
        self, envelope: Envelope, *, known: frozenset[str]
    ) -> tuple[Sequence[str], bool]:
        if "heard" in known:
            return [], True
        self.envelopes.append(envelope)
        return ["heard"], True


@pytest.fixture
def anyio_backend() -> str:
    """As the service runs."""
    return "asyncio"


@pytest.fixture
def heard() -> Heard:
    """Who was told of what."""
    return Heard()


@pytest.fixture
def clip(make_clip: Any, tmp_path: Path) -> Path:
    """An upload of the test's own."""
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/a.mp4"
    shutil.copyfile(make_clip("a", seconds=1, audio=False), path)
    return path


@pytest.fixture
async def service(
    tmp_path: Path, heard: Heard, anyio_backend: str
) -> AsyncIterator[JobService]:
    """A service over a folder."""
    assert anyio_backend
    wiring = wire(Settings(lease_seconds=60))
    async with JobService.open(wiring, to=str(tmp_path / "out"), tells=heard) as opened:
        yield opened


async def submit(service: JobService, clip: Path, profile: str = "mp4") -> JobReport:
    """Keep a job for the file as it is now."""
    request = Request(source=str(clip), profile=profile, to=service.to)
    return (await service.submit(request))[0]


async def round_of(service: JobService, *sources: Path) -> tuple[Swept, list[Event]]:
    """A sweep, and what it said."""
    events: list[Event] = []
    rule = Rule(request=Request(source="", profile="mp4", to=service.to))
    named = [str(source) for source in sources]
    swept = await sweep(
        service, Ingest(service, rule), named, concurrency=2, listen=events.append
    )
    return swept, events


def away(path: Path, to: Path | None = None) -> None:
    """Out of the way, as it is."""
    path.rename(to or path.with_suffix(".away"))


def replace(path: Path, other: Path) -> None:
    """Another version under the same name."""
    shutil.copyfile(other, path)
    os.utime(path, (1e9, 1e9))


async def test_a_source_that_was_replaced_is_a_job_of_its_own(
    service: JobService, clip: Path, make_clip: Any, heard: Heard
) -> None:
    """The old one ends for good and says why; the new one is done by the next sweep."""
    old = await submit(service, clip)
    replace(clip, make_clip("b", seconds=2, audio=False))

    swept, _ = await round_of(service, clip.parent)

    assert {"failed": 1, "succeeded": 1} == swept.ended
    report = await service.report(old.job_id)
    assert report.detail is not None
    assert "was replaced after it was submitted" in report.detail
    assert ["failed", "succeeded"] == sorted(e.status for e in heard.envelopes)
    again, _ = await round_of(service, clip.parent)
    assert (0, {}, 0) == (again.uploads_taken, again.ended, again.left)


async def test_a_source_that_was_deleted_ends_its_job(
    service: JobService, clip: Path, heard: Heard
) -> None:
    """At the first try, with the reason."""
    job = await submit(service, clip)
    away(clip)

    swept, _ = await round_of(service)

    assert {"rejected": 1} == swept.ended
    report = await service.report(job.job_id)
    assert 1 == report.tries
    assert report.manifest is not None
    assert report.manifest.error is not None
    assert "SourceNotFound" == report.manifest.error.type
    assert ["rejected"] == [e.status for e in heard.envelopes]


async def test_a_failed_job_that_is_submitted_again_stays_as_it_is(
    service: JobService, clip: Path, heard: Heard
) -> None:
    """It is found, and nothing is done or told a second time; `retry` opens it."""
    job = await submit(service, clip)
    away(clip)
    await service.perform(job.job_id)
    away(clip.with_suffix(".away"), clip)

    again = await submit(service, clip)
    swept, _ = await round_of(service, clip.parent)

    assert (job.job_id, "rejected") == (again.job_id, again.status)
    assert (0, {}) == (swept.uploads_taken, swept.ended)
    assert 1 == len(heard.envelopes)
    assert "waiting" == (await service.retry(job.job_id)).status
    assert "succeeded" == (await service.perform(job.job_id)).status
    assert ["rejected", "succeeded"] == [e.status for e in heard.envelopes]
    with pytest.raises(UsageError, match="succeeded"):
        await service.retry(job.job_id)


async def test_a_task_is_named_that_failed_or_the_job_stays_closed(
    service: JobService, clip: Path, make_record: MakeRecord
) -> None:
    """By its whole id or the end of it; the last of several attempts counts."""
    job = await submit(service, clip)
    away(clip)
    await service.perform(job.job_id)
    with pytest.raises(UsageError, match=r"'encode' .* never tried; no task failed"):
        await service.retry(job.job_id, task="encode")
    tried = {
        ("chunk-0", 1): "lost",
        ("chunk-0", 2): "succeeded",
        ("chunk-1", 1): "lost",
    }
    for (end, number), outcome in tried.items():
        made = make_record(outcome=outcome, number=number)
        ours = {"job_id": job.job_id, "task_id": f"{job.job_id[:12]}-{end}"}
        await service.repository.keep_attempt(made.model_copy(update=ours))

    with pytest.raises(UsageError, match=r"succeeded; what failed is .*-chunk-1"):
        await service.retry(job.job_id, task="chunk-0")
    with pytest.raises(UsageError, match=r"'join' .* never tried; what failed is"):
        await service.retry(job.job_id, task="join")
    assert (await service.report(job.job_id)).over
    named = await service.retry(job.job_id, task=f"{job.job_id[:12]}-chunk-1")
    assert "waiting" == named.status


async def test_results_that_were_removed_are_made_anew(
    service: JobService, clip: Path
) -> None:
    """By submitting their source again, once the lease of who made them is over."""
    job = await submit(service, clip)
    assert "succeeded" == (await service.perform(job.job_id)).status
    shutil.rmtree(Path(service.to, job.folder))

    again = await submit(service, clip)

    assert not again.over
    assert [job.job_id] == [open_ async for open_ in service.repository.open_jobs()]


async def test_a_job_in_work_is_not_retried(service: JobService, clip: Path) -> None:
    """Two would work on it."""
    job = await submit(service, clip)
    await service.repository.claim(job.job_id, 1, owner="somebody", lease=60)

    with pytest.raises(UsageError, match="worked on by somebody"):
        await service.retry(job.job_id)


async def test_a_job_that_loses_all_its_workers_ends_with_what_is_known(
    service: JobService, clip: Path, heard: Heard
) -> None:
    """A poison upload: after `TRANSCODE_TRIES` it is failed, once, and told."""
    job = await submit(service, clip)
    for number in range(1, service.wiring.settings.tries + 1):
        await service.repository.claim(job.job_id, number, owner=f"w{number}", lease=-2)

    report = await service.perform(job.job_id)

    assert ("failed", 4) == (report.status, report.tries)
    assert report.detail is not None
    assert "tried 3 times: 0 failed and 3 ended without a word" in report.detail
    assert [(f"{job.job_id}-failed", 4)] == [(e.id, e.tries) for e in heard.envelopes]
    assert [] == [open_ async for open_ in service.repository.open_jobs()]


STRANGE = [
    "open/.DS_Store",
    "open/README",
    "jobs/{job}/claims/.nfs0001",
    "jobs/{job}/claims/notes.txt",
    "jobs/{job}/endings/1.json",
    "jobs/{job}/rounds/x",
    "jobs/{job}/cancels/y",
    "jobs/{job}/attempts/000001.x.1.json",
    "jobs/.DS_Store",
    "ledger/2026-11-22/x.json",
]


async def test_what_others_put_among_our_records_is_left_alone(
    service: JobService, clip: Path
) -> None:
    """The job is done as if it were not there."""
    job = await submit(service, clip)
    strange = [f".transcode/{name.format(job=job.job_id)}" for name in STRANGE]
    for name in strange:
        await service.bucket.put(name, b"{torn")

    swept, events = await round_of(service)

    assert {"succeeded": 1} == swept.ended
    assert [] == [event for event in events if isinstance(event, Troubled)]
    assert {b"{torn"} == {(await service.bucket.read(name))[0] for name in strange}


@pytest.mark.parametrize(
    "name", ["submission.json", "claims/000001.json", "endings/000001.json"]
)
async def test_a_torn_record_stops_its_job_and_no_other(
    service: JobService, clip: Path, make_clip: Any, name: str
) -> None:
    """It is said which object is at fault."""
    broken = await submit(service, clip)
    key = f".transcode/jobs/{broken.job_id}/{name}"
    await service.bucket.put(key, b'{"schema": "transcode/sub')
    await submit(service, make_clip("c", seconds=1, audio=False))

    swept, events = await round_of(service)

    assert {"succeeded": 1} == swept.ended
    (said,) = [event.error for event in events if isinstance(event, Troubled)]
    assert isinstance(said, RecordUnreadable)
    assert name in said.message


async def test_pauses_are_counted_by_the_clock_of_the_store(
    service: JobService, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose clock is an hour ahead delays nothing."""

    class Ahead:
        @staticmethod
        def now(zone: Any) -> Any:
            return datetime.now(zone) + timedelta(hours=1)

    async def down(_submission: Any) -> Any:
        raise StoreError("The store did not answer.")

    job = await submit(service, clip)
    monkeypatch.setattr("transcode.jobs.execution.datetime", Ahead)
    monkeypatch.setattr(service, "_look_up", down)

    await service.perform(job.job_id)

    history = await service.repository.history(job.job_id)
    ending = history.tried[-1].ending
    assert ending is not None
    assert ending.not_before is not None
    wait = (ending.not_before - await service.repository.now()).total_seconds()
    assert 0 < wait < 20


async def test_a_first_failure_waits_shortly_however_many_workers_were_killed(
    service: JobService, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only failures make the next one wait longer."""

    async def down(_submission: Any) -> Any:
        raise StoreError("The store did not answer.")

    job = await submit(service, clip)
    monkeypatch.setattr(service, "_look_up", down)
    for number in (1, 2):
        # A lease that is over as it begins: its holder is never heard of again.
        await service.repository.claim(job.job_id, number, owner="killed", lease=-2.0)

    await service.perform(job.job_id)

    ending = (await service.repository.history(job.job_id)).tried[-1].ending
    assert ending is not None
    assert ending.not_before is not None
    wait = (ending.not_before - await service.repository.now()).total_seconds()
    assert 0 < wait < 20


async def test_the_ledger_names_an_attempt_by_its_beginning(
    service: JobService, clip: Path
) -> None:
    """So that it has one name before and after it, also over midnight."""
    job = await submit(service, clip)

    await service.perform(job.job_id)

    (kept,) = await service.repository.attempts(job.job_id)
    entered, _ = await service.bucket.read(f".transcode/ledger/{kept.key}")
    assert json.loads(entered) == json.loads(kept.to_json())
