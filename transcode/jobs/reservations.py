"""
What a job may spend of the budgets that it shares with others, set aside in the store.

A reservation is written before anything is counted: of two jobs that ask at once each
sees the other's, so that together they never take more than there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import anyio

from ..contract import Amount, Money, Plan
from ..contract.job import StoredRecord, Tag
from ..errors import ObjectMissing
from ..ledger.budgets import Cap, Counted, grant, wish
from ..ledger.totals import Total
from ..store.bucket import Bucket

RESERVED = ".transcode/budgets/"


class Reservation(StoredRecord):
    """What a job has set aside under one claim; the job's next one removes it."""

    job_id: str
    claim: int
    amount: Amount
    currency: str
    tags: Mapping[Tag, Tag]


@dataclass(slots=True)
class Reservations:
    """Counts and reserves for every job of one service."""

    bucket: Bucket
    caps: Sequence[Cap]
    folder: Path
    """Of the index that adds up the ledger."""
    state: str
    """By which that is known there; see `store.open.state_name`."""
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def reserve(
        self, plan: Plan, tags: Mapping[Tag, Tag], *, claim: int
    ) -> Money | None:
        """
        Set aside what the plan may cost, and say how much; None where nothing limits.

        Raises `BudgetReached` and reserves nothing where too little is left.
        """
        caps = [cap for cap in self.caps if cap.holds(tags)]
        if not caps:
            return None
        cost, job = plan.predicted_cost, plan.job_id
        wanted = Reservation(
            job_id=job,
            claim=claim,
            amount=wish(cost.amount, plan.predicted.wall_seconds),
            currency=cost.currency,
            tags=tags,
        )
        async with self._lock:
            await self._put(wanted)
            try:
                now = await self.bucket.now()
                counted = await self._count(caps, wanted, now.date())
                amount = grant(
                    counted, cost.amount, wanted.amount, currency=cost.currency, now=now
                )
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self.release(job, claim=claim)
                raise
            await self._put(wanted.model_copy(update={"amount": amount}))
        return Money(amount=amount, currency=cost.currency)

    async def release(self, job_id: str, *, claim: int) -> None:
        """
        What the job did not spend under this claim, or one before it, is there for
        others. To be called once what it did spend is in the ledger.
        """
        own = f"{RESERVED}{job_id}."
        async for entry in self.bucket.entries(own):
            number = entry.key.removeprefix(own).removesuffix(".json")
            if number.isdecimal() and int(number) <= claim:
                await self.bucket.delete(entry.key)

    async def _put(self, it: Reservation) -> None:
        key = f"{RESERVED}{it.job_id}.{it.claim:04d}.json"
        await self.bucket.put(key, it.to_json().encode())

    async def _count(
        self, caps: Sequence[Cap], mine: Reservation, today: date
    ) -> list[Counted]:
        # In this order: a job that ends between the two is counted twice, never not.
        others = [it for it in await self._reservations() if it.job_id != mine.job_id]
        from ..ledger.index import Index  # noqa: PLC0415  only who has budgets needs it

        with Index.open(self.folder, self.state) as index:
            await index.sync(self.bucket)
            found = []
            for cap in caps:
                if cap.tag is None:
                    totals = index.totals("day", today, today)
                else:
                    every = index.totals(f"tag:{cap.tag[0]}")
                    totals = tuple(t for t in every if t.group == cap.tag[1])
                reserved = (
                    it.amount
                    for it in others
                    if it.currency == mine.currency and cap.holds(it.tags)
                )
                spent = _sum(totals, mine.currency)
                found.append(Counted(cap, spent, sum(reserved, Decimal(0))))
        return found

    async def _reservations(self) -> list[Reservation]:
        found = []
        async for entry in self.bucket.entries(RESERVED):
            try:
                body, _ = await self.bucket.read(entry.key)
            except ObjectMissing:
                continue  # it was released meanwhile
            found.append(Reservation.from_json(body))
        return found


def _sum(totals: Sequence[Total], currency: str) -> Decimal:
    return sum((t.cost for t in totals if t.currency == currency), Decimal(0))
