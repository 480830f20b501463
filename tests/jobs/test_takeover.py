"""Chunks that were finished before their worker went, on this machine."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract import OutcomeKind
from transcode.contract.job import LedgerRecord
from transcode.hooks import AttemptEnded, Event
from transcode.jobs.service import JobService
from transcode.ledger.places import LEDGER
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """As the service runs."""
    return "asyncio"


async def test_a_finished_chunk_is_not_encoded_again(
    make_clip: Any, tmp_path: Path
) -> None:
    """
    Whoever goes on has it from where it lies; it is billed once, under who made it.
    """
    clip = make_clip("long", seconds=24, size="64x36", rate=10)
    to = str(tmp_path / "out")
    request = Request(
        source=str(clip), profile="preview", to=to, platform="functiongraph",
        memory_mib=1024, chunks=2,
    )  # fmt: skip
    ended: list[str] = []

    async with JobService.open(wire(Settings()), to=to) as service:
        job = (await service.submit(request))[0].job_id
        with anyio.CancelScope() as scope:

            def stop(event: Event) -> None:
                if isinstance(event, AttemptEnded):
                    if event.attempt.outcome is OutcomeKind.SUCCEEDED:
                        ended.append(event.task_id)
                    scope.cancel()

            await service.perform(job, listen=stop)
        report = await service.perform(job)
        entered = [
            LedgerRecord.from_json((await service.bucket.read(entry.key))[0])
            async for entry in service.bucket.entries(LEDGER)
        ]

    assert "succeeded" == report.status
    assert report.manifest is not None
    tries = {
        task.task_id: Counter(str(it.outcome) for it in task.attempts)
        for task in report.manifest.tasks
    }
    assert ended
    assert {name: {"succeeded": 1} for name in ended} == {it: tries[it] for it in ended}
    whose = {it.task_id: it.claim for it in entered if it.attempt.measured}
    assert {1} == {whose[name] for name in ended}
    paid = sum((it.attempt.cost.amount for it in entered), Decimal(0))
    assert report.manifest.cost.amount == paid
    assert 240 == report.manifest.outputs[0].video.frames  # type: ignore[union-attr]
    left = [it.name for it in (tmp_path / "out").iterdir()]
    assert {".transcode", report.folder} == {*left}
    assert not (tmp_path / "out/.transcode/invocations").exists()
