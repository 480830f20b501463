"""A task that an engine has sent here: it stops by itself where it counts no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract import InvocationReport, OutcomeKind, WorkOrder
from transcode.functions.task import perform_task
from transcode.invoke.remote import BEAT, ORDER, REPORT, RemoteOrder
from transcode.pipeline import admit
from transcode.request import Request
from transcode.settings import Settings
from transcode.store.open import bucket
from transcode.wiring import Wiring, wire


@pytest.fixture
async def order(make_clip: Any, tmp_path: Path) -> RemoteOrder:
    """Of work that takes far longer than any test may."""
    clip = make_clip("long", seconds=12, size="1280x720")
    wiring = wire(Settings())
    request = Request(source=str(clip), profile="mp4")
    plan = await admit(request, wiring)
    work = WorkOrder(
        task=plan.tasks[0].task,
        number=1,
        place=str(tmp_path / "place"),
        records=str(tmp_path / "records"),
        profile="mp4",
    )
    told = RemoteOrder(
        work=work,
        platform=wiring.platform_of("local", None),
        settings=wiring.settings,
        beat_seconds=0.2,
    )
    async with bucket(str(tmp_path / "records"), wiring.settings) as objects:
        await objects.create(ORDER, told.to_json().encode())
    return told


@pytest.fixture
def wiring() -> Wiring:
    return wire(Settings(margin_seconds=2))


async def test_the_verdict_comes_before_the_platforms_kill(
    order: RemoteOrder, wiring: Wiring
) -> None:
    """Out of time is said by us, with the time that was billed, and starts nothing."""
    records = order.work.records
    assert records is not None

    with anyio.fail_after(60):
        ours = await perform_task(records, wiring, seconds_left=3.0)

    assert ours
    async with bucket(records, wiring.settings) as objects:
        body, _ = await objects.read(REPORT)
    said = InvocationReport.from_json(body)
    assert (OutcomeKind.OUT_OF_TIME, None) == (said.attempt.outcome, said.produced)
    assert said.attempt.cost.amount > 0


async def test_what_was_given_up_stops_by_itself(
    order: RemoteOrder, wiring: Wiring
) -> None:
    """Nobody can stop an invocation of Lambda; it would be billed to its end."""
    records = order.work.records
    assert records is not None
    ours: list[bool] = []

    async def work() -> None:
        ours.append(await perform_task(records, wiring))

    async with bucket(records, wiring.settings) as objects:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(work)
                while not Path(records, BEAT).exists():  # noqa: ASYNC110, ASYNC240  a disk
                    await anyio.sleep(0.01)
                await objects.create(REPORT, b"{}")

    assert [False] == ours
    # Nothing was made: it did not go on to its end.
    assert not Path(order.work.place or "").exists()  # noqa: ASYNC240  a disk
