"""What runs attempts: one protocol, whatever the machine behind it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from ..contract import Attempt, Produced, Spec, WorkOrder
from .observer import AttemptObserver

__all__ = ["Engine", "Refusing"]


class Engine(Protocol):
    """Where attempts run."""

    @property
    def shares_scratch(self) -> bool:
        """Whether every attempt finds the temporary files of the one before."""

    async def prewarm(self) -> None:
        """Whatever makes the first attempt start sooner."""

    def guard(self, path: Path) -> AbstractContextManager[None]:
        """Have `path` removed should this process be killed in the block."""

    def fits(self, spec: Spec) -> bool:
        """Whether `spec` can run here at all."""

    async def attempt(
        self, order: WorkOrder, *, observer: AttemptObserver
    ) -> tuple[Attempt, Produced | None]:
        """
        Do a task once; failures are outcomes. The report is there where the worker
        lived to give one; what it names lies at the order's place if and only if the
        attempt succeeded. It is stopped before it costs more than its `spend_limit`.
        """


@runtime_checkable
class Refusing(Protocol):
    """What can say why a spec does not fit, where more is to be said than its size."""

    def misfit(self, spec: Spec) -> str | None:
        """A sentence that names what is missing where; None without one."""
