"""Budgets over many jobs: of a day, and of whatever carries a tag. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ..contract.value import decimal_amount
from ..errors import BudgetReached, SettingsError

_TAG = r"[A-Za-z0-9_.:/@+-]{1,64}"
_CAP = re.compile(rf"(day|tag:(?P<key>{_TAG})=(?P<value>{_TAG})):(?P<amount>[0-9.]+)")
_WRITE = "write day:5.00, or tag:customer=42:1.00, separated by spaces"
_ROOM = 3
"""Times its prediction is what a job sets aside, and a minute: enough for a failed
attempt and a larger spec, or for a machine that is busy. Less where less is left."""
_ROOM_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that may be spent on a day, or ever on what carries a tag."""

    amount: Decimal
    """In the currency of the job; others are not counted against it."""
    tag: tuple[str, str] | None = None
    """None: a day's, from midnight to midnight UTC."""

    @property
    def name(self) -> str:
        return "day" if self.tag is None else f"tag {self.tag[0]}={self.tag[1]}"

    def holds(self, tags: Mapping[str, str]) -> bool:
        """Whether it limits a job with these tags."""
        return self.tag is None or tags.get(self.tag[0]) == self.tag[1]


@dataclass(frozen=True, slots=True)
class Counted:
    """A cap, and what has been taken from it."""

    cap: Cap
    spent: Decimal
    reserved: Decimal
    """By jobs that run now."""

    @property
    def left(self) -> Decimal:
        return self.cap.amount - self.spent - self.reserved


def parse_caps(text: str) -> tuple[Cap, ...]:
    """`day:5.00 tag:customer=42:1.00`; raises `SettingsError` that names the part."""
    caps = []
    for part in text.split():
        found = _CAP.fullmatch(part)
        try:
            amount = decimal_amount(found["amount"]) if found else None
        except ValueError:
            amount = None
        if found is None or amount is None:
            raise SettingsError(
                f"TRANSCODE_BUDGETS: {part!r} is no budget; {_WRITE}.",
                setting="TRANSCODE_BUDGETS",
            )
        tag = (found["key"], found["value"]) if found["key"] else None
        caps.append(Cap(amount, tag))
    return tuple(caps)


def wish(predicted: Decimal, wall_seconds: float) -> Decimal:
    """What a job is to set aside that is predicted to cost and to take so much."""
    minute = _ROOM_SECONDS / max(wall_seconds, 0.1)
    return predicted * Decimal(round(_ROOM + minute, 3))


def grant(
    counted: list[Counted],
    predicted: Decimal,
    wanted: Decimal,
    *,
    currency: str,
    now: datetime,
) -> Decimal:
    """
    What a job may spend now that is predicted to cost *predicted*: *wanted* at most.

    Raises `BudgetReached` where a cap leaves less than that, with the time when
    trying again makes sense, or none where only a larger budget helps.
    """
    tightest = min(counted, key=lambda it: it.left)
    if tightest.left < predicted:
        raise _reached(tightest, predicted, currency=currency, now=now)
    return min(wanted, tightest.left)


def _reached(
    it: Counted, predicted: Decimal, *, currency: str, now: datetime
) -> BudgetReached:
    until: datetime | None = None
    what = "raise it in TRANSCODE_BUDGETS, then `transcode retry` the job"
    if it.left + it.reserved >= predicted:
        until = now + timedelta(minutes=1)
        what = "jobs that run now hold the rest, so it is looked at again in a minute"
    elif it.cap.tag is None and predicted <= it.cap.amount:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        until = midnight + timedelta(days=1)
        what = f"it waits until {until:%Y-%m-%d %H:%M} UTC"
    return BudgetReached(
        f"The budget of {it.cap.amount:f} {currency} for the {it.cap.name} leaves "
        f"{max(it.left, Decimal(0)):f}, and this job is predicted to cost "
        f"{predicted:f}: {what}.",
        budget=it.cap.name,
        left=f"{it.left:f}",
        predicted=f"{predicted:f}",
        until=None if until is None else until.isoformat(),
    )
