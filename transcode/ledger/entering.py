"""The platform's own figures of invocations, taken into the bill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..contract.job import LedgerRecord
from ..platforms.invocation_log import read_log
from ..platforms.platform import Platform
from ..platforms.price import cost
from .totals import used


@dataclass(frozen=True, slots=True)
class Entries:
    """What a log has to say to a ledger."""

    records: tuple[LedgerRecord, ...]
    """To be appended: each stands for the one of its attempt that knew less."""
    known: int
    """Attempts whose figure the ledger has already."""
    left: tuple[str, ...]
    """Attempts that cannot be billed anew, each with the reason, in a sentence."""


def entries_of(
    text: str,
    records: Iterable[LedgerRecord],
    platform_of: Callable[[LedgerRecord], Platform],
) -> Entries | None:
    """
    The attempts that a platform's log tells of, as it billed them; None where *text*
    tells of no invocation. Pure.

    Priced by the table that they were billed by. An invocation that is entered in parts
    is billed in the same parts, their sum being the platform's figure: *records* are
    all that there are of it.
    """
    theirs = read_log(text)
    if not theirs:
        return None
    calls = defaultdict[str, list[LedgerRecord]](list)
    for record in records:
        if record.attempt.invocation in theirs:
            calls[record.attempt.invocation].append(record)
    made, known, left = list[LedgerRecord](), 0, list[str]()
    for call, parts in sorted(calls.items()):
        for record, share in _shared(theirs[call].billed_milliseconds, parts):
            platform = platform_of(record)
            if record.platform_billed_milliseconds is not None:
                known += 1
            elif record.platform.price_table != platform.price_table.isoformat():
                left.append(
                    f"{record.key} was billed by prices of "
                    f"{record.platform.price_table}, and here are those of "
                    f"{platform.price_table}"
                )
            else:
                made.append(_as_billed(record, share, platform))
    return Entries(tuple(made), known, tuple(left))


def _shared(
    milliseconds: int, parts: Sequence[LedgerRecord]
) -> Iterator[tuple[LedgerRecord, int]]:
    """
    Each part with its share, by what we counted of it, in whole milliseconds.

    The same whoever reckons it, and however many of the parts are entered already.
    """
    ordered = sorted(
        parts, key=lambda it: (it.job_id, it.claim, it.task_id, it.attempt.number)
    )
    counted = [(it.attempt.measured or it.attempt.predicted) for it in ordered]
    weights = [it.billed_milliseconds or 0 for it in counted]
    if not sum(weights):
        weights = [1] * len(ordered)
    total, before, given = sum(weights), 0, 0
    for record, weight in zip(ordered, weights, strict=True):
        before += weight
        upto = milliseconds * before // total
        yield record, upto - given
        given = upto


def _as_billed(record: LedgerRecord, share: int, platform: Platform) -> LedgerRecord:
    usage = used(record).model_copy(update={"billed_milliseconds": share})
    money = cost(platform, record.attempt.spec, usage)
    attempt = record.attempt.model_copy(update={"cost": money})
    return record.model_copy(
        update={"attempt": attempt, "platform_billed_milliseconds": share}
    )
