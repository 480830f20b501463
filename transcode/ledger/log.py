"""
What every attempt took and cost: append-only, one object each, sorted by day.

    <state>/.transcode/ledger/2026-11-22/<job>.<claim>.<task>.<n>.json
                                        …/<job>.<claim>.<task>.<n>.billed.json

the second where the platform's log was entered later: with its figure for ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import anyio
from pydantic import ValidationError

from ..contract.job import LedgerRecord
from ..errors import ObjectExists, ObjectMissing
from ..store.bucket import Bucket, Entry
from .places import LEDGER

FEW_DAYS = 31


"""Up to so many are listed one by one; of more, everything after the first."""


AT_A_TIME = 32


"""Objects that are read at once: a store answers in milliseconds, and many in as
few."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object in the ledger's place that is no record: torn, foreign, misplaced."""

    key: str
    why: str


Report = Callable[[Unreadable], None]


def ignore(_strange: Unreadable) -> None:
    """For whoever does not want to know."""


async def append(bucket: Bucket, record: LedgerRecord) -> None:
    """
    Write *record*, once and for ever; the same record again is fine.

    Raises `ObjectExists` where another one stands under its name, else what the store
    raises.
    """
    key, body = LEDGER + record.key, record.to_json().encode()
    try:
        await bucket.create(key, body)
    except ObjectExists:
        there, _ = await bucket.read(key)
        if there != body:
            raise


async def read(
    bucket: Bucket,
    since: date | None = None,
    until: date | None = None,
    *,
    report: Report = ignore,
) -> AsyncIterator[LedgerRecord]:
    """
    The records of the days *since* to *until*, both included, in the order of keys.

    What is no record is handed to *report* and left out.
    """
    batch: list[Entry] = []
    async for entry in entries(bucket, since, until):
        batch.append(entry)
        if len(batch) == AT_A_TIME:
            for record in await fetch(bucket, batch, report=report):
                yield record
            batch = []
    for record in await fetch(bucket, batch, report=report):
        yield record


async def entries(
    bucket: Bucket, since: date | None = None, until: date | None = None
) -> AsyncIterator[Entry]:
    """What lies in the ledger of these days, unread."""
    # A worker's clock may be ahead of ours.
    last = until or datetime.now(UTC).date() + timedelta(days=1)
    if since is not None and (last - since).days < FEW_DAYS:
        for n in range((last - since).days + 1):
            async for entry in bucket.entries(f"{LEDGER}{since + timedelta(days=n)}/"):
                yield entry
        return
    after = "" if since is None else f"{LEDGER}{since}"
    async for entry in bucket.entries(LEDGER, after=after):
        if until is not None and entry.key > f"{LEDGER}{until}/~":
            return
        yield entry


async def fetch(
    bucket: Bucket, wanted: Sequence[Entry], *, report: Report = ignore
) -> list[LedgerRecord]:
    """These objects as records, in this order; what is none goes to *report*."""
    bodies = await fetch_bodies(bucket, [entry.key for entry in wanted])
    found: list[LedgerRecord] = []
    for key, body in bodies.items():
        record = parse(key, body)
        if isinstance(record, Unreadable):
            report(record)
        else:
            found.append(record)
    return found


async def fetch_bodies(bucket: Bucket, keys: Sequence[str]) -> dict[str, bytes]:
    """What stands under *keys*, read side by side; what is gone is left out."""
    bodies: dict[str, bytes] = {}
    limit = anyio.CapacityLimiter(AT_A_TIME)

    async def get(key: str) -> None:
        try:
            async with limit:
                bodies[key], _ = await bucket.read(key)
        except ObjectMissing:
            return

    try:
        async with anyio.create_task_group() as group:
            for key in keys:
                group.start_soon(get, key)
    except BaseExceptionGroup as several:
        # All for one reason; the first is the one to tell.
        raise several.exceptions[0] from None
    return {key: bodies[key] for key in keys if key in bodies}


def parse(key: str, body: bytes) -> LedgerRecord | Unreadable:
    """One object of the ledger, or what is wrong with it."""
    try:
        record = LedgerRecord.from_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f"field {field}: " if field else ""
        return Unreadable(key, f"{where}{first['msg']}")
    if LEDGER + record.key != key:
        return Unreadable(key, f"it holds the record {record.key}")
    return record
