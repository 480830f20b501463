"""The report that every bench gives: figures with their spread, and what has none."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from ..contract import Value

Better = Literal["more", "less"] | None
"""Which way is good; None: it is neither, and no regression."""


class Figure(Value):
    """
    One thing that was measured, once for each repeat, in *unit*.

    A statistic, also of money: bills are in the manifests, exact.
    """

    name: str
    """What, in words that are a key: `jobs_per_hour`."""
    unit: str
    """`jobs/h`, `s`, `USD/min`; empty for a ratio."""
    better: Better = None
    of: Mapping[str, str] = Field(default_factory=dict)
    """Of what: `{"profile": "mp4", "side by side": "2"}`; a row of the table."""
    values: tuple[float, ...] = ()
    reason: str | None = None
    """Why there is no value."""

    @model_validator(mode="after")
    def _known_or_said(self) -> Self:
        if bool(self.values) == bool(self.reason):
            msg = f"{self.name} has values, or the reason why it has none"
            raise ValueError(msg)
        return self

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What makes it the same figure in another report."""
        return self.name, tuple(sorted(self.of.items()))

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def low(self) -> float | None:
        return min(self.values, default=None)

    @property
    def high(self) -> float | None:
        return max(self.values, default=None)


class Curve(Value):
    """Points that belong together in one plot."""

    name: str
    """Of the plot; curves of one name stand in one."""
    label: str
    x: str
    """What the axis says, with its unit."""
    y: str
    points: tuple[tuple[float, float], ...]


class MachineFacts(Value):
    """On what it was measured; figures of two machines are not compared."""

    processor: str | None
    """As the kernel names it; None where it does not."""
    cores: float
    """That we may use: affinity and quotas are counted."""
    memory_mib: int
    load_before: float | None = None
    """Average of the minute before, of all that runs here; None: not known."""
    load_after: float | None = None
    python: str
    ffmpeg: str | None = None
    """Its version; None where it was not asked."""


class BenchReport(Value):
    """What one bench found."""

    schema_: Literal["transcode/bench/1"] = Field("transcode/bench/1", alias="schema")
    bench: str
    version: str
    """Of transcode."""
    began_at: str
    """UTC, ISO 8601."""
    seconds: float
    """That measuring took."""
    machine: MachineFacts
    asked: Mapping[str, str] = Field(default_factory=dict)
    """Option → value; figures of two questions are not compared."""
    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader has to know besides."""

    @property
    def unmeasured(self) -> tuple[Figure, ...]:
        """Figures without a value."""
        return tuple(it for it in self.figures if not it.values)


class Found(Value):
    """What a bench hands back; who and where is added around it."""

    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()


def tables(
    figures: Sequence[Figure],
) -> list[tuple[tuple[str, ...], list[str], list[list[Figure | None]]]]:
    """
    Figures as tables: those of the same kind of thing stand in one.

    Each is (keys of `of`, names of the columns, rows); a row has the figures of one
    thing in the order of the columns, None where there is none.
    """
    kinds: dict[tuple[str, ...], list[Figure]] = {}
    for it in figures:
        kinds.setdefault(tuple(it.of), []).append(it)
    found = []
    for keys, several in kinds.items():
        names = list(dict.fromkeys(it.name for it in several))
        rows: dict[tuple[str, ...], dict[str, Figure]] = {}
        for it in several:
            rows.setdefault(tuple(it.of.values()), {})[it.name] = it
        found.append(
            (keys, names, [[row.get(name) for name in names] for row in rows.values()])
        )
    return found
