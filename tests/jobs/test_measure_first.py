"""A job that nobody waits for, planned by what a call of its own has measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import transcode.pipeline
from transcode.analysis.measuring import BegunPlan, MeasureFirst
from transcode.contract import (
    Attempt,
    Indexed,
    Media,
    OutcomeKind,
    TaskResult,
    VideoStream,
)
from transcode.errors import DeadlineTooShort
from transcode.invoke.journal import NullJournal
from transcode.pipeline import Decided, plan_job
from transcode.request import Request, ResolvedRequest, look_up
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

URN = f"urn:fss:cn-north-4:{'0123456789abcdef' * 2}:function:default:tasks:latest"
MINUTES = 30
TOOK_SECONDS = 20.0
LEFT_SECONDS = 6.0
"""Enough for chunks; not for a pass over all packets before them."""


@pytest.fixture
def anyio_backend() -> str:
    """The functions run on asyncio; so do their tests."""
    return "asyncio"


@pytest.fixture
def stream() -> Media:
    """Half an hour, of which only the head was seen."""
    seconds = 60.0 * MINUTES
    video = VideoStream(
        index=0, codec="h264", width=1280, height=720, display_width=1280,
        display_height=720, frame_rate=Fraction(25), variable_frame_rate=False,
        frames=None, start_seconds=1.4, duration_seconds=seconds,
        time_base=Fraction(1, 90_000), pixel_format="yuv420p",
        unknown={"frames": "nobody has counted them"},
    )  # fmt: skip
    return Media(
        container="mpegts", format_name="mpegts", duration_seconds=seconds,
        start_seconds=1.4, bytes=400_000_000, video=(video,),
    )  # fmt: skip


@pytest.fixture
def wiring() -> Wiring:
    """As a function has it."""
    return wire(Settings(functiongraph_function=URN))


@pytest.fixture
async def order(
    make_clip: Callable[..., Path],
    tmp_path: Path,
    stream: Media,
    wiring: Wiring,
    monkeypatch: pytest.MonkeyPatch,
) -> ResolvedRequest:
    """One whose deadline no single call meets, and two do."""

    async def probed(*_: Any) -> Media:
        return stream

    monkeypatch.setattr(transcode.pipeline, "_probe_and_prepare", probed)
    request = Request(
        source=str(make_clip("any.ts", seconds=1)),
        to=str(tmp_path),
        profile="preview",
        platform="functiongraph",
        engine="functiongraph",
        optimize="time",
        chunks=1,
    )
    whole = await look_up(request, wiring)
    planned = await plan_job(whole, wiring, NullJournal(), lambda _: None, 0.0)
    assert isinstance(planned, Decided)
    deadline = planned.plan.predicted.wall_seconds
    wishes = whole.constraints.model_copy(
        update={"chunks": None, "deadline_seconds": deadline}
    )
    return replace(whole, constraints=wishes)


def seen(first: MeasureFirst) -> TaskResult:
    """What the pass over its packets came to."""
    (planned,) = first.own.tasks
    pictures = 25 * 60 * MINUTES
    indexed = Indexed(
        pictures=pictures, untimed=0, first_seconds=1.4,
        last_seconds=1.4 + (pictures - 1) / 25,
        keyframe_seconds=tuple(1.4 + 2 * n for n in range(30 * MINUTES)),
        shortest_step_seconds=0.04, longest_step_seconds=0.04, leaps=0,
    )  # fmt: skip
    usage = planned.task.predicted.model_copy(update={"wall_seconds": TOOK_SECONDS})
    attempt = Attempt(
        number=1, spec=planned.task.spec, predicted=usage, measured=usage,
        cost=planned.task.predicted_cost, outcome=OutcomeKind.SUCCEEDED,
        indexed=indexed,
    )  # fmt: skip
    return TaskResult(
        task_id=planned.task.task_id, kind="index", attempts=(attempt,), produced=None
    )


async def later(
    order: ResolvedRequest, wiring: Wiring, first: MeasureFirst, gone: float
) -> Decided | MeasureFirst:
    """As whoever finishes it plans, when so much of the deadline is gone."""
    deadline = order.constraints.deadline_seconds
    assert deadline is not None
    left = {"deadline_seconds": max(deadline - gone, 0.001)}
    now = replace(order, constraints=order.constraints.model_copy(update=left))
    result = seen(first)
    begun = BegunPlan(first.media, first.constraints, {result.task_id: result})
    return await plan_job(now, wiring, NullJournal(), lambda _: None, 0.0, begun=begun)


async def test_what_was_measured_for_a_deadline_is_used_when_part_of_it_is_gone(
    order: ResolvedRequest, wiring: Wiring
) -> None:
    """
    The decision is gone on with as it was begun; what is left for the chunks is what
    the clock says, and that once.
    """
    first = await plan_job(order, wiring, NullJournal(), lambda _: None, 0.0)
    assert isinstance(first, MeasureFirst)
    deadline = order.constraints.deadline_seconds or 0.0

    soon = await later(order, wiring, first, deadline - LEFT_SECONDS)

    assert isinstance(soon, Decided)
    assert soon.plan.division is not None
    assert soon.plan.division.chunks > 1
    assert soon.plan.indexing is not None
    assert "taken" == soon.plan.indexing.verdict
    assert soon.plan.predicted.wall_seconds < LEFT_SECONDS
    with pytest.raises(DeadlineTooShort):
        await later(order, wiring, first, deadline - 1.0)
