"""Each job of a queue hears how many want the machine that it is planned for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import transcode.jobs.execution
from transcode.errors import MediaRejected
from transcode.jobs.runner import Runner, requeue_open
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

from .test_deliveries import put_texts

pytestmark = pytest.mark.anyio


async def test_a_job_hears_of_those_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one has the machine for itself, and so has who is not in a queue."""
    told: list[int] = []

    async def noted(*_: Any, sharing: Callable[[], int], **__: Any) -> None:
        told.append(sharing())
        raise MediaRejected("It is no film.")

    monkeypatch.setattr(transcode.jobs.execution, "carry_out", noted)
    put_texts(tmp_path / "in")
    uploads = sorted((tmp_path / "in").iterdir())[:3]
    to = str(tmp_path / "out")
    async with JobService.open(wire(Settings()), to=to) as service:
        for upload in uploads:
            await service.submit(Request(source=str(upload), profile="mp4", to=to))
        runner = Runner(service, 1, lambda _event: None)
        await requeue_open(service, runner)
        async with anyio.create_task_group() as group:
            group.start_soon(runner.work)
            await runner.idle()
            group.cancel_scope.cancel()
        assert 1 == service.sharing()

    assert [3, 2, 1] == told
