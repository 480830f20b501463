"""Budgets of a day and of a tag: how they are written, and what they leave."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from transcode.errors import BudgetReached, SettingsError
from transcode.ledger.budgets import Cap, Counted, grant, parse_caps, wish

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
DAY = Cap(Decimal(5))
TAG = Cap(Decimal(1), ("customer", "a:b=c"))


def counted(cap: Cap, spent: str, reserved: str = "0") -> Counted:
    return Counted(cap, Decimal(spent), Decimal(reserved))


def test_both_kinds_are_read() -> None:
    """The amount stands behind the last colon: a tag's value may hold others."""
    assert (Cap(Decimal("5.00")), Cap(Decimal("0.5"), ("at", "x:y"))) == parse_caps(
        "day:5.00  tag:at=x:y:0.5"
    )
    assert () == parse_caps("")


@pytest.mark.parametrize("text", ["day", "day:", "week:5", "tag:a:5", "day:1.2.3"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    """With how to write it."""
    with pytest.raises(SettingsError, match=r"TRANSCODE_BUDGETS.*write day:5\.00"):
        parse_caps(text)


def test_a_job_is_granted_room_for_a_mishap() -> None:
    """What it wants where that is left, else what is."""
    assert Decimal("3.0") == wish(Decimal("0.5"), 20.0)
    want = Decimal("0.5")

    assert Decimal("1.5") == grant(
        [counted(DAY, "1")], want, want * 3, currency="USD", now=NOW
    )
    assert Decimal("0.75") == grant(
        [counted(DAY, "1"), counted(TAG, "0.25")],
        want,
        want * 3,
        currency="USD",
        now=NOW,
    )


def test_a_spent_day_is_waited_for() -> None:
    """Until midnight, UTC."""
    with pytest.raises(BudgetReached) as raised:
        grant(
            [counted(DAY, "4.9")], Decimal("0.5"), Decimal(1), currency="USD", now=NOW
        )

    assert datetime(2026, 11, 23, tzinfo=UTC) == raised.value.until
    assert (
        "The budget of 5 USD for the day leaves 0.1, and this job is predicted to cost "
        "0.5: it waits until 2026-11-23 00:00 UTC."
    ) == raised.value.message


def test_what_others_hold_is_looked_at_again_soon() -> None:
    """They may not need it."""
    with pytest.raises(BudgetReached) as raised:
        grant(
            [counted(DAY, "1", "3.9")],
            Decimal("0.5"),
            Decimal(1),
            currency="USD",
            now=NOW,
        )

    assert NOW.replace(minute=31) == raised.value.until


@pytest.mark.parametrize(
    ("it", "predicted"), [(counted(TAG, "0.9"), "0.2"), (counted(DAY, "0"), "5.01")]
)
def test_what_no_day_brings_back_is_not_waited_for(it: Counted, predicted: str) -> None:
    """A tag's budget is for ever, and no day is large enough for some jobs."""
    with pytest.raises(BudgetReached, match="raise it in TRANSCODE_BUDGETS") as raised:
        grant([it], Decimal(predicted), Decimal(9), currency="USD", now=NOW)

    assert raised.value.until is None


def test_a_tags_budget_holds_whoever_carries_it() -> None:
    """Key and value, and nobody else."""
    assert TAG.holds({"customer": "a:b=c", "x": "y"})
    assert not TAG.holds({"customer": "b"})
    assert DAY.holds({})
