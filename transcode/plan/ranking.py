"""Platforms and services beside each other: what a minute of the source costs there."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Literal

from ..contract import Money, Plan, RankedPrice
from ..contract.value import EXACT
from ..media.timeline import made
from .coefficients import Coefficients

_MINUTE = 60
_FINEST = Decimal("1e-12")
"""A quotient ends somewhere; no list price has as many digits."""


def ranked(
    plan: Plan, rates: Mapping[str, Decimal], coefficients: Coefficients
) -> tuple[RankedPrice, ...]:
    """
    The plan, the same elsewhere and at services, cheapest first; what cannot be
    compared, for want of a rate, stands at the end.

    *rates*: currency → what one of it is worth in the plan's. Nothing where the length
    of the source is not known.
    """
    if not plan.tasks:
        return ()
    lasts = made(plan.media, plan.tasks[0].task.recipe).duration_seconds
    if not lasts:
        return ()
    experience = coefficients.learned
    learned = experience.platform if experience is not None else {}
    own = plan.predicted_cost.currency

    def each(cost: Money) -> Money:
        with localcontext(EXACT):
            amount = cost.amount * _MINUTE / Decimal(str(lasts))
            amount = amount.quantize(_FINEST)
        return Money(amount=amount, currency=cost.currency)

    def compared(value: Money) -> Money | None:
        if value.currency == own:
            return value
        rate = rates.get(value.currency)
        if rate is None:
            return None
        with localcontext(EXACT):
            return Money(amount=(value.amount * rate).quantize(_FINEST), currency=own)

    def platform(
        name: str, kind: Literal["chosen", "platform"], wall: float | None, cost: Money
    ) -> RankedPrice:
        minute, known = each(cost), learned.get(name)
        return RankedPrice(
            name=name,
            kind=kind,
            wall_seconds=wall,
            per_minute=minute,
            compared=compared(minute),
            cpu=coefficients.pace if known is None else known.cpu,
            learned_from=0 if known is None else known.records,
        )

    chosen = (plan.platform.name, plan.predicted.wall_seconds, plan.predicted_cost)
    found = [
        platform(chosen[0], "chosen", *chosen[1:]),
        *(
            platform(it.platform, "platform", it.wall_seconds, it.cost)
            for it in plan.elsewhere
            if it.cost is not None
        ),
        *(
            RankedPrice(
                name=it.service,
                kind="service",
                wall_seconds=None,
                per_minute=it.per_minute,
                compared=compared(it.per_minute),
                cpu=None,
            )
            for it in plan.services
            if it.per_minute is not None
        ),
    ]
    return tuple(
        sorted(
            found,
            key=lambda it: (
                it.compared is None,
                it.per_minute.currency if it.compared is None else "",
                (it.compared or it.per_minute).amount,
                it.name,
            ),
        )
    )
