"""What we counted beside what the platform says: every difference, none forgiven."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ..contract.job import LedgerRecord
from ..errors import UsageError
from ..platforms.invocation_log import InvocationLine, read_log
from ..units import plural
from .statement import Statement
from .totals import billed

COUNTED = ("requests", "billed_milliseconds", "amount")
"""What a line of a platform's bill can be compared by; any of them may be missing."""
KEYS = ("month", "platform", "function")


@dataclass(frozen=True, slots=True)
class Difference:
    where: str
    what: str
    ours: Decimal | None
    """None: we know nothing of it."""
    theirs: Decimal | None
    """None: the platform's bill has nothing of it."""

    @property
    def more(self) -> Decimal:
        """How much more the platform counts."""
        return (self.theirs or Decimal(0)) - (self.ours or Decimal(0))


@dataclass(frozen=True, slots=True)
class Reconciled:
    compared: int
    """Figures that both sides have."""
    differences: tuple[Difference, ...]
    note: str = ""
    """What else the platform says, in a sentence."""


def with_log(text: str, records: Iterable[LedgerRecord]) -> Reconciled | None:
    """
    A platform's log beside what we counted of each invocation that the ledger names;
    None where *text* tells of none.

    What the log has nothing of, and invocations that we know nothing of, are among the
    differences.
    """
    theirs = read_log(text)
    if not theirs:
        return None
    ours: dict[str, int] = {}
    names: dict[str, str] = {}
    for record in records:
        call, measured = record.attempt.invocation, record.attempt.measured
        if call is None or (measured is None and call not in theirs):
            continue
        # An upload's call is entered in parts, one for each of its jobs.
        ours[call] = ours.get(call, 0) + (billed(record) or 0)
        names.setdefault(
            call, f"{record.task_id} {record.claim}.{record.attempt.number}"
        )
    found = []
    for call in sorted(ours.keys() | theirs.keys()):
        mine, line = ours.get(call), theirs.get(call)
        said = None if line is None else line.billed_milliseconds
        if mine != said:
            found.append(
                Difference(
                    where=names.get(call, call),
                    what="billed_milliseconds",
                    ours=None if mine is None else Decimal(mine),
                    theirs=None if said is None else Decimal(said),
                )
            )
    return Reconciled(len(ours.keys() & theirs.keys()), tuple(found), _said(theirs))


def _said(lines: Mapping[str, InvocationLine]) -> str:
    starts = [it.start_milliseconds for it in lines.values() if it.start_milliseconds]
    peaks = [it.peak_memory_mib for it in lines.values() if it.peak_memory_mib]
    words = f"{plural(len(lines), 'invocation')} in the log"
    if starts:
        words += f", {len(starts)} with a start of {sum(starts):.0f} ms in all"
    return words + (f"; at most {max(peaks):.0f} MiB used" if peaks else "")


def with_reports(records: Iterable[LedgerRecord]) -> Reconciled:
    """Billed time that the platform reported for an attempt, beside our own count."""
    compared, found = 0, []
    for record in records:
        theirs, measured = record.platform_billed_milliseconds, record.attempt.measured
        if theirs is None:
            continue
        compared += 1
        ours = None if measured is None else measured.billed_milliseconds
        if ours != theirs:
            found.append(
                Difference(
                    where=f"{record.task_id} {record.claim}.{record.attempt.number}",
                    what="billed_milliseconds",
                    ours=None if ours is None else Decimal(ours),
                    theirs=Decimal(theirs),
                )
            )
    return Reconciled(compared, tuple(found))


def with_bill(text: str, statements: Sequence[Statement], *, origin: str) -> Reconciled:
    """
    A platform's bill by function and month, beside our statements.

    *text* is CSV with the columns `month`, `platform`, `function` and any of
    `requests`, `billed_milliseconds` and `amount` (at list price), as `costs
    --statement --csv` writes it. Months that it does not have are not compared.
    Raises `UsageError` naming *origin*, the line and the column.
    """
    theirs = dict(_lines(text, origin))
    months = {key[:2] for key in theirs}
    ours = {
        (it.month, it.platform, line.function): {
            "requests": Decimal(line.requests),
            "billed_milliseconds": Decimal(line.billed_milliseconds),
            "amount": line.amount,
        }
        for it in statements
        for line in it.functions
        if (it.month, it.platform) in months
    }
    compared, found = 0, []
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key, {}), theirs.get(key, {})
        for what in COUNTED:
            if key in theirs and what not in other:
                continue
            left, right = mine.get(what), other.get(what)
            compared += left is not None and right is not None
            if left != right:
                found.append(Difference("/".join(key), what, left, right))
    return Reconciled(compared, tuple(found))


def _lines(
    text: str, origin: str
) -> Iterator[tuple[tuple[str, str, str], dict[str, Decimal]]]:
    rows = csv.DictReader(text.removeprefix("\ufeff").splitlines(keepends=True))
    names = set(rows.fieldnames or ())
    if not names >= set(KEYS) or not names & set(COUNTED):
        raise UsageError(
            f"{origin} is no bill that can be compared: its first line must name "
            f"{', '.join(KEYS)} and at least one of {', '.join(COUNTED)}.",
            file=origin,
        )
    for row in rows:
        figures = {}
        for what in COUNTED:
            if row.get(what):
                try:
                    figures[what] = Decimal(row[what])
                except InvalidOperation:
                    raise UsageError(
                        f"{origin}, line {rows.line_num}: {what} is {row[what]!r}, "
                        "which is no number.",
                        file=origin,
                    ) from None
        yield (row["month"], row["platform"], row["function"]), figures
