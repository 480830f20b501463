"""What a record of the ledger is predicted to take again."""

from __future__ import annotations

import json
import subprocess
import sys
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
from transcode.request import Request, constraints_of
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
        own_mib=128,
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
    assert "128 MiB are the function's own" in narrow
    assert "+22%" in narrow
    assert "chosen each time" in advice_text(advice)


def test_a_function_is_advised_as_large_as_it_is_planned(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """What is said to do holds the work beside the function, as a plan asks for it."""
    clip = make_clip("advised", seconds=2)
    said = {}
    for platform in ("functiongraph", "local"):
        argv = [sys.executable, "-m", "transcode", "advise", str(clip), "--json"]
        argv += ["--platform", platform, "--profile", "preview"]
        done = subprocess.run(
            argv, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        said[platform] = json.loads(done.stdout)
    request = Request(source=str(clip), profile="preview", optimize="cost")
    wired = wire(Settings())
    asked = request.model_copy(
        update={"platform": "functiongraph", "engine": "functiongraph"}
    )
    constraints = constraints_of(asked, wired.catalog.platform("functiongraph"))

    (row,) = said["functiongraph"]["fixed"]
    plan = anyio.run(admit, request, wired)
    peak = plan.tasks[0].task.predicted.peak_memory_bytes
    assert peak is not None
    own = constraints.own_mib
    assert (own, 0) == (said["functiongraph"]["own_mib"], said["local"]["own_mib"])
    assert own > 0
    assert row["spec"]["memory_mib"] >= peak * 1.25 / 2**20 + own
