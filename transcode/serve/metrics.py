"""Every Prometheus series, declared once, and what adds to which."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..contract import Attempt, Manifest, Usage
from ..contract.job import Delivery
from ..hooks import AlreadyDone, AttemptEnded, Event, Overdue, Published

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Kind = Literal["counter", "gauge", "histogram"]

_RATIOS = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)
"""Around 1, where the prediction was right; 1.25 is the margin of memory."""
_VALUES_PER_SERIES = 200
"""Combinations of labels; what would be one more is counted under `other`."""


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Something to add (counter), to set (gauge) or to observe (histogram)."""

    series: Series
    value: float
    labels: tuple[str, ...] = ()


JOBS = Series("transcode_jobs_total", "counter", "Jobs that ended.", ("status",))
QUEUE = Series(
    "transcode_queue_jobs", "gauge", "Jobs that have not ended, by state.", ("status",)
)
TAKEOVERS = Series(
    "transcode_lease_takeovers_total",
    "counter",
    "Jobs taken over from a worker whose lease had run out.",
)
ATTEMPTS = Series(
    "transcode_attempts_total",
    "counter",
    "Attempts that ended, also those that failed.",
    ("outcome", "platform"),
)
OVERDUE = Series(
    "transcode_overdue_total",
    "counter",
    "Attempts that ran past the upper end of their predicted interval.",
    ("platform",),
)
COST = Series(
    "transcode_cost_total",
    "counter",
    "What attempts cost at list price; the exact bill is in manifests and ledger.",
    ("currency", "platform"),
)
CPU = Series(
    "transcode_cpu_seconds_total", "counter", "CPU time of attempts.", ("platform",)
)
READ = Series(
    "transcode_read_bytes_total", "counter", "Read by attempts.", ("platform",)
)
WRITTEN = Series(
    "transcode_written_bytes_total", "counter", "Written by attempts.", ("platform",)
)
WALL_RATIO = Series(
    "transcode_wall_ratio",
    "histogram",
    "Measured over predicted wall time of successful attempts.",
    ("platform",),
)
CPU_RATIO = Series(
    "transcode_cpu_ratio",
    "histogram",
    "Measured over predicted CPU time of successful attempts.",
    ("platform",),
)
MEMORY_RATIO = Series(
    "transcode_memory_ratio",
    "histogram",
    "Measured over predicted peak memory of successful attempts.",
    ("platform",),
)
OUTSIDE = Series(
    "transcode_outside_interval_total",
    "counter",
    "Successful attempts whose wall time was outside of its nine-in-ten interval.",
    ("platform",),
)
TOLD = Series(
    "transcode_told_total",
    "counter",
    "Rounds of telling a destination: told, down or refused.",
    ("kind", "outcome"),
)

SERIES = (
    *(JOBS, QUEUE, TAKEOVERS, ATTEMPTS, OVERDUE, COST, CPU, READ, WRITTEN),
    *(WALL_RATIO, CPU_RATIO, MEMORY_RATIO, OUTSIDE, TOLD),
)

_DESTINATIONS = (
    ("webhook", re.compile(r"https?:")),
    ("folder", re.compile(r"(file|s3):")),
    ("sqs", re.compile(r"(sqs[:+]|arn:[^:]*:sqs:)")),
    ("sns", re.compile(r"arn:[^:]*:sns:")),
    ("lambda", re.compile(r"(lambda:|arn:[^:]*:lambda:)")),
    ("functiongraph", re.compile(r"(functiongraph\+|urn:fss:)")),
)


def of_event(event: Event, *, platform: str) -> Iterator[Sample]:
    """What a happening of a job that runs on *platform* adds."""
    match event:
        case AttemptEnded():
            yield from of_attempt(event.attempt, platform=platform)
        case Overdue():
            yield Sample(OVERDUE, 1, (platform,))
        case Published():
            yield from of_manifest(event.manifest)
        case AlreadyDone():
            return  # it was counted when it was made


def of_manifest(manifest: Manifest) -> Iterator[Sample]:
    yield Sample(JOBS, 1, (manifest.status,))


def of_attempt(attempt: Attempt, *, platform: str) -> Iterator[Sample]:
    yield Sample(ATTEMPTS, 1, (attempt.outcome, platform))
    yield Sample(COST, float(attempt.cost.amount), (attempt.cost.currency, platform))
    if attempt.measured is None:
        return
    yield Sample(CPU, attempt.measured.cpu_seconds, (platform,))
    for series, amount in (
        (READ, attempt.measured.read_bytes),
        (WRITTEN, attempt.measured.written_bytes),
    ):
        if amount is not None:
            yield Sample(series, amount, (platform,))
    # What was cut short says nothing about how good the prediction was.
    if attempt.outcome == "succeeded":
        yield from _ratios(attempt.predicted, attempt.measured, platform)
        told, wall = attempt.predicted_wall, attempt.measured.wall_seconds
        if told is not None and not told.low <= wall <= told.high:
            yield Sample(OUTSIDE, 1, (platform,))


def of_told(told: Delivery) -> Iterator[Sample]:
    """What became of one round with one destination."""
    kind = next((k for k, p in _DESTINATIONS if p.match(told.target)), "other")
    outcome = "told"
    if not told.ok:
        outcome = "down" if told.error and told.error.retryable else "refused"
    yield Sample(TOLD, 1, (kind, outcome))


def _ratios(predicted: Usage, measured: Usage, platform: str) -> Iterator[Sample]:
    for series, expected, actual in (
        (WALL_RATIO, predicted.wall_seconds, measured.wall_seconds),
        (CPU_RATIO, predicted.cpu_seconds, measured.cpu_seconds),
        (MEMORY_RATIO, predicted.peak_memory_bytes, measured.peak_memory_bytes),
    ):
        if expected and actual is not None:
            yield Sample(series, actual / expected, (platform,))


class Metrics:
    """One process's series, in a registry of their own."""

    def __init__(self) -> None:
        from prometheus_client import (  # noqa: PLC0415  only who exposes needs it
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
        )

        self._registry: CollectorRegistry = CollectorRegistry()
        self._seen: dict[Series, set[tuple[str, ...]]] = {s: set() for s in SERIES}
        self._collectors: Mapping[Series, Counter | Gauge | Histogram] = {
            series: (
                Histogram(
                    *(series.name, series.meaning, series.labels),
                    buckets=_RATIOS,
                    registry=self._registry,
                )
                if series.kind == "histogram"
                else (Counter if series.kind == "counter" else Gauge)(
                    *(series.name, series.meaning, series.labels),
                    registry=self._registry,
                )
            )
            for series in SERIES
        }

    def add(self, samples: Iterable[Sample]) -> None:
        """Take the samples in; values that are no numbers are left out."""
        for sample in samples:
            if math.isfinite(sample.value):
                self._take(sample)

    def text(self) -> bytes:
        """The text format, version 0.0.4: `text/plain; version=0.0.4`."""
        from prometheus_client import generate_latest  # noqa: PLC0415  see above

        return generate_latest(self._registry)

    def _take(self, sample: Sample) -> None:
        seen = self._seen[sample.series]
        labels = tuple(str(label) for label in sample.labels)
        if labels not in seen and len(seen) >= _VALUES_PER_SERIES:
            labels = ("other",) * len(labels)
        seen.add(labels)
        found = self._collectors[sample.series]
        child = found.labels(*labels) if labels else found
        match sample.series.kind:
            case "counter":
                child.inc(sample.value)  # type: ignore[union-attr]
            case "gauge":
                child.set(sample.value)  # type: ignore[union-attr]
            case "histogram":
                child.observe(sample.value)  # type: ignore[union-attr]
