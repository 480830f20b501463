"""Whoever claims has found out before whether the store holds to conditions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract.job import Claim
from transcode.errors import StoreError
from transcode.functions.runtime import Function
from transcode.functions.upload import Invocation, answer
from transcode.hooks import Ended, Event, Troubled, Weaker
from transcode.jobs import JobRepository
from transcode.jobs.ingest import Ingest, Rule
from transcode.jobs.runner import watch
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.settings import Settings
from transcode.store.folder_bucket import FolderBucket
from transcode.wiring import wire

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """As the service runs."""
    return "asyncio"


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """
    What is asked and claimed, in order, of a store that takes no notice of conditions
    and does not answer when it is asked first.
    """
    seen: list[str] = []
    claim = JobRepository.claim

    async def is_conditional(_self: FolderBucket) -> bool:
        seen.append("asked")
        if len(seen) == 1:
            raise StoreError("not now")
        return False

    async def claimed(self: JobRepository, *args: Any, **named: Any) -> Claim:
        seen.append("claimed")
        return await claim(self, *args, **named)

    monkeypatch.setattr(FolderBucket, "is_conditional", is_conditional)
    monkeypatch.setattr(JobRepository, "claim", claimed)
    return seen


@pytest.fixture
def uploads(make_clip: Any, tmp_path: Path) -> Path:
    """A folder with one upload, that was not put there just now."""
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy2(make_clip("a", seconds=1, audio=False), folder / "a.mp4")
    return folder


async def test_a_watch_asks_until_it_is_told(
    order: list[str], uploads: Path, tmp_path: Path
) -> None:
    """And says that the store is weaker."""
    to = str(tmp_path / "out")
    events: list[Event] = []
    rule = Rule(request=Request(source="", profile="preview", to=to))
    with anyio.fail_after(120):
        async with (
            JobService.open(wire(Settings()), to=to) as service,
            anyio.create_task_group() as group,
        ):

            def listen(event: Event) -> None:
                events.append(event)
                if isinstance(event, Ended) and event.report.over:
                    group.cancel_scope.cancel()

            await watch(
                service,
                Ingest(service, rule),
                [str(uploads)],
                every_seconds=0.2,
                concurrency=1,
                listen=listen,
            )

    kinds = [type(e) for e in events if isinstance(e, Troubled | Weaker | Ended)]
    assert ["asked", "asked", "claimed"] == order
    assert [Troubled, Weaker, Ended] == kinds


async def test_a_function_claims_nothing_before_it_was_told(
    order: list[str], uploads: Path, tmp_path: Path
) -> None:
    """A store that does not answer has the event repeated; then it asks again."""
    given = Settings(to=str(tmp_path / "out"), sources=str(uploads), profile="preview")
    function = Function.prepare(given, platform="local", memory_mib=None)
    clock = {"transcode": "sweep"}

    first = await answer(function, clock, Invocation(id="1", seconds_left=None))
    before = list(order)
    await answer(function, clock, Invocation(id="2", seconds_left=None))

    assert isinstance(first.trouble, StoreError)
    assert ["asked"] == before
    assert ["asked", "asked", "claimed"] == order
