"""
Records → totals by whatever they are grouped by, one for each currency.

Two currencies are never added. Sums are exact: they come out the same in any grouping
and in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from ..contract.status import OutcomeKind
from ..contract.value import EXACT

if TYPE_CHECKING:
    from ..contract import Usage
    from ..contract.job import LedgerRecord

NO_TAG = "(none)"
"""The group of what does not have the tag."""

GroupOf = Callable[["LedgerRecord"], str]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Total:
    """What one group's attempts cost in one currency."""

    group: str
    currency: str
    attempts: int
    cost: Decimal
    failed: int = 0
    failed_cost: Decimal = ZERO
    """Part of `cost`: attempts that did not succeed are paid for too."""
    billed_milliseconds: int = 0
    compared: int = 0
    """Attempts that succeeded and had a price predicted for them."""
    predicted: Decimal = ZERO
    """Of those that are compared."""
    actual: Decimal = ZERO
    """What those that are compared did cost."""

    @property
    def failed_share(self) -> float:
        return float(self.failed_cost / self.cost) if self.cost else 0.0

    @property
    def deviation(self) -> float | None:
        """Actual over predicted, less one; None where nothing was predicted."""
        return float(self.actual / self.predicted) - 1 if self.predicted else None


def total_of(record: LedgerRecord, group: str = "") -> Total:
    """One record as a total of its own."""
    attempt, predicted = record.attempt, record.predicted_cost
    cost, currency = attempt.cost.amount, attempt.cost.currency
    succeeded = attempt.outcome is OutcomeKind.SUCCEEDED
    compared = succeeded and predicted is not None and predicted.currency == currency
    return Total(
        group=group,
        currency=currency,
        attempts=1,
        cost=cost,
        failed=0 if succeeded else 1,
        failed_cost=ZERO if succeeded else cost,
        billed_milliseconds=billed(record) or 0,
        compared=1 if compared else 0,
        predicted=predicted.amount if compared and predicted else ZERO,
        actual=cost if compared else ZERO,
    )


def billed(record: LedgerRecord) -> int | None:
    """
    Milliseconds that were billed: what the platform says, else what we measured.

    An attempt of which nothing was heard again counts as predicted, as its cost does.
    """
    if record.platform_billed_milliseconds is not None:
        return record.platform_billed_milliseconds
    return used(record).billed_milliseconds


def used(record: LedgerRecord) -> Usage:
    """What was measured, or what was predicted where nothing was."""
    return record.attempt.measured or record.attempt.predicted


def fold(parts: Iterable[Total]) -> tuple[Total, ...]:
    """Those of the same group and currency added up; in the order of their names."""
    sums: dict[tuple[str, str], Total] = {}
    with localcontext(EXACT):
        for part in parts:
            key = part.group, part.currency
            known = sums.get(key)
            sums[key] = part if known is None else _add(known, part)
    return tuple(sums[key] for key in sorted(sums))


def _add(one: Total, two: Total) -> Total:
    return Total(
        group=one.group,
        currency=one.currency,
        attempts=one.attempts + two.attempts,
        cost=one.cost + two.cost,
        failed=one.failed + two.failed,
        failed_cost=one.failed_cost + two.failed_cost,
        billed_milliseconds=one.billed_milliseconds + two.billed_milliseconds,
        compared=one.compared + two.compared,
        predicted=one.predicted + two.predicted,
        actual=one.actual + two.actual,
    )


def totals(records: Iterable[LedgerRecord], group: GroupOf) -> tuple[Total, ...]:
    """What *records* cost, by *group*."""
    return fold(total_of(record, group(record)) for record in records)


def grand(parts: Iterable[Total]) -> tuple[Total, ...]:
    """Everything, one total for each currency."""
    return fold(replace(part, group="") for part in parts)


def by_day(record: LedgerRecord) -> str:
    return record.recorded_at.strftime("%Y-%m-%d")


def by_month(record: LedgerRecord) -> str:
    return record.recorded_at.strftime("%Y-%m")


def by_profile(record: LedgerRecord) -> str:
    return record.profile.name


def by_platform(record: LedgerRecord) -> str:
    return record.platform.name


def by_engine(record: LedgerRecord) -> str:
    return record.engine


def by_function(record: LedgerRecord) -> str:
    """As `function` names it."""
    return function(record.platform.name, record.kind, record.attempt.spec.memory_mib)


def by_tag(key: str) -> GroupOf:
    return lambda record: record.tags.get(key, NO_TAG)


def function(platform: str, kind: str, memory_mib: int) -> str:
    """What ran: `aws-lambda/encode/2048`, one function to each spec."""
    return f"{platform}/{kind}/{memory_mib}"
