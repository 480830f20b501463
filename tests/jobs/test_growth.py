"""A process that does many jobs stays as it was."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

import transcode.jobs.execution
from tests.conftest import manifest_of
from transcode.contract import (
    Manifest,
)
from transcode.contract.job import Envelope
from transcode.jobs.runner import Runner, requeue_open
from transcode.jobs.service import JobService
from transcode.request import Request, ResolvedRequest, look_up
from transcode.settings import Settings
from transcode.wiring import wire

MANY, FEW = 200, 20
"""Jobs; and those after which everything is loaded that ever will be."""
GROWTH_MIB = 20


class Nobody:
    """There is no one to tell."""

    async def tell(
        self, _envelope: Envelope, *, known: frozenset[str]
    ) -> tuple[Sequence[str], bool]:
        assert not known
        return [], True


def descriptors() -> int:
    """Open ones of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_mib() -> float:
    """Memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def published(
    order: ResolvedRequest, _wiring: Any, engine: Any, **_: Any
) -> Manifest:
    """As if the work had been done."""
    assert engine is not None
    manifest = manifest_of(order.job_id, profile="mp4")
    await order.target.prepare(order.folder)
    place = order.target.place(order.folder, "encode.1")
    await anyio.Path(place).mkdir()
    await order.target.publish(order.folder, manifest, made=["encode.1"])
    await order.target.discard(order.folder)
    return manifest


def test_two_hundred_jobs_leave_nothing_behind(
    make_clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor, no temporary file, one engine, hardly any memory."""
    scratch, uploads = tmp_path / "scratch", tmp_path / "in"
    scratch.mkdir()
    uploads.mkdir()
    shutil.copyfile(make_clip("a", seconds=1, audio=False), uploads / "a.mp4")
    settings = Settings(scratch=str(scratch))
    monkeypatch.setattr(transcode.jobs.execution, "carry_out", published)

    async def work() -> tuple[list[int], list[float], int]:
        wiring = wire(settings)
        to = str(tmp_path / "out")
        request = Request(source=str(uploads / "a.mp4"), profile="mp4", to=to)
        order = await look_up(request, wiring)
        orders = {
            f"{n:032x}": replace(order, job_id=f"{n:032x}", folder=f"a.{n:012x}")
            for n in range(MANY)
        }
        fds, sizes = [], []
        async with JobService.open(wiring, to=to, tells=Nobody()) as service:

            async def known(submission: Any) -> ResolvedRequest:
                return orders[submission.job_id]

            monkeypatch.setattr(service, "_look_up", known)
            for part in (list(orders)[:FEW], list(orders)[FEW:]):
                for job in part:
                    await service.submit(request, order=orders[job])
                runner = Runner(service, 4, lambda _event: None)
                async with anyio.create_task_group() as group:
                    group.start_soon(runner.work)
                    await requeue_open(service, runner)
                    await runner.idle()
                    group.cancel_scope.cancel()
                assert {} == runner.left
                fds.append(descriptors())
                sizes.append(resident_mib())
            assert [] == [job async for job in service.repository.open_jobs()]
            engines = len(list(scratch.iterdir()))
        return fds, sizes, engines

    fds, sizes, engines = anyio.run(work)

    assert MANY == len(list((tmp_path / "out").glob("*/manifest.json")))
    assert fds[0] == fds[1]
    assert sizes[1] - sizes[0] < GROWTH_MIB
    assert 1 == engines
    assert [] == list(scratch.iterdir())
    assert [] == list((tmp_path / "out").glob(".transcode-*"))
