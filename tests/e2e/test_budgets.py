"""Budgets that jobs share, at a service with real jobs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Literal

import anyio
import pytest

from transcode.contract import Money, Plan
from transcode.contract.job import JobReport
from transcode.errors import BudgetReached
from transcode.jobs.reservations import RESERVED, Reservations
from transcode.jobs.service import JobService
from transcode.ledger.budgets import parse_caps
from transcode.pipeline import admit
from transcode.request import Request
from transcode.settings import Settings
from transcode.store.open import bucket
from transcode.wiring import wire


@pytest.fixture
def settings(of_any_machine: Path, tmp_path: Path) -> Settings:
    """What a test predicts is then, to the last digit, what the job is predicted."""
    return Settings(coefficients=str(of_any_machine), index=str(tmp_path / "index"))


def perform(
    source: Path,
    to: Path,
    settings: Settings,
    *,
    budgets: str,
    tags: dict[str, str] | None = None,
    sample: Literal["auto", "always"] = "auto",
) -> JobReport:
    """Submit and perform one job under these budgets."""
    wiring = wire(settings.model_copy(update={"budgets": budgets}))

    async def work() -> JobReport:
        request = Request(
            source=str(source), profile="preview", to=str(to), sample=sample
        )
        async with JobService.open(wiring, to=str(to)) as service:
            report, _ = await service.submit(request, tags=tags)
            return await service.perform(report.job_id)

    return anyio.run(work)


def planned(source: Path, settings: Settings) -> Plan:
    """What such a job is planned as."""
    request = Request(source=str(source), profile="preview")
    return anyio.run(admit, request, wire(settings))


def reservations(to: Path) -> list[Path]:
    return list((to / RESERVED).glob("*"))


def test_a_job_waits_for_the_day_after_and_leaves_no_reservation(
    make_clip: Callable[..., Path], settings: Settings, tmp_path: Path
) -> None:
    """The first is paid for, the second finds too little left and says until when."""
    to = tmp_path / "out"
    source = make_clip("budget-a", seconds=1)
    first = perform(source, to, settings, budgets="day:1")
    assert first.manifest is not None
    spent = first.manifest.cost.amount
    other = make_clip("budget-b", seconds=2)
    # Enough for the second alone, and never once the first is paid for.
    budget = max(spent, planned(other, settings).predicted_cost.amount)
    second = perform(other, to, settings, budgets=f"day:{budget:f}")

    assert ("succeeded", "waiting") == (first.status, second.status)
    assert second.detail is not None
    assert f"for the day leaves {budget - spent:f}, " in second.detail
    assert [] == reservations(to)


def test_a_tag_that_has_spent_its_budget_fails_its_jobs(
    make_clip: Callable[..., Path], settings: Settings, tmp_path: Path
) -> None:
    """No day brings that back; others are not touched."""
    to, source = tmp_path / "out", make_clip("budget-a", seconds=1)
    budgets = "tag:who=me:0.0000001"
    mine = perform(source, to, settings, budgets=budgets, tags={"who": "me"})
    second = make_clip("budget-b", seconds=2)
    other = perform(second, to, settings, budgets=budgets, tags={"who": "her"})

    assert ("rejected", "succeeded") == (mine.status, other.status)
    assert mine.detail is not None
    assert "for the tag who=me leaves" in mine.detail
    assert [] == reservations(to)


def test_no_sample_is_taken_of_a_job_that_cannot_be_paid_for(
    make_clip: Callable[..., Path], settings: Settings, tmp_path: Path
) -> None:
    """The sample alone would be affordable; what it is a sample of is not."""
    to = tmp_path / "out"
    keys = ("-g", "50", "-keyint_min", "50", "-sc_threshold", "0")
    film = make_clip("film", seconds=18, size="640x360", extra=keys)
    plan = planned(film, settings)
    assert plan.sampling is not None
    assert plan.sampling.planned is not None
    left = plan.predicted_cost.amount * Decimal("0.99")
    assert plan.sampling.planned.task.predicted_cost.amount < left

    poor = perform(film, to, settings, budgets=f"day:{left:f}", sample="always")

    assert "rejected" == poor.status
    ledger = [path.name for path in (to / ".transcode/ledger").rglob("*.json")]
    assert [] == [name for name in ledger if name.startswith(poor.job_id)]
    assert [] == reservations(to)


@pytest.fixture
def plan(make_clip: Callable[..., Path], settings: Settings) -> Plan:
    return planned(make_clip("budget-a", seconds=1), settings)


def test_together_jobs_never_reserve_more_than_there_is(
    plan: Plan, tmp_path: Path
) -> None:
    """
    Twenty ask at once through five services; what some give back is there for others.
    """
    cost = Money(amount=Decimal("0.10"), currency="USD")
    plans = [
        plan.model_copy(
            update={
                "job_id": f"{n:032x}",
                "predicted_cost": cost,
                "predicted": plan.predicted.model_copy(update={"wall_seconds": 6e4}),
            }
        )
        for n in range(20)
    ]
    granted: dict[str, Decimal] = {}

    async def ask(service: Reservations, it: Plan) -> None:
        with contextlib.suppress(BudgetReached):
            money = await service.reserve(it, {}, claim=1)
            assert money is not None
            granted[it.job_id] = money.amount

    async def work() -> None:
        caps = parse_caps("day:1.00")
        async with bucket(str(tmp_path), Settings()) as store:
            services = [
                Reservations(store, caps, tmp_path / "index", "x") for _ in range(5)
            ]
            async with anyio.create_task_group() as group:
                for n, it in enumerate(plans):
                    group.start_soon(ask, services[n % 5], it)
            assert sum(granted.values()) <= Decimal("1.00")
            for job in list(granted):
                await services[0].release(job, claim=1)
            granted.clear()
            for it in plans:
                await ask(services[0], it)

    anyio.run(work)

    # One after the other: three with all the room they want; the rest is too little.
    assert ["0.30", "0.30", "0.30"] == [f"{a:.2f}" for a in granted.values()]
