"""What a record of the ledger is predicted to take again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import anyio

from transcode.cli.show.what_if import Advice, advice_text, repriced_text
from transcode.cli.what_if import predictor
from transcode.contract import Spec
from transcode.invoke.scheduler import provisional_attempt as will
from transcode.jobs.receipts import ledger_record
from transcode.ledger.advise import Fixed
from transcode.ledger.arrivals import Reserve
from transcode.ledger.reprice import Comparison
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


def test_what_would_have_been_fits_a_terminal_of_few_columns() -> None:
    """What it is of, and the two sums, are the last to go; in a pipe it is whole."""
    row = Comparison(
        group="functiongraph/encode/10240",
        currency="CNY",
        before=Decimal("0.000123456"),
        after=Decimal("0.0000654321"),
        after_currency="CNY",
        measured=120,
        predicted=31,
        left_out=2,
        left_out_before=Decimal("0.000001"),
    )
    narrow = repriced_text([row], [], by="function", width=60).splitlines()

    assert max(map(len, narrow)) <= 60
    assert row.group in narrow[1]
    assert "0.0000654 CNY" in narrow[1]
    assert "left out" in repriced_text([row], [], by="function")


def test_advice_fits_a_terminal_of_few_columns() -> None:
    """The spec that would do, and what it would lose."""
    spec = Spec(memory_mib=10_240, milli_cpus=8200)
    fixed = Fixed(
        group="functiongraph/encode/10240",
        cases=1200,
        spec=spec,
        cost=Decimal("0.0123"),
        wall_seconds=None,
        chosen_cost=Decimal("0.0101"),
        chosen_wall_seconds=10.0,
        impossible=0,
        currency="CNY",
    )
    held = Reserve(
        instance=1,
        busy_seconds=10,
        held_seconds=100,
        on_demand=Decimal("0.0123"),
        held=Decimal("0.0456"),
        cold_starts=12,
        break_even_seconds=3.5,
        currency="CNY",
    )
    advice = Advice(
        platform=wire(Settings()).catalog.platform("functiongraph"),
        fixed=(fixed,),
        left_out=0,
        load=None,
        reserve=(held,),
        concurrency=1,
        pool=None,
    )
    narrow = advice_text(advice, width=60)

    assert max(map(len, narrow.splitlines())) <= 60
    assert "10240 MiB, 8.2 vCPU" in narrow
    assert "+22%" in narrow
    assert "chosen each time" in advice_text(advice)
