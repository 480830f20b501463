"""The picture of a plan: cost against time of every spec, the chosen one marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...contract import Candidate, Money, Plan
from ...errors import DestinationUnwritable, UsageError
from ...media.margins import MEMORY_MARGIN
from ...plan.choose import MIB
from ...units import cpus, duration, money

CHOSEN, FRONTIER, OTHER, LIMIT = "#c2410c", "#1d4ed8", "#94a3b8", "#b91c1c"
ELSEWHERE = "#0f766e"
FORMATS = (".png", ".svg", ".pdf")
_LABELS = 6
"""Of specs on the frontier: more would lie over one another."""
_NEAR_TIME, _NEAR_PRICE = math.log(1.25), math.log(1.2)
"""Factors; a letter is as high as a fifth of a price where axes are decades."""


def frontier(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other beats in both time and cost, the fastest first."""
    best: list[Candidate] = []
    for it in sorted(
        candidates, key=lambda it: (it.predicted.wall_seconds, it.cost.amount)
    ):
        if not best or it.cost.amount < best[-1].cost.amount:
            best.append(it)
    return best


def draw(plan: Plan, file: Path) -> None:
    """
    Write the picture of *plan* to *file*, in the format that its ending names.

    Raises `UsageError` where matplotlib is not installed, the ending is another, or
    the plan has nothing to draw; `DestinationUnwritable`.
    """
    if file.suffix.lower() not in FORMATS:
        raise UsageError(
            f"--plot {str(file)!r} names no picture; let it end in "
            f"{', '.join(FORMATS)}.",
            file=str(file),
        )
    if not plan.tasks:
        raise UsageError("There is nothing to draw: the result is there already.")
    figure = drawn(plan)
    try:
        figure.savefig(file)
    except OSError as exc:
        raise DestinationUnwritable(
            f"{str(file)!r} cannot be written: {exc.strerror}.", path=str(file)
        ) from exc


def drawn(plan: Plan) -> Any:
    """The picture, as a figure of matplotlib. Raises `UsageError` where that is not."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  an extra, and slow
    except ImportError as exc:
        raise UsageError(
            "--plot draws with matplotlib, which is not installed: "
            "pip install 'matplotlib>=3.9'."
        ) from exc
    figure = Figure(figsize=(9, 5.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    _axes(_longest(plan), axes, title=_title(plan))
    _beside(plan, axes)
    # Beneath: specs of whole cores stand in columns, and one is under any corner.
    if axes.get_legend_handles_labels()[0]:
        figure.legend(fontsize=8, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _longest(plan: Plan) -> Plan:
    """Of a job in chunks, the longest of them: limits are those of the whole job."""
    chunks = [it for it in plan.tasks if it.task.kind == "chunk"]
    if not chunks:
        return plan
    longest = max(chunks, key=lambda it: it.task.predicted.wall_seconds)
    alone = {"tasks": (longest,), "deadline_seconds": None, "budget": None}
    return plan.model_copy(update=alone)


def _title(plan: Plan) -> str:
    what = f"{plan.profile.name} on {plan.platform.name}"
    if plan.division is not None and plan.division.chunks > 1:
        what += f", the longest of {plan.division.chunks} chunks; the job"
    wall = duration(plan.predicted.wall_seconds)
    return f"{what}: {wall}, {money(plan.predicted_cost)}"


def _axes(plan: Plan, axes: Any, *, title: str) -> None:
    planned = plan.tasks[0]
    chosen = next((it for it in planned.candidates if it.chosen), None)
    if chosen is None:
        return
    able = [it for it in planned.candidates if it.chosen or _fits(it, plan)]
    edge = frontier(able)
    for label, colour, mark, group in (
        (
            "does not fit",
            OTHER,
            "x",
            [it for it in planned.candidates if it not in able],
        ),
        ("beaten", OTHER, "o", [it for it in able if it not in edge]),
        ("best for its price", FRONTIER, "o", edge),
    ):
        if group:
            axes.scatter(
                *_points(group), s=34, color=colour, marker=mark, label=label, zorder=3
            )
    axes.plot(*_points(edge), color=FRONTIER, linewidth=1, alpha=0.5, zorder=2)
    wall, price = chosen.predicted.wall_seconds, float(chosen.cost.amount)
    told = planned.task.predicted_wall
    axes.errorbar(
        [wall],
        [price],
        xerr=[[wall - told.low], [told.high - wall]],
        fmt="o",
        markersize=10,
        color=CHOSEN,
        capsize=4,
        zorder=5,
        label=f"chosen: {_name(chosen)}, 90 % sure",
    )
    for it in _labelled(edge):
        axes.annotate(
            _name(it),
            (it.predicted.wall_seconds, float(it.cost.amount)),
            xytext=(8, 9) if it.chosen else (7, 6),
            textcoords="offset points",
            fontsize=8,
            color=CHOSEN if it.chosen else "#334155",
        )
    _limits(plan, axes)
    axes.set_xscale("log")
    axes.set_xlabel("wall time, seconds")
    axes.set_ylabel(f"price, {chosen.cost.currency}")
    axes.set_yscale("log")
    axes.margins(x=0.12, y=0.08)
    _plain_numbers(axes)
    axes.grid(visible=True, which="both", alpha=0.15)
    axes.set_title(title, fontsize=11)


def _beside(plan: Plan, axes: Any) -> None:
    """The whole job where it could be otherwise: elsewhere, and in one piece or not."""
    currency = plan.predicted_cost.currency
    groups: list[tuple[str, str, list[tuple[str, float, Money]]]] = [
        (
            "on other platforms",
            "D",
            [
                (it.platform, it.wall_seconds, it.cost)
                for it in plan.elsewhere
                if it.cost is not None
                and it.wall_seconds is not None
                and it.cost.currency == currency
            ],
        )
    ]
    division = plan.division
    if division is not None and division.chunks > 1:
        wall = plan.predicted.wall_seconds
        whole = [(f"{division.chunks} chunks", wall, plan.predicted_cost)]
        if division.one_piece is not None:
            alone = division.one_piece
            whole.append(("one piece", alone.wall_seconds, alone.cost))
        groups.append(("the whole job", "s", whole))
    for label, mark, points in groups:
        if not points:
            continue
        axes.scatter(
            [wall for _, wall, _ in points],
            [float(cost.amount) for *_, cost in points],
            s=30,
            color=ELSEWHERE,
            marker=mark,
            label=label,
            zorder=4,
        )
        for name, wall, price in _together(points):
            axes.annotate(
                name,
                (wall, price),
                xytext=(7, -3),
                textcoords="offset points",
                fontsize=8,
                color=ELSEWHERE,
            )


def _together(
    points: Sequence[tuple[str, float, Money]],
) -> list[tuple[str, float, float]]:
    """One label for those whose labels would lie over one another."""
    found: list[tuple[str, float, float]] = []
    for name, wall, cost in points:
        price = float(cost.amount)
        for n, (names, at, high) in enumerate(found):
            near = abs(math.log(wall / at)), abs(math.log(price / high))
            if near[0] < _NEAR_TIME and near[1] < _NEAR_PRICE:
                found[n] = f"{names}, {name}", at, high
                break
        else:
            found.append((name, wall, price))
    return found


def _fits(it: Candidate, plan: Plan) -> bool:
    """As the choice saw it: with a margin of memory, at the upper end of the time."""
    planned = plan.tasks[0]
    wall = planned.task.predicted.wall_seconds
    unsure = planned.task.predicted_wall.high / wall if wall else 1.0
    longest = min(
        plan.deadline_seconds or math.inf, it.spec.time_limit_seconds or math.inf
    )
    peak = (it.predicted.peak_memory_bytes or 0) * MEMORY_MARGIN
    return (
        peak <= it.spec.memory_mib * MIB
        and it.predicted.wall_seconds * unsure <= longest
        and (plan.budget is None or float(it.cost.amount) <= float(plan.budget.amount))
    )


def _labelled(edge: Sequence[Candidate]) -> list[Candidate]:
    """The chosen one, and others spread over the frontier but not beside it."""
    at = next((n for n, it in enumerate(edge) if it.chosen), 0)
    step = max(len(edge) // _LABELS, 2)
    return [it for n, it in enumerate(edge) if (n - at) % step == 0]


def _limits(plan: Plan, axes: Any) -> None:
    if plan.deadline_seconds is not None:
        axes.axvline(
            plan.deadline_seconds, color=LIMIT, linestyle="--", label="deadline"
        )
    if plan.budget is not None:
        axes.axhline(
            float(plan.budget.amount), color=LIMIT, linestyle=":", label="budget"
        )


def _plain_numbers(axes: Any) -> None:
    from matplotlib.ticker import (  # noqa: PLC0415  as above
        FuncFormatter,
        LogLocator,
        NullFormatter,
    )

    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(_amount))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _amount(value: float, _position: object) -> str:
    text = f"{value:.9f}".rstrip("0")
    return text.removesuffix(".") or "0"


def _points(group: Sequence[Candidate]) -> tuple[list[float], list[float]]:
    return (
        [it.predicted.wall_seconds for it in group],
        [float(it.cost.amount) for it in group],
    )


def _name(it: Candidate) -> str:
    return f"{it.spec.memory_mib} MiB, {cpus(it.spec)}"
