"""Who remembers the attempts of a job, and what is written of each."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ..contract import Attempt, KeptWork, Plan, Task, TaskResult

if TYPE_CHECKING:
    from .takeover import Resumed


class Journal(Protocol):
    """Remembers a job beyond this process."""

    @property
    def token(self) -> str:
        """Names this try at the job: two tries never write the same object."""

    @property
    def earlier(self) -> Mapping[str, Sequence[Attempt]]:
        """Attempts of tries before this one, by task."""

    @property
    def outlives(self) -> bool:
        """Whether somebody may go on after us with what we have finished."""

    async def resume(self, *, in_place: bool) -> Resumed | None:
        """What tries before us have left to go on with; see `takeover`."""

    def others(self, plan: Plan) -> tuple[TaskResult, ...]:
        """Of tries before us, what is no task of *plan*: the receipt has it all."""

    async def planned(self, plan: Plan, kept: Mapping[str, KeptWork]) -> None:
        """Before the first attempt: what whoever goes on after us keeps to."""

    async def is_over(self) -> bool:
        """
        Whether nobody goes on with the job, so that what we have made can go; False
        where that is not known.
        """

    async def allow(self, plan: Plan) -> Plan:
        """The plan with what may be spent on it; raises `BudgetReached`."""

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        """Before an attempt, as its provisional attempt, and after it."""

    async def commit(self) -> None:
        """Before the result becomes visible; raises `LeaseLost` where it must not."""


class NullJournal:
    """Where whoever asked waits for the answer: nobody takes over from us."""

    earlier: Mapping[str, Sequence[Attempt]] = MappingProxyType({})

    outlives = False

    def __init__(self) -> None:
        self.token = f"run-{secrets.token_hex(4)}"

    async def resume(self, *, in_place: bool) -> Resumed | None:  # noqa: ARG002
        """Nobody was here before."""
        return None

    def others(self, plan: Plan) -> tuple[TaskResult, ...]:  # noqa: ARG002
        """Nobody was here before."""
        return ()

    async def planned(self, plan: Plan, kept: Mapping[str, KeptWork]) -> None:
        """Say nothing."""

    async def is_over(self) -> bool:
        """Once we are."""
        return True

    async def allow(self, plan: Plan) -> Plan:
        """Whoever waits for the answer has said what it may cost."""
        return plan

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        """Say nothing."""

    async def commit(self) -> None:
        """Nobody decides in our stead."""
