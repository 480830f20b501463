"""What a record of the ledger is predicted to take again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio

from transcode.cli.what_if import predictor
from transcode.invoke.scheduler import provisional_attempt as will
from transcode.jobs.journal import ledger_record
from transcode.pipeline import admit
from transcode.plan.profile import ClipProfile
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire


def test_a_clip_is_predicted_as_the_clip_that_it_was(
    make_clip: Callable[..., Path],
) -> None:
    """The record holds the whole source, of which a part was made."""
    wired = wire(Settings())
    request = Request(
        source=str(make_clip("foresee", seconds=4)),
        profile="preview",
        clip=ClipProfile(end_seconds=1),
    )
    plan = anyio.run(admit, request, wired)
    task = plan.tasks[0].task
    record = ledger_record(plan, task, will(task, 1), claim=1, now=datetime.now(UTC))

    usage = predictor(wired)(record, task.spec)

    assert usage is not None
    assert task.predicted.cpu_seconds == usage.cpu_seconds
