"""What a worker writes down of its attempts: before, after, and for those gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from .allowance import Allowance
from .contract import Attempt, Money, OutcomeKind, Plan, Task
from .happenings import AttemptEnded, Event, Listener, Planned, SampleBegun
from .jobs import Book, confirm
from .keeping import ledger_record
from .record import Claim, LedgerRecord, Submission


@dataclass(slots=True)
class Diary:
    """Keeps every attempt as it begins and as it ends; see `keeping.Keeper`."""

    book: Book
    submission: Submission
    claim: Claim
    before: Sequence[LedgerRecord] = ()
    records: dict[tuple[str, int], LedgerRecord] = field(default_factory=dict)
    plan: Plan | None = None
    allowance: Allowance | None = None
    unsaid: list[tuple[str, Attempt]] = field(default_factory=list)
    made: list[LedgerRecord] = field(default_factory=list)
    """Attempts that succeeded, of which nothing is written down yet."""
    entered: set[str] = field(default_factory=set)
    """Names in the ledger that need no second look."""

    @property
    def token(self) -> str:
        return f"{self.claim.number:04d}"

    @property
    def earlier(self) -> Mapping[str, Sequence[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        for record in self.before:
            found[record.task_id].append(record.attempt)
        return found

    async def allow(self, plan: Plan) -> Plan:
        granted = None
        if self.allowance is not None:
            granted = await self.allowance.reserve(
                plan, self.submission.tags, claim=self.claim.number
            )
        if granted is None:
            return plan
        # The budget of a plan is for all tries, and those before us have spent theirs.
        before = sum((r.attempt.cost.amount for r in self.before), Decimal(0))
        limit = granted.amount + before
        if plan.budget is not None:
            limit = min(limit, plan.budget.amount)
        budget = Money(amount=limit, currency=granted.currency)
        return plan.model_copy(update={"budget": budget})

    async def keep(self, plan: Plan, task: Task, attempt: Attempt) -> None:
        begun = self.records.get((task.task_id, attempt.number))
        now = begun.recorded_at if begun else await self.book.now()
        entry = ledger_record(plan, task, attempt, claim=self.claim.number, now=now)
        record = entry.model_copy(update={"tags": self.submission.tags})
        self.records[task.task_id, attempt.number] = record
        if attempt.outcome is OutcomeKind.SUCCEEDED and task.kind != "sample":
            # Until its results are to be seen, its testament is the truth: should we
            # vanish before that, they are gone with us. See `settle`.
            self.made.append(record)
            return
        await self.book.keep_attempt(record)
        if attempt.measured is not None:
            await self._enter(record)
        elif begun is None:
            # Whoever ends the job after this has seen the record; before, we stop.
            await confirm(self.book, self.claim)

    async def commit(self) -> None:
        await self.book.commit(self.claim)

    def listening(self, listen: Listener) -> Listener:
        """Hear of attempts that were cancelled, too: they have cost something."""

        def heard(event: Event) -> None:
            if isinstance(event, Planned | SampleBegun):
                self.plan = event.plan
            elif isinstance(event, AttemptEnded):
                self.unsaid.append((event.task_id, event.attempt))
            listen(event)

        return heard

    async def settle(self, *, published: bool = False) -> None:
        """
        Enter what no `keep` has seen, and what workers before us left unsaid; then
        what was set aside for the job is there for others. What was made counts as
        lost unless it was *published*.
        """
        for record in self.made:
            final = record if published else _unpublished(record)
            self.records[record.task_id, record.attempt.number] = final
            await self.book.keep_attempt(final)
        self.made.clear()
        for record in self.before:
            await self._enter(record)
        for task_id, attempt in self.unsaid:
            known = self.records.get((task_id, attempt.number))
            if known is not None and known.attempt.measured is None:
                task = self._task(task_id)
                plan = self.plan
                if plan is not None and task is not None:
                    await self.keep(plan, task, attempt)
        self.unsaid.clear()
        for name, record in tuple(self.records.items()):
            if record.attempt.measured is None:
                # We are here to say so: it was stopped before anything of it ran.
                self.records[name] = _not_begun(record)
                await self.book.keep_attempt(self.records[name])
            await self._enter(self.records[name])
        if self.allowance is not None:
            await self.allowance.release(self.claim.job_id, claim=self.claim.number)

    async def _enter(self, record: LedgerRecord) -> None:
        if record.key not in self.entered:
            await self.book.enter(record)
            self.entered.add(record.key)

    def _task(self, task_id: str) -> Task | None:
        tasks = self.plan.tasks if self.plan else ()
        return next((p.task for p in tasks if p.task.task_id == task_id), None)


def _unpublished(record: LedgerRecord) -> LedgerRecord:
    note = "its results were made, but never published"
    attempt = record.attempt.model_copy(
        update={
            "outcome": OutcomeKind.LOST,
            "notes": (*record.attempt.notes, note),
        }
    )
    return record.model_copy(update={"attempt": attempt})


def _not_begun(record: LedgerRecord) -> LedgerRecord:
    cost = record.attempt.cost.model_copy(update={"amount": Decimal(0)})
    attempt = record.attempt.model_copy(
        update={
            "outcome": OutcomeKind.CANCELLED,
            "cost": cost,
            "notes": ("stopped before it began",),
        }
    )
    return record.model_copy(update={"attempt": attempt})
