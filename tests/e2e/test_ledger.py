"""A real job, and what the ledger then says of it: shown, added up, priced anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract import Manifest
from transcode.jobs.service import JobService
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire


@pytest.fixture
def asked(
    transcode: Callable[..., Any], make_clip: Callable[..., Path], tmp_path: Path
) -> Callable[..., Any]:
    """Do one job on FunctionGraph's terms; then ask any command about it, in JSON."""
    source = str(make_clip("ledger", seconds=1))
    to = tmp_path / "out"

    async def work() -> None:
        request = Request(
            source=source, profile="preview", platform="functiongraph", to=str(to)
        )
        async with JobService.open(wire(Settings()), to=str(to)) as service:
            report, _ = await service.submit(request, tags={"who": "me"})
            await service.perform(report.job_id)

    anyio.run(work)
    environ = {**os.environ, "TRANSCODE_INDEX": str(tmp_path / "index")}

    def ask(*args: str) -> object:
        done = transcode(*args, "--to", to, "--json", env=environ)
        assert 0 == done.code, done.err
        return done.document

    return ask


def test_a_job_can_be_followed_from_its_list_to_every_question(
    asked: Callable[..., Any], tmp_path: Path
) -> None:
    """All figures are those of the manifest that the job left."""
    (job,) = asked("jobs", "--status", "succeeded", "--tag", "who=me")
    text = (tmp_path / "out" / job["folder"] / "manifest.json").read_text()
    manifest = Manifest.from_json(text)
    cost = {"amount": format(manifest.cost.amount, "f"), "currency": "CNY"}

    shown = asked("show", job["job_id"][:8])
    (group,) = asked("costs", "--by", "tag:who")["groups"]
    (statement,) = asked("costs", "--statement")
    (same,) = asked("reprice")["groups"]
    (larger,) = asked("reprice", "--policy", "fixed:4096")["groups"]
    advice = asked("advise")

    assert [cost] == job["cost"] == shown["cost"]
    assert ["succeeded"] == [it["attempt"]["outcome"] for it in shown["attempts"]]
    assert [] == shown["unfinished"]
    assert ("me", cost["amount"]) == (group["group"], group["cost"])
    assert format(manifest.cost.predicted, "f") == group["predicted"]
    assert cost == statement["gross"]
    assert (cost, cost, 1) == (same["before"], same["after"], same["measured"])
    assert (0, 1, 0) == tuple(
        larger[name] for name in ("measured", "predicted", "left_out")
    )
    assert 1 == advice["arrivals"]["most"]
    assert 1 == advice["fixed"][0]["tasks"]


def test_a_run_by_hand_is_entered_where_there_is_a_ledger(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """And a place where no jobs are kept holds nothing but the result."""
    clip, fresh, used = make_clip("byhand", 1), tmp_path / "fresh", tmp_path / "used"
    ledger = used / ".transcode" / "ledger"
    (ledger / "2026-01-01").mkdir(parents=True)
    (ledger / "2026-01-01" / "earlier.json").write_text("{}")

    for to in (fresh, used):
        argv = [sys.executable, "-m", "transcode", "run", str(clip)]
        argv += ["--to", str(to), "--profile", "preview", "--quiet"]
        subprocess.run(argv, check=True)

    assert not (fresh / ".transcode").exists()
    entered = [p for p in ledger.rglob("*.json") if p.name != "earlier.json"]
    assert 1 == len(entered)
    assert "succeeded" == json.loads(entered[0].read_text())["attempt"]["outcome"]
