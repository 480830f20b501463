"""
What the same work would have cost: by another price table, platform or policy.

Where an attempt ran in just the spec that is asked about, its measured time is billed
anew. Elsewhere its time is predicted, and the prediction is corrected by how far it was
off in the spec that did run. Each figure says which of the two it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import groupby
from typing import Literal

from ..contract import Money, OutcomeKind, Spec, Usage
from ..contract.job import LedgerRecord
from ..contract.value import EXACT
from ..platforms.platform import Platform
from ..platforms.price import bill
from .totals import billed, used

Basis = Literal["measured", "predicted"]
Predict = Callable[[LedgerRecord, Spec], Usage | None]
"""What a record's task takes in a spec; None where the record does not hold enough."""
SpecOf = Callable[[LedgerRecord], Spec | None]
"""The spec that a policy gives a record's task; None where it has none for it."""
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Repriced:
    """One attempt, or one task with all its attempts, before and after."""

    group: str
    before: Money
    after: Money | None
    """None where nothing can be said; `why` says why."""
    basis: Basis | None
    spec: Spec | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A group's sums, over what could be repriced; the rest is beside them."""

    group: str
    currency: str
    """Of `before`."""
    before: Decimal
    after: Decimal
    after_currency: str
    measured: int
    predicted: int
    left_out: int = 0
    left_out_before: Decimal = Decimal(0)


def same(
    records: Iterable[LedgerRecord],
    platform_of: Callable[[LedgerRecord], Platform],
    group: Callable[[LedgerRecord], str],
) -> list[Repriced]:
    """
    Every attempt in its own spec, billed by the table of its platform as it is now.

    With the table that it was billed by, nothing changes.
    """
    found = []
    for record in records:
        attempt = record.attempt
        found.append(
            Repriced(
                group=group(record),
                before=attempt.cost,
                after=_as_it_ran(record, attempt.spec, platform_of(record)),
                basis="predicted" if attempt.measured is None else "measured",
                spec=attempt.spec,
            )
        )
    return found


def by_policy(
    records: Iterable[LedgerRecord],
    *,
    platform: Callable[[LedgerRecord], Platform],
    spec_of: SpecOf,
    predict: Predict,
    group: Callable[[LedgerRecord], str],
) -> list[Repriced]:
    """
    Every task done in the one spec that a policy gives it.

    A task that succeeded is taken as done at the first try; what its failed attempts
    cost stands in `before`. One that never succeeded is left out.
    """
    found = []
    ordered = sorted(records, key=lambda r: (r.job_id, r.task_id))
    for _, several in groupby(ordered, key=lambda r: (r.job_id, r.task_id)):
        tries = list(several)
        done = [r for r in tries if r.attempt.outcome is OutcomeKind.SUCCEEDED]
        last = (done or tries)[-1]
        before = _sum([r.attempt.cost for r in tries])
        if before is None:
            found += [
                _left(r, r.attempt.cost, group(r), "of two currencies") for r in tries
            ]
        elif not done:
            found.append(_left(last, before, group(last), "it never succeeded"))
        else:
            spec = spec_of(last)
            after, basis, why = _after(last, spec, platform(last), predict)
            found.append(Repriced(group(last), before, after, basis, spec, why))
    return found


def _left(record: LedgerRecord, before: Money, group: str, why: str) -> Repriced:
    return Repriced(group, before, None, None, record.attempt.spec, why)


def _after(
    record: LedgerRecord, spec: Spec | None, platform: Platform, predict: Predict
) -> tuple[Money | None, Basis | None, str]:
    if spec is None:
        return None, None, "no spec there does it"
    ran = record.attempt.spec
    if (spec.memory_mib, spec.milli_cpus) == (ran.memory_mib, ran.milli_cpus):
        return _as_it_ran(record, ran, platform), "measured", ""
    usage = usage_in(record, spec, predict)
    if usage is None:
        return None, None, "the record holds too little to predict it"
    if (usage.peak_memory_bytes or 0) > spec.memory_mib * MIB:
        needed = (usage.peak_memory_bytes or 0) / MIB
        return None, None, f"it needs {needed:.0f} MiB, more than the spec has"
    asked = spec.model_copy(update={"scratch_mib": ran.scratch_mib})
    return bill(platform, asked, usage).total, "predicted", ""


def usage_in(record: LedgerRecord, spec: Spec, predict: Predict) -> Usage | None:
    """
    What *record*'s task would take in *spec*: predicted, times what the prediction was
    off by in the spec that did run.
    """
    measured = record.attempt.measured
    here, there = predict(record, record.attempt.spec), predict(record, spec)
    if measured is None or here is None or there is None or not here.wall_seconds:
        return None
    memory = there.peak_memory_bytes
    known = measured.peak_memory_bytes
    if memory is not None and known is not None and here.peak_memory_bytes:
        memory = round(memory * known / here.peak_memory_bytes)
    return there.model_copy(
        update={
            "wall_seconds": there.wall_seconds
            * measured.wall_seconds
            / here.wall_seconds,
            "peak_memory_bytes": memory,
            "billed_milliseconds": None,
            "requests": measured.requests,
        }
    )


def _as_it_ran(record: LedgerRecord, spec: Spec, platform: Platform) -> Money:
    """Its time, by this platform's rounding and prices; as predicted where it was
    never heard of again."""
    milliseconds = billed(record) if record.platform.name == platform.name else None
    usage = used(record).model_copy(update={"billed_milliseconds": milliseconds})
    return bill(platform, spec, usage).total


def compare(found: Iterable[Repriced]) -> tuple[Comparison, ...]:
    """Sums by group and currency; what could not be repriced is kept apart."""
    rows: dict[tuple[str, str, str], list[Repriced]] = {}
    ordered = list(found)
    known = {
        (one.group, one.before.currency): one.after.currency
        for one in ordered
        if one.after is not None
    }
    for one in ordered:
        key = one.group, one.before.currency
        to = one.after.currency if one.after else known.get(key, one.before.currency)
        rows.setdefault((*key, to), []).append(one)
    return tuple(_comparison(key, rows[key]) for key in sorted(rows))


def _comparison(key: tuple[str, str, str], rows: Sequence[Repriced]) -> Comparison:
    done = [(one, one.after) for one in rows if one.after is not None]
    left = [one for one in rows if one.after is None]
    zero = Decimal(0)
    with localcontext(EXACT):
        return Comparison(
            group=key[0],
            currency=key[1],
            before=sum((one.before.amount for one, _ in done), zero),
            after=sum((after.amount for _, after in done), zero),
            after_currency=key[2],
            measured=sum(one.basis == "measured" for one, _ in done),
            predicted=sum(one.basis == "predicted" for one, _ in done),
            left_out=len(left),
            left_out_before=sum((one.before.amount for one in left), zero),
        )


def _sum(amounts: Sequence[Money]) -> Money | None:
    """None where they are in two currencies."""
    currencies = {one.currency for one in amounts}
    if len(currencies) != 1:
        return None
    with localcontext(EXACT):
        total = sum((one.amount for one in amounts), Decimal(0))
    return Money(amount=total, currency=currencies.pop())
