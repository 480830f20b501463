"""
Re-fit of the model from tasks that ran: robust, cautious with few, checked on others.

    log(measured CPU / predicted) = platform + encoder and preset + rest

Both terms are medians over sources, taken one after the other until they stand (Tukey's
median polish), each drawn towards 0 as if `PRIOR` more sources had been predicted
exactly.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from ..contract import Media, Recipe, Spec, Usage
from ..errors import PlanError, UsageError
from ..media.margins import MEMORY_MARGIN
from .coefficients import (
    PRIOR,
    Accuracy,
    Coefficients,
    Experience,
    Learned,
    LearnedPlatform,
    task_key,
)
from .predict import NINETY_PERCENT, predict

ENOUGH = 20
"""Tasks under which nothing is fitted: a median of fewer is an anecdote."""
GROUP = 5
"""Tasks of one encoder and preset, or of one platform, that make a factor."""
ROUNDS = 4
FOLDS = 5
"""One source in so many is held out."""
MAD = 1.4826
"""Median absolute deviation to standard deviation, where errors are normal."""
LEAST_SPREAD = 0.04
NOISE = 0.01
"""Of a median error this much is chance, however many tasks it is of."""
UPPER = 0.95
"""Quantile of memory that its factor follows."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One task that succeeded, with what it took."""

    source: str
    day: date
    platform: str
    media: Media
    recipe: Recipe
    spec: Spec
    measured: Usage


@dataclass(frozen=True, slots=True)
class _Row:
    """Logarithms of measured over predicted, by the model without experience."""

    source: str
    key: str
    platform: str
    cpu: float
    wall: float
    memory: float | None


def learn(
    seen: Sequence[Observation], coefficients: Coefficients, *, origin: str, today: date
) -> Coefficients:
    """
    The coefficients with what these tasks teach in place of what was learned before.

    What is written is fitted to all of them; `before` and `after` are measured on
    sources that a fit to the others has not seen. Raises UsageError where there are
    fewer than `ENOUGH` that can be compared.
    """
    # A platform's factor stands in for the pace, and begins with it.
    bare = coefficients.model_copy(update={"learned": None})
    rows = [(one, row) for one in seen if (row := _row(one, bare)) is not None]
    if len(rows) < ENOUGH:
        raise UsageError(
            f"{origin} holds {len(rows)} tasks that succeeded with all that a fit "
            f"needs, and {ENOUGH} are needed: {ENOUGH - len(rows)} more.",
            records=len(rows),
            needed=ENOUGH,
        )
    held = [one for one, _ in rows if _is_held_out(one.source)]
    others = [(one, row) for one, row in rows if not _is_held_out(one.source)]
    before = after = None
    if held and others:
        trial = _fit(others, bare.pace, origin=origin, today=today)
        before = accuracy(held, coefficients)
        after = accuracy(held, bare.model_copy(update={"learned": trial}))
    found = _fit(rows, bare.pace, origin=origin, today=today)
    found = found.model_copy(update={"before": before, "after": after})
    return bare.model_copy(update={"learned": found})


def refuse_worse(learned: Experience) -> None:
    """
    Raise UsageError where files that the fit has not seen are told worse by it than by
    what was in use, beyond chance. What could not be compared, for want of files, is
    believed.
    """
    before, after = learned.before, learned.after
    if before is None or after is None:
        return
    # A median's own error; errors of predictions are spread about as wide as they are.
    chance = max(NOISE, before.wall_error / math.sqrt(after.records))
    said = []
    if after.wall_error > before.wall_error + chance:
        said.append(
            f"a median error of wall time of {after.wall_error:.0%} instead of "
            f"{before.wall_error:.0%}"
        )
    if after.memory_under > before.memory_under + max(1 - UPPER, 1 / after.records):
        said.append(
            f"more memory than was given in {after.memory_under:.0%} instead of "
            f"{before.memory_under:.0%}"
        )
    if said:
        raise UsageError(
            f"What {learned.records} tasks teach tells files that it has not seen "
            f"worse than what is in use: {' and '.join(said)} of {after.records} "
            "tasks. Nothing is written; take other days with --since and --until, or "
            "wait for more tasks.",
            records=learned.records,
            before=before.model_dump(mode="json"),
            after=after.model_dump(mode="json"),
        )


def accuracy(seen: Sequence[Observation], coefficients: Coefficients) -> Accuracy:
    """How well these coefficients predict these tasks."""
    walls, cpus, inside, under = [], [], 0, 0
    for one in seen:
        told = predict(
            one.media,
            one.recipe,
            spec=one.spec,
            coefficients=coefficients,
            platform=one.platform,
        )
        walls.append(abs(one.measured.wall_seconds / told.usage.wall_seconds - 1))
        cpus.append(abs(one.measured.cpu_seconds / told.usage.cpu_seconds - 1))
        inside += told.wall.low <= one.measured.wall_seconds <= told.wall.high
        peak = told.usage.peak_memory_bytes or math.inf
        under += (one.measured.peak_memory_bytes or 0) > peak * MEMORY_MARGIN
    return Accuracy(
        records=len(seen),
        wall_error=round(statistics.median(walls), 4),
        cpu_error=round(statistics.median(cpus), 4),
        inside=round(inside / len(seen), 4),
        memory_under=round(under / len(seen), 4),
    )


def _row(one: Observation, bare: Coefficients) -> _Row | None:
    try:
        told = predict(one.media, one.recipe, spec=one.spec, coefficients=bare).usage
    except PlanError:
        return None
    real = one.measured
    if min(real.cpu_seconds, real.wall_seconds) <= 0:
        return None
    peak = real.peak_memory_bytes and told.peak_memory_bytes
    return _Row(
        source=one.source,
        key=task_key(one.recipe),
        platform=one.platform,
        cpu=math.log(real.cpu_seconds / told.cpu_seconds),
        wall=math.log(real.wall_seconds / told.wall_seconds),
        memory=math.log(real.peak_memory_bytes / told.peak_memory_bytes)
        if peak and real.peak_memory_bytes and told.peak_memory_bytes
        else None,
    )


def _fit(
    rows: Sequence[tuple[Observation, _Row]], pace: float, *, origin: str, today: date
) -> Experience:
    only = [row for _, row in rows]
    keys, platforms = _several(r.key for r in only), _several(r.platform for r in only)
    by_key = dict.fromkeys(keys, 0.0)
    by_platform = dict.fromkeys(platforms, 0.0)
    for _ in range(ROUNDS):
        for name in platforms:
            by_platform[name] = _centre(
                (r.source, r.cpu - by_key.get(r.key, 0.0))
                for r in only
                if r.platform == name
            )
        for key in keys:
            by_key[key] = _centre(
                (r.source, r.cpu - by_platform.get(r.platform, 0.0))
                for r in only
                if r.key == key
            )
    walls = {
        name: _centre(
            (r.source, r.wall - by_key.get(r.key, 0.0) - by_platform[name])
            for r in only
            if r.platform == name
        )
        for name in platforms
    }

    def rest(row: _Row) -> float:
        where = by_platform.get(row.platform, 0.0) + walls.get(row.platform, 0.0)
        return row.wall - by_key.get(row.key, 0.0) - where

    days = [one.day for one, _ in rows]
    return Experience(
        as_of=today,
        origin=origin,
        records=len(rows),
        first=min(days),
        last=max(days),
        encode={
            key: _learned([r for r in only if r.key == key], by_key[key], rest)
            for key in keys
        },
        platform={
            name: LearnedPlatform(
                records=sum(r.platform == name for r in only),
                cpu=round(math.exp(by_platform[name]) * pace, 4),
                wall=round(math.exp(walls[name]), 4),
            )
            for name in platforms
        },
    )


def _learned(
    rows: Sequence[_Row], cpu: float, rest: Callable[[_Row], float]
) -> Learned:
    peaks = sorted(row.memory for row in rows if row.memory is not None)
    memory = 0.0
    if len(peaks) >= GROUP:
        upper = peaks[min(math.ceil(UPPER * len(peaks)), len(peaks)) - 1]
        memory = upper * len(peaks) / (len(peaks) + PRIOR)
    return Learned(
        records=len(rows),
        sources=len({row.source for row in rows}),
        cpu=round(math.exp(cpu), 4),
        memory=round(math.exp(memory), 4),
        spread=round(_spread([rest(row) for row in rows]), 4),
    )


def _spread(rest: Sequence[float]) -> float:
    """
    Wide enough for nine in ten of these, and as wide as the middle half says.

    The interval is around the fitted value, so what is left of a shift counts too.
    """
    far = sorted(abs(it) for it in rest)
    # One more than nine tenths of them: the largest of few is not rare enough.
    ninth = far[min(math.ceil(0.9 * (len(far) + 1)), len(far)) - 1]
    middle = statistics.median(rest)
    mad = statistics.median(abs(it - middle) for it in rest) * MAD
    return max(ninth / NINETY_PERCENT, mad, LEAST_SPREAD)


def _centre(values: Iterable[tuple[str, float]]) -> float:
    """
    The median over sources, drawn towards 0 where these are few.

    A source is off by the same in each of its tasks: twenty of one are one witness.
    """
    by_source: dict[str, list[float]] = defaultdict(list)
    for source, value in values:
        by_source[source].append(value)
    found = [statistics.median(it) for it in by_source.values()]
    return statistics.median(found) * len(found) / (len(found) + PRIOR)


def _several(names: Iterable[str]) -> list[str]:
    """Those that occur often enough."""
    counts: dict[str, int] = defaultdict(int)
    for name in names:
        counts[name] += 1
    return sorted(name for name, count in counts.items() if count >= GROUP)


def _is_held_out(source: str) -> bool:
    """By the source: results of one file say little about how well it is told."""
    return hashlib.sha256(source.encode()).digest()[0] % FOLDS == 0
