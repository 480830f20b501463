"""What the budget still holds: spent, reserved and promised money is gone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ..contract import Money


class TaskBudget:
    """
    Divides a budget between the attempts of a job, so that together they keep to it.

    Each task is promised what it is predicted to cost. An attempt reserves that and
    its share of what nobody was promised: the most that it may spend. Reservations
    and what was spent never exceed the budget.
    """

    def __init__(
        self, budget: Money | None, promised: Mapping[str, Decimal] | None = None
    ) -> None:
        self._budget = budget
        self._promised = dict(promised or {})
        self._reserved: dict[str, Decimal] = {}
        self._spent = Decimal(0)

    def spend(self, amount: Decimal) -> None:
        """Something was paid for that had no reservation."""
        self._spent += amount

    def reserve(self, task_id: str, predicted: Decimal) -> Money | None:
        """
        What the next attempt of a task may cost at most; None where nothing limits it.
        """
        if self._budget is None:
            return None
        self._promised[task_id] = predicted
        promised = sum(self._promised.values(), Decimal(0))
        free = self._free()
        # Of less than was promised everybody gets the same part.
        part = free * predicted / promised if promised else free
        del self._promised[task_id]
        self._reserved[task_id] = max(part, Decimal(0))
        return self._money(self._reserved[task_id])

    def hold(self, task_id: str, amount: Decimal) -> None:
        """An attempt is under way that may cost so much."""
        self._reserved[task_id] = amount

    def settle(self, task_id: str, amount: Decimal) -> None:
        """An attempt is over and has cost *amount*: its reservation is free again."""
        self._reserved.pop(task_id, None)
        self._spent += amount

    def left(self) -> Money | None:
        """What is neither spent, reserved nor promised; None without a budget."""
        if self._budget is None:
            return None
        return self._money(self._free() - sum(self._promised.values(), Decimal(0)))

    def unspent(self) -> Money | None:
        """What is neither spent nor reserved, whatever was promised."""
        return None if self._budget is None else self._money(self._free())

    def _free(self) -> Decimal:
        budget = self._budget.amount if self._budget else Decimal(0)
        return budget - self._spent - sum(self._reserved.values(), Decimal(0))

    def _money(self, amount: Decimal) -> Money:
        currency = self._budget.currency if self._budget else ""
        return Money(amount=amount, currency=currency)
