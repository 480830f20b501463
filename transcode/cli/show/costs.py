"""What was spent as tables, CSV and JSON; amounts are exact everywhere."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ... import units
from ...ledger.entering import Entries
from ...ledger.reconcile import Reconciled
from ...ledger.statement import Statement
from ...ledger.totals import Total, grand
from ...units import (
    amount,
    duration,
    narrowed,
    one_line,
    plural,
    printable,
    table,
)
from .legible import legible

_MOST_DIFFERENCES = 20
_FIGURES = 6
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_FORMULA = re.compile(r"(^|[;|])[\s'\"\N{REPLACEMENT CHARACTER}]*[=+\-@＝＋－＠]")


def costs_text(found: Sequence[Total], *, by: str, width: int | None = None) -> str:
    """A line each; on a terminal of few columns, with less in it."""
    if not found:
        return "Nothing was spent."
    head = (by, "attempts", "failed", "cost", "for failed", "predicted", "actual is")
    rows = [_total_row(one) for one in found]
    rows += [("", "", "", "", "", "", "")]
    rows += [("total", *_total_row(one)[1:]) for one in grand(found)]
    # How predictions did, and the share of failures; what was spent stays.
    first, *lines = narrowed([head, *rows], width=width, drop=(6, 5, 4, 2))
    return printable(aligned(lines, head=first, left=1))


def _total_row(one: Total) -> tuple[str, ...]:
    share = f"{one.failed_share:.1%}" if one.failed else ""
    predicted = "unknown"
    if one.compared:
        predicted = f"{units.rounded(one.predicted)} {one.currency}"
    deviation = "" if one.deviation is None else f"{one.deviation:+.1%}"
    if one.compared and one.compared != one.attempts - one.failed:
        predicted += f" for {one.compared}"
    return (
        one.group,
        str(one.attempts),
        str(one.failed),
        f"{units.rounded(one.cost)} {one.currency}",
        share,
        predicted,
        deviation,
    )


def aligned(rows: Sequence[Sequence[str]], *, head: Sequence[str], left: int) -> str:
    """A table whose columns after the first *left* are flush right."""
    lines = [[one_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[n]) for row in lines) for n in range(len(head))]
    shown = [
        tuple(
            cell if n < left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in lines
    ]
    return table(shown, indent="")


def costs_json(
    found: Sequence[Total], *, by: str, since: date | None, until: date | None
) -> str:
    return json.dumps(
        {
            "by": by,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "groups": [_total_data(one) for one in found],
            "totals": [_total_data(one) for one in grand(found)],
        },
        indent=2,
    )


def costs_csv(found: Sequence[Total], *, by: str) -> str:
    rows = [_total_data(one) for one in found]
    return _csv(rows, first={"group": by})


def _total_data(one: Total) -> dict[str, Any]:
    return {
        "group": one.group,
        "currency": one.currency,
        "attempts": one.attempts,
        "failed": one.failed,
        "cost": format(one.cost, "f"),
        "failed_cost": format(one.failed_cost, "f"),
        "billed_milliseconds": one.billed_milliseconds,
        "compared": one.compared,
        "predicted": format(one.predicted, "f") if one.compared else None,
        "actual": format(one.actual, "f") if one.compared else None,
    }


def statements_text(made: Sequence[Statement]) -> str:
    if not made:
        return "Nothing was spent."
    return printable("\n\n".join(_statement_text(one) for one in legible(list(made))))


def _statement_text(one: Statement) -> str:
    currency = one.bill.total.currency
    functions = [
        (
            line.function,
            str(line.attempts),
            str(line.requests),
            duration(line.billed_milliseconds / 1000),
            f"{_short(line.memory_gib_seconds)}",
            f"{rounded(line.amount)} {currency}",
        )
        for line in one.functions
    ]
    head = ("function", "attempts", "requests", "billed", "GiB-s", "list price")
    lines = [
        (
            line.item,
            f"{_short(line.quantity)} {line.unit}",
            f"at {amount(line.unit_price)}",
            f"{amount(line.amount)} {currency}",
        )
        for line in one.bill.lines
    ]
    lines.append(("total", "", "", f"{amount(one.bill.total.amount)} {currency}"))
    title = f"{one.month}, {one.platform}, prices of {one.price_table}"
    blocks = [title, aligned(functions, head=head, left=1)] if functions else [title]
    gross = f"{rounded(one.gross.amount)} {currency}"
    blocks.append(
        f"Billed, from {gross} at list price less the free tier\n" + table(lines)
    )
    if one.other_tables:
        dates = ", ".join(one.other_tables)
        blocks.append(f"Some attempts were priced by tables of {dates}, not by this.")
    return "\n\n".join(blocks)


def statements_json(made: Sequence[Statement]) -> str:
    return json.dumps(
        [
            {
                "month": one.month,
                "platform": one.platform,
                "price_table": one.price_table,
                "other_price_tables": list(one.other_tables),
                "gross": one.gross.model_dump(mode="json"),
                "functions": _functions(one),
                "lines": [line.model_dump(mode="json") for line in one.bill.lines],
                "total": one.bill.total.model_dump(mode="json"),
            }
            for one in made
        ],
        indent=2,
    )


def statements_csv(made: Sequence[Statement]) -> str:
    """By function, at list price: what `--reconcile` compares with."""
    rows = [
        {"month": one.month, "platform": one.platform, **function}
        for one in made
        for function in _functions(one)
    ]
    return _csv(rows, first={})


def _functions(one: Statement) -> list[dict[str, Any]]:
    return [
        {
            "function": line.function,
            "attempts": line.attempts,
            "requests": line.requests,
            "billed_milliseconds": line.billed_milliseconds,
            "memory_gib_seconds": format(line.memory_gib_seconds, "f"),
            "amount": format(line.amount, "f"),
            "currency": one.gross.currency,
        }
        for line in one.functions
    ]


_CHECKED = {
    "attempts": "Attempts whose billed time the platform reported",
    "bill": "Figures of the platform's bill",
    "log": "Invocations in the platform's log",
}


def reconciled_text(
    checks: Mapping[str, Reconciled], entered: Entries | None = None
) -> str:
    blocks = []
    for name, check in checks.items():
        count = len(check.differences)
        verdict = "they agree" if not count else plural(count, "difference")
        if not check.compared and not count:
            verdict = "there are none"
        lines = [f"{_CHECKED[name]}: {check.compared} compared, {verdict}"]
        rows = [
            (d.where, d.what.replace("_", " "), _figure(d.ours), _figure(d.theirs))
            for d in check.differences[:_MOST_DIFFERENCES]
        ]
        if check.note:
            lines.append(f"  {check.note}")
        if rows:
            lines.append(table(rows, head=("where", "what", "ours", "theirs")))
        if count > _MOST_DIFFERENCES:
            lines.append(f"  and {count - _MOST_DIFFERENCES} more; --json lists them")
        blocks.append("\n".join(lines))
    if entered is not None:
        lines = [f"Entered as the platform billed them: {_entered(entered)}"]
        lines += [f"  left: {why}" for why in entered.left[:_MOST_DIFFERENCES]]
        if len(entered.left) > _MOST_DIFFERENCES:
            count = len(entered.left) - _MOST_DIFFERENCES
            lines.append(f"  and {count} more; --json lists them")
        blocks.append("\n".join(lines))
    return printable("\n\n".join(blocks))


def _entered(entered: Entries) -> str:
    words = plural(len(entered.records), "attempt")
    return f"{words}, {entered.known} known already" if entered.known else words


def _figure(value: Decimal | None) -> str:
    return "nothing" if value is None else format(value, "f")


def reconciled_json(
    checks: Mapping[str, Reconciled], entered: Entries | None = None
) -> str:
    data: dict[str, Any] = {
        name: {
            "compared": check.compared,
            "differences": _differences(check),
            **({"note": check.note} if check.note else {}),
        }
        for name, check in checks.items()
    }
    if entered is not None:
        data["entered"] = {
            "attempts": len(entered.records),
            "known": entered.known,
            "left": list(entered.left),
        }
    return json.dumps(data, indent=2)


def reconciled_csv(checks: Mapping[str, Reconciled]) -> str:
    return _csv([row for c in checks.values() for row in _differences(c)], first={})


def _differences(check: Reconciled) -> list[dict[str, Any]]:
    return [
        {
            "where": one.where,
            "what": one.what,
            "ours": None if one.ours is None else format(one.ours, "f"),
            "theirs": None if one.theirs is None else format(one.theirs, "f"),
        }
        for one in check.differences
    ]


def rounded(value: Decimal) -> str:
    """Six figures: what a person compares. CSV and JSON have all of them."""
    if not value:
        return amount(value)
    places = min(max(_FIGURES - 1 - value.adjusted(), 2), 20)
    return amount(value.quantize(Decimal(1).scaleb(-places)))


def _short(value: Decimal) -> str:
    """Three decimals are all that a person compares in a quantity."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def _csv(rows: Iterable[Mapping[str, Any]], *, first: Mapping[str, str]) -> str:
    """*first* renames columns. A cell that a spreadsheet would run is defused."""
    text = io.StringIO()
    listed = list(rows)
    if listed:
        names = list(listed[0])
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_cell(first.get(name, name)) for name in names])
        writer.writerows([[_cell(row[name]) for name in names] for row in listed])
    return text.getvalue().rstrip("\n")


def _cell(value: object) -> object:
    """
    Numbers as they are; of text, what begins a formula is put behind an apostrophe.

    Also where a spreadsheet would begin a cell: behind blanks, and behind what it may
    take for a separator. The wide signs are what some take for the plain ones.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    text = one_line(value)
    return f"'{text}" if _FORMULA.search(text) else text
