"""What would have been, and what would be better, as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ...ledger.advise import Fixed
from ...ledger.arrivals import Load, Reserve, WarmPool
from ...ledger.reprice import Comparison
from ...platforms.platform import Platform
from ...units import (
    duration,
    narrowed,
    one_line,
    plural,
    printable,
    rounded,
    spec,
    table,
)
from .costs import aligned
from .legible import legible


def repriced_text(
    rows: Sequence[Comparison],
    reasons: Sequence[str],
    *,
    by: str,
    width: int | None = None,
) -> str:
    """A line for each group; on a terminal of few columns, with less in it."""
    if not rows:
        return "Nothing was spent."
    head = (by, "it cost", "it would cost", "", "measured", "predicted", "left out")
    lines = [
        (
            row.group,
            f"{rounded(row.before)} {row.currency}",
            f"{rounded(row.after)} {row.after_currency}",
            _change(row),
            str(row.measured),
            str(row.predicted),
            _left_out(row),
        )
        for row in rows
    ]
    # How many, then by how much: what it cost and would cost stay.
    lines_of = narrowed([head, *lines], width=width, drop=(5, 4, 6, 3))
    text = aligned(lines_of[1:], head=lines_of[0], left=1)
    if reasons:
        reasons = list(map(one_line, reasons))
        text += "\n\nLeft out of both sums:\n" + "\n".join(f"  {r}" for r in reasons)
    return printable(text)


def _left_out(row: Comparison) -> str:
    if not row.left_out:
        return ""
    return f"{row.left_out}, {rounded(row.left_out_before)} {row.currency}"


def _change(row: Comparison) -> str:
    if row.currency != row.after_currency or not row.before:
        return ""
    return f"{(row.after - row.before) * 100 / row.before:+.1f} %"


def repriced_json(
    rows: Sequence[Comparison], reasons: Sequence[str], *, by: str
) -> str:
    groups = [
        {
            "group": row.group,
            "before": _money(row.before, row.currency),
            "after": _money(row.after, row.after_currency),
            "measured": row.measured,
            "predicted": row.predicted,
            "left_out": row.left_out,
            "left_out_before": _money(row.left_out_before, row.currency),
        }
        for row in rows
    ]
    return json.dumps({"by": by, "groups": groups, "reasons": list(reasons)}, indent=2)


@dataclass(frozen=True, slots=True)
class Advice:
    platform: Platform
    own_mib: int
    """Of every spec, for the function beside the work."""
    fixed: tuple[Fixed, ...]
    left_out: int
    load: Load | None
    reserve: tuple[Reserve, ...]
    concurrency: int
    pool: WarmPool | None


def advice_text(advice: Advice, *, width: int | None = None) -> str:
    """In words and tables; on a terminal of few columns, with less in them."""
    advice = legible(advice)
    table_of = f"{advice.platform.name}, prices of {advice.platform.price_table}"
    blocks = [f"Fixed specs on {table_of}\n{_fixed_text(advice, width)}"]
    if advice.load is not None:
        blocks.append(_load_text(advice.load, advice.concurrency))
        blocks.append(_reserve_text(advice, width))
    if advice.pool is not None:
        blocks.append(_pool_text(advice.pool))
    return printable("\n\n".join(blocks))


def _fixed_text(advice: Advice, width: int | None) -> str:
    if not advice.fixed:
        return "  Nothing to go by: no task that succeeded tells what it was."
    head = ("", "tasks", "best single spec", "costs", "chosen each time", "loss")
    rows = [
        (
            row.group or "all",
            str(row.cases),
            "none does them all" if row.spec is None else spec(row.spec),
            "" if row.cost is None else f"{rounded(row.cost)} {row.currency}",
            f"{rounded(row.chosen_cost)} {row.currency}",
            "" if row.loss is None else f"{row.loss:+.0%}",
        )
        for row in advice.fixed
    ]
    text = table(rows, head=head, width=width, drop=(1, 4, 3))
    if advice.own_mib:
        text += f"\n  Of each spec {advice.own_mib} MiB are the function's own."
    slow = advice.fixed[-1]
    if slow.wall_seconds is not None:
        text += (
            f"\n  Waiting, in all: {duration(slow.wall_seconds)} in the single spec, "
            f"{duration(slow.chosen_wall_seconds)} in the cheapest for each."
        )
    impossible = advice.fixed[-1].impossible
    if impossible:
        text += f"\n  {plural(impossible, 'task')} no spec there does in time."
    if advice.left_out:
        text += f"\n  {plural(advice.left_out, 'task')} could not be predicted."
    return text


def _load_text(load: Load, concurrency: int) -> str:
    rows = [
        ("attempts", f"{load.attempts} over {duration(load.seconds)}"),
        ("on average", f"{load.average:.2f} at once (arrivals × time each takes)"),
        ("99 % of busy time", f"at most {load.ninety_nine} at once"),
        ("most", f"{load.most} at once"),
        (
            "instances",
            f"{load.instances(concurrency)}, at {concurrency} at once in each",
        ),
    ]
    return "Arrivals\n" + table(rows)


def _reserve_text(advice: Advice, width: int | None) -> str:
    if not advice.reserve:
        return f"Reserved instances: {advice.platform.name} has none in its table."
    head = (
        "instance",
        "busy",
        "on demand",
        "held ready",
        "cold starts",
        "pays if one takes",
    )
    rows = [
        (
            str(one.instance),
            f"{one.busy_seconds / one.held_seconds:.1%}" if one.held_seconds else "",
            f"{rounded(one.on_demand)} {one.currency}",
            f"{rounded(one.held)} {one.currency}",
            str(one.cold_starts),
            _break_even(one),
        )
        for one in advice.reserve
    ]
    first = advice.fixed[-1].spec
    name = "" if first is None else f" of {spec(first)}"
    return (
        f"Reserved instances{name}, in idle mode, held the whole time\n"
        + table(rows, head=head, width=width, drop=(4, 1, 5))
        + "\n  Billed by the minute at least; the free tier is left out."
    )


def _break_even(one: Reserve) -> str:
    if one.pays:
        return "pays anyway"
    if one.break_even_seconds is None:
        return "never"
    return f"over {duration(one.break_even_seconds)}"


def _pool_text(pool: WarmPool) -> str:
    if not pool.possible:
        return (
            f"Pool: an instance may want {pool.least} connections at once and may have "
            f"{pool.most}; lower the concurrency or the most instances."
        )
    return f"Pool: between {pool.least} and {pool.most} connections in each instance."


def advice_json(advice: Advice) -> str:
    load, pool = advice.load, advice.pool
    data: dict[str, Any] = {
        "platform": advice.platform.name,
        "price_table": advice.platform.price_table.isoformat(),
        "own_mib": advice.own_mib,
        "fixed": [_fixed_data(row) for row in advice.fixed],
        "left_out": advice.left_out,
        "arrivals": None
        if load is None
        else {
            "attempts": load.attempts,
            "seconds": load.seconds,
            "average": load.average,
            "percentile_99": load.ninety_nine,
            "most": load.most,
            "instances": load.instances(advice.concurrency),
        },
        "reserved": [
            {
                "instance": one.instance,
                "busy_seconds": one.busy_seconds,
                "held_seconds": one.held_seconds,
                "on_demand": _money(one.on_demand, one.currency),
                "held": _money(one.held, one.currency),
                "cold_starts": one.cold_starts,
                "pays": one.pays,
                "break_even_cold_start_seconds": one.break_even_seconds,
            }
            for one in advice.reserve
        ],
        "pool": None
        if pool is None
        else {"least": pool.least, "most": pool.most, "possible": pool.possible},
    }
    return json.dumps(data, indent=2)


def _fixed_data(row: Fixed) -> dict[str, Any]:
    return {
        "group": row.group or None,
        "tasks": row.cases,
        "spec": None if row.spec is None else row.spec.model_dump(mode="json"),
        "cost": None if row.cost is None else _money(row.cost, row.currency),
        "wall_seconds": row.wall_seconds,
        "chosen_cost": _money(row.chosen_cost, row.currency),
        "chosen_wall_seconds": row.chosen_wall_seconds,
        "loss": row.loss,
        "impossible": row.impossible,
    }


def _money(value: Decimal, currency: str) -> dict[str, str]:
    return {"amount": format(value, "f"), "currency": currency}
