"""What a bench found, as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ...bench.against import Change
from ...bench.page import cell, number, where
from ...bench.report import BenchReport, Figure, tables
from ...units import plural, printable
from .costs import aligned


def bench_text(report: BenchReport, differences: Sequence[Change] | None) -> str:
    """The tables, what was not measured, and what is worse than it was."""
    parts = [where(report)]
    for keys, names, rows in tables(report.figures):
        measured = [row for row in rows if any(it and it.values for it in row)]
        if measured:
            parts.append(_table(keys, names, measured))
    if report.unmeasured:
        lines = [f"  {_named(it)}: {it.reason}" for it in report.unmeasured]
        parts.append("\n".join(["Not measured", *lines]))
    parts += report.notes
    if differences is not None:
        parts.append(_against(differences))
    return printable("\n\n".join(parts))


def _table(
    keys: Sequence[str], names: Sequence[str], rows: Sequence[Sequence[Figure | None]]
) -> str:
    head = [*keys]
    for n, name in enumerate(names):
        unit = next((it.unit for row in rows if (it := row[n])), "")
        head.append(name.replace("_", " ") + (f", {unit}" if unit else ""))
    lines = []
    for row in rows:
        line = [*next(it for it in row if it).of.values()]
        line += [_cell(it) for it in row]
        lines.append(line)
    return aligned(lines, head=head, left=len(keys))


def _cell(it: Figure | None) -> str:
    middle, spread = cell(it)
    return f"{middle} [{spread}]" if spread else middle


def _named(it: Figure) -> str:
    return ", ".join((it.name.replace("_", " "), *filter(None, it.of.values())))


def _against(differences: Sequence[Change]) -> str:
    if not differences:
        return "Nothing here was in the earlier report."
    told = [it for it in differences if it.verdict != "same"]
    rows = [
        (
            it.verdict,
            _named(it.now),
            f"{number(it.before.median)} → {number(it.now.median)} {it.now.unit}",
            "" if it.change is None else f"{it.change:+.1%}",
            it.reason or "",
        )
        for it in told
    ]
    worse = sum(it.verdict == "worse" for it in differences)
    same = len(differences) - len(told)
    last = (
        f"{plural(worse, 'figure')} worse than it was, beyond chance."
        if worse
        else "Nothing is worse than it was, beyond chance."
    )
    lines = [aligned(rows, head=("", "since then", "", "", ""), left=3)] if rows else []
    if same:
        lines.append(f"{plural(same, 'figure')} as before.")
    return "\n".join([*lines, last])
