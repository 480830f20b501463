"""Who remembers the attempts of a job, and what is written of each."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from ..contract import Attempt, Plan, Task


class Journal(Protocol):
    """Remembers a job beyond this process."""

    @property
    def token(self) -> str:
        """Names this try at the job: two tries never write the same object."""

    @property
    def earlier(self) -> Mapping[str, Sequence[Attempt]]:
        """Attempts of tries before this one, by task."""

    async def allow(self, plan: Plan) -> Plan:
        """The plan with what may be spent on it; raises `BudgetReached`."""

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        """Before an attempt, as its provisional attempt, and after it."""

    async def commit(self) -> None:
        """Before the result becomes visible; raises `LeaseLost` where it must not."""


class NullJournal:
    """Where whoever asked waits for the answer: nobody takes over from us."""

    earlier: Mapping[str, Sequence[Attempt]] = MappingProxyType({})

    def __init__(self) -> None:
        self.token = f"run-{secrets.token_hex(4)}"

    async def allow(self, plan: Plan) -> Plan:
        """Whoever waits for the answer has said what it may cost."""
        return plan

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        """Say nothing."""

    async def commit(self) -> None:
        """Nobody decides in our stead."""
