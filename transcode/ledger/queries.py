"""Questions to the sums by day, answered by SQLite and put together exactly."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import UsageError
from .amounts import join
from .tables import ACTUAL, COST, PREDICTED
from .totals import NO_TAG, Total, fold

if TYPE_CHECKING:
    from .statement import Used

GROUPS = ("day", "month", "profile", "platform", "engine", "function")
"""What costs can be grouped by, beside `tag:KEY`."""

_MONTH = "substr(day, 1, 7)"
_EXPRESSIONS = {
    "day": "day",
    "month": _MONTH,
    "profile": "profile",
    "platform": "platform",
    "engine": "engine",
    "function": "platform || '/' || kind || '/' || memory_mib",
}
_TAG = re.compile(r"tag:[A-Za-z0-9_.:/@+-]{1,64}", re.ASCII)
_SUMS = ", ".join(
    f"SUM({name})" for name in (*COST, "billed", "compared", *PREDICTED, *ACTUAL)
)


def totals(
    base: sqlite3.Connection, by: str, days: tuple[str, str]
) -> tuple[Total, ...]:
    """What was spent in *days* by *by*; raises `UsageError` where nobody knows it."""
    table, expression, values = "by_day", _EXPRESSIONS.get(by, ""), list[str]()
    if _TAG.fullmatch(by):
        # A key has no quotes, by its pattern.
        table, expression = "by_tags", "coalesce(json_extract(tags, ?), ?)"
        values = [f'$."{by.removeprefix("tag:")}"', NO_TAG]
    elif not expression:
        raise UsageError(
            f"Costs cannot be grouped by {by!r}; take one of {', '.join(GROUPS)}, or "
            "tag:KEY.",
            by=by,
        )
    rows = base.execute(
        f"SELECT {expression}, currency, outcome = 'succeeded', SUM(tries), {_SUMS} "  # noqa: S608 - ours
        f"FROM {table} WHERE day BETWEEN ? AND ? GROUP BY 1, 2, 3",
        (*values, *days),
    )
    return fold(_totals(rows))


def job_totals(base: sqlite3.Connection, job_id: str) -> tuple[Total, ...]:
    """What one job has cost so far."""
    rows = base.execute(
        f"SELECT '', currency, outcome = 'succeeded', COUNT(*), {_SUMS} "  # noqa: S608 - ours
        "FROM attempts WHERE job_id = ? AND stands GROUP BY 1, 2, 3",
        (job_id,),
    )
    return fold(_totals(rows))


def used(base: sqlite3.Connection, days: tuple[str, str]) -> tuple[Used, ...]:
    """What ran in *days*, by month, platform, price table, kind and spec."""
    # With platforms and prices, which nothing else here needs.
    from .statement import Used  # noqa: PLC0415

    keys = f"{_MONTH}, platform, price_table, kind, memory_mib, milli_cpus, scratch_mib"
    rows = base.execute(
        f"SELECT {keys}, SUM(tries), SUM(requests), SUM(billed) "  # noqa: S608 - ours
        "FROM by_day WHERE day BETWEEN ? AND ? "
        "GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7",
        days,
    )
    return tuple(Used(*row) for row in rows)


def _totals(rows: Iterable[tuple[object, ...]]) -> Iterator[Total]:
    for group, currency, succeeded, attempts, *sums in rows:
        numbers = [int(str(value)) for value in (attempts, *sums)]
        cost = join(numbers[1:5])
        yield Total(
            group=str(group),
            currency=str(currency),
            attempts=numbers[0],
            cost=cost,
            failed=0 if succeeded else numbers[0],
            failed_cost=join((0, 0, 0, 0)) if succeeded else cost,
            billed_milliseconds=numbers[5],
            compared=numbers[6],
            predicted=join(numbers[7:11]),
            actual=join(numbers[11:15]),
        )
