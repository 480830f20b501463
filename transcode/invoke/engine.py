"""What runs attempts: one protocol, whatever the machine behind it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ..contract import Attempt, Produced, Spec, Task
from .observer import AttemptObserver

__all__ = ["Engine"]


class Engine(Protocol):
    """Where attempts run."""

    async def prewarm(self) -> None:
        """Whatever makes the first attempt start sooner."""

    def guard(self, path: Path) -> AbstractContextManager[None]:
        """Have `path` removed should this process be killed in the block."""

    def fits(self, spec: Spec) -> bool:
        """Whether `spec` can run here at all."""

    async def attempt(
        self, task: Task, *, number: int, staging: Path, observer: AttemptObserver
    ) -> tuple[Attempt, Produced | None]:
        """
        Do `task` once; failures are outcomes. The report is there where the worker
        lived to give one. It is stopped before it costs more than its `spend_limit`.
        """
