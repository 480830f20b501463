"""What an engine and its worker process say to each other, one JSON line each."""

from __future__ import annotations

from ..contract import Produced, Progress, Task, Value
from ..settings import Settings

FORKS = "--forks"
"""To a worker: fork others, asked over this descriptor. See `worker.fork_on_demand`."""


class StagedOrder(Value):
    """Engine → worker, on stdin, once: what to do and where."""

    task: Task
    staging: str
    """Absolute folder for finished files."""
    scratch: str
    """Absolute, private folder for everything temporary."""
    settings: Settings
    """As `Settings.for_workers` gives them."""


class Report(Value):
    """Worker → engine, on stdout: any number with `progress`, one with `produced`."""

    progress: Progress | None = None
    produced: Produced | None = None
