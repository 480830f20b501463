"""Whether predictions still hold: measured beside predicted, over the last tasks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from ..contract import OutcomeKind
from ..contract.job import LedgerRecord

LAST = 50
"""Tasks that are looked at."""
FEWEST = 10
OUTSIDE = 0.1
"""Of wall times, what is outside its interval where the model is right."""
CHANCE = 0.01
"""So rarely a model that is right is called wrong."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Of the last tasks that succeeded and had an interval predicted."""

    tasks: int
    outside: int
    """Of them, whose wall time was outside the interval of nine in ten."""
    ratio: float
    """Median of measured over predicted wall time."""

    @property
    def share(self) -> float:
        return self.outside / self.tasks

    @property
    def is_drift(self) -> bool:
        """More are outside than chance explains."""
        return self.tasks >= FEWEST and _tail(self.tasks, self.outside) < CHANCE

    @property
    def sentence(self) -> str:
        return (
            f"{self.outside} of the last {self.tasks} tasks took longer or shorter "
            "than predicted for nine in ten (the median took "
            f"{self.ratio:.2f} times as long as predicted)"
        )


def drift(records: Iterable[LedgerRecord]) -> Drift | None:
    """What *records*, the last ones, say; None where none can be compared."""
    outside, ratios = 0, []
    for record in records:
        measured = record.attempt.measured
        interval = record.attempt.predicted_wall or record.predicted_wall
        predicted = record.attempt.predicted.wall_seconds
        succeeded = record.attempt.outcome is OutcomeKind.SUCCEEDED
        if not succeeded or measured is None or interval is None or predicted <= 0:
            continue
        wall = measured.wall_seconds
        outside += not interval.low <= wall <= interval.high
        ratios.append(wall / predicted)
    if not ratios:
        return None
    return Drift(len(ratios), outside, statistics.median(ratios))


def _tail(tasks: int, outside: int) -> float:
    """How likely that many or more are outside, each with `OUTSIDE`."""
    return sum(
        math.comb(tasks, n) * OUTSIDE**n * (1 - OUTSIDE) ** (tasks - n)
        for n in range(outside, tasks + 1)
    )
