"""What became worse since an earlier report, beyond what chance explains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from ..contract import Value
from ..errors import UsageError
from .report import BenchReport, Figure

LEAST_CHANGE = 0.03
"""Smaller ones are not told: the same code differs by as much from hour to hour."""
# Student's t at 0.999, one side, by degrees of freedom (any statistical table): one
# figure in a thousand is called worse by chance, and a report has dozens.
_T = {
    1: 318.3,
    2: 22.33,
    3: 10.21,
    4: 7.173,
    5: 5.893,
    6: 5.208,
    7: 4.785,
    8: 4.501,
    9: 4.297,
    10: 4.144,
    12: 3.930,
    15: 3.733,
    20: 3.552,
    30: 3.385,
    60: 3.232,
}

Verdict = Literal["worse", "better", "same", "unknown"]


class Change(Value):
    """One figure, then and now."""

    now: Figure
    before: Figure
    change: float | None
    """Of the median, as a share of the earlier one; None where one is missing or 0."""
    verdict: Verdict
    reason: str | None = None
    """Why the verdict is unknown."""


def refuse_others(report: BenchReport, earlier: BenchReport) -> None:
    """Raise `UsageError` where the two do not answer the same question."""
    for what, now, before in (
        ("bench", report.bench, earlier.bench),
        ("processor", report.machine.processor, earlier.machine.processor),
        ("cores", report.machine.cores, earlier.machine.cores),
        *(
            (name, report.asked.get(name), earlier.asked.get(name))
            for name in sorted({*report.asked, *earlier.asked})
        ),
    ):
        if now != before:
            raise UsageError(
                f"--against is of another measurement: {what} is {before} there and "
                f"{now} here."
            )


def compare(report: BenchReport, earlier: BenchReport) -> tuple[Change, ...]:
    """
    Every figure that both have and that has a good side, the worst first.

    Worse is what moved to its bad side by more than `LEAST_CHANGE` and by more than
    Welch's t-test allows at one in a thousand. One repeat on either side has no spread,
    and no verdict.
    """
    old = {it.key: it for it in earlier.figures}
    found = [
        _difference(it, old[it.key])
        for it in report.figures
        if it.better is not None and it.key in old
    ]
    order = {"worse": 0, "unknown": 1, "better": 2, "same": 3}
    return tuple(sorted(found, key=lambda it: order[it.verdict]))


def _difference(now: Figure, before: Figure) -> Change:
    def told(verdict: Verdict, reason: str | None = None) -> Change:
        return Change(
            now=now, before=before, change=change, verdict=verdict, reason=reason
        )

    change = _change(now, before)
    if not before.values:
        return told("unknown", f"not measured then: {before.reason}")
    if not now.values:
        return told("unknown", f"not measured now: {now.reason}")
    if change is None:
        return told("unknown", "it was 0 then")
    if len(now.values) < 2 or len(before.values) < 2:  # noqa: PLR2004 - a spread's least
        return told("unknown", "one repeat has no spread")
    if abs(change) <= LEAST_CHANGE or not _beyond_noise(now.values, before.values):
        return told("same")
    return told("worse" if (change > 0) is (now.better == "less") else "better")


def _change(now: Figure, before: Figure) -> float | None:
    if now.median is None or not before.median:
        return None
    return (now.median - before.median) / abs(before.median)


def _beyond_noise(now: Sequence[float], before: Sequence[float]) -> bool:
    """Welch 1947: the means' distance in standard errors, beside Student's t."""
    shares = [statistics.variance(it) / len(it) for it in (now, before)]
    error = math.sqrt(sum(shares))
    distance = abs(statistics.fmean(now) - statistics.fmean(before))
    if error == 0:
        return distance > 0
    freedom = sum(shares) ** 2 / sum(
        share**2 / (len(it) - 1)
        for share, it in zip(shares, (now, before), strict=True)
    )
    return distance / error > _T[max(n for n in _T if n <= max(1, freedom))]
