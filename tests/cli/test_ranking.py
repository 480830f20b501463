"""Platforms and services by the price of a minute, across currencies by rates alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from transcode.cli.show.ranking import ranking_text
from transcode.contract import Elsewhere, Money, Plan, ServicePrice
from transcode.plan.coefficients import Coefficients, Experience, LearnedPlatform
from transcode.plan.ranking import ranked
from transcode.settings import Settings
from transcode.wiring import wire


@pytest.fixture(scope="module")
def coefficients() -> Coefficients:
    return wire(Settings()).coefficients


def usd(text: str) -> Money:
    return Money(amount=Decimal(text), currency="USD")


def compared(plan: Plan) -> Plan:
    """A minute long, for 3 cents here; elsewhere for 2 and 4, and 10 fen."""

    def there(name: str, cost: Money | None) -> Elsewhere:
        return Elsewhere(platform=name, spec=None, wall_seconds=1.0, cost=cost)

    return plan.model_copy(
        update={
            "media": plan.media.model_copy(update={"duration_seconds": 60.0}),
            "predicted_cost": usd("0.03"),
            "elsewhere": (
                there("dear", usd("0.04")),
                there("cheap", usd("0.02")),
                there("none", None),
                there("far", Money(amount=Decimal("0.10"), currency="CNY")),
            ),
            "services": (
                ServicePrice(
                    service="managed",
                    price_table="2026-01-01",
                    cost=usd("1"),
                    per_minute=usd("0.035"),
                ),
            ),
        }
    )


def test_cheapest_first_and_what_cannot_be_compared_last(
    plan: Plan, coefficients: Coefficients
) -> None:
    """No rate is made up; with one it stands where it belongs."""
    made = compared(plan)
    own = made.platform.name

    without = ranked(made, {}, coefficients)
    rates = {"CNY": Decimal("0.14")}
    beside = ranked(made, rates, coefficients)

    assert ["cheap", own, "managed", "dear", "far"] == [it.name for it in without]
    assert without[-1].compared is None
    assert ["far", "cheap", own, "managed", "dear"] == [it.name for it in beside]
    assert usd("0.014") == beside[0].compared
    assert "--rate CNY=…" in ranking_text(without, {}, coefficients)
    text = ranking_text(beside, rates, coefficients)
    assert "(1 CNY = 0.14 USD)" in text
    assert "≈ 0.0140 USD" in text


def test_whose_vcpu_was_taken_is_said(plan: Plan, coefficients: Coefficients) -> None:
    """That of this machine, unless attempts there have shown another."""
    seen = LearnedPlatform(records=41, cpu=1.31, wall=1.0)
    day = date(2026, 11, 28)
    learned = Experience(
        as_of=day, origin="x", records=41, first=day, last=day, platform={"dear": seen}
    )
    known = coefficients.model_copy(update={"learned": learned, "pace": 1.5})

    found = {it.name: it for it in ranked(compared(plan), {}, known)}

    assert (1.31, 41) == (found["dear"].cpu, found["dear"].learned_from)
    assert (1.5, 0) == (found["cheap"].cpu, found["cheap"].learned_from)
    assert found["managed"].cpu is None
    assert "of dear it is 1.31 ×, learned from 41 attempts" in ranking_text(
        [*found.values()], {}, known
    )


def test_what_lasts_nobody_knows_how_long_has_no_price_a_minute(
    plan: Plan, coefficients: Coefficients
) -> None:
    """Unknown is not zero."""
    media = plan.media.model_copy(update={"duration_seconds": None})

    assert () == ranked(plan.model_copy(update={"media": media}), {}, coefficients)
