"""What a worker writes down of its attempts: before, after, and for those gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from ..contract import (
    Attempt,
    KeptWork,
    Manifest,
    Money,
    OutcomeKind,
    Plan,
    Task,
    TaskResult,
)
from ..contract.job import Claim, LedgerRecord, Submission
from ..contract.task import MEASURING
from ..errors import TranscodeError
from ..hooks import AttemptEnded, Event, Listener, Planned, SampleBegun
from ..invoke.takeover import ReportedAttempt, Resumed, plan_to_go_on_with
from ..store.destination import token_of
from . import JobRepository, confirm
from .receipts import ledger_record
from .reservations import Reservations
from .takeover import plans_before, reported_before, those_there, write_plan


@dataclass(slots=True)
class JobJournal:
    """Keeps every attempt as it begins and as it ends; see `invoke.journal`."""

    repository: JobRepository
    submission: Submission
    claim: Claim
    before: Sequence[LedgerRecord] = ()
    records: dict[tuple[str, int], LedgerRecord] = field(default_factory=dict)
    plan: Plan | None = None
    reservations: Reservations | None = None
    unsaid: list[tuple[str, Attempt]] = field(default_factory=list)
    made: list[LedgerRecord] = field(default_factory=list)
    """Attempts that succeeded, of which nothing is written down yet."""
    begun_at: dict[tuple[str, int], datetime] = field(default_factory=dict)
    """When an attempt was ordered, where that is written down: the same for all."""
    entered: set[str] = field(default_factory=set)
    """Names in the ledger that need no second look."""
    round_after: int = 0
    """Claims up to this number belong to rounds that are closed."""
    reported: dict[tuple[int, str, int], Attempt] = field(default_factory=dict)
    """Claim, task and number → what is known of it by its report."""
    used: set[tuple[int, str, int]] = field(default_factory=set)
    """Of those, what the result is made of."""
    defers: bool = False
    """What we have made and not published, another may yet use."""
    deferred: set[str] = field(default_factory=set)
    """Names in the ledger of what may yet be used."""

    @property
    def token(self) -> str:
        return token_of(self.claim.number)

    @property
    def has_spent(self) -> bool:
        """Whether anything of this try ran, once it is settled."""
        attempts = [one.attempt for one in self.records.values()]
        return any(it.cost.amount or it.measured is not None for it in attempts)

    @property
    def earlier(self) -> Mapping[str, Sequence[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        for record in self.before:
            found[record.task_id].append(self._as_reported(record).attempt)
        return found

    @property
    def outlives(self) -> bool:
        return True

    async def resume(self, *, in_place: bool) -> Resumed | None:
        objects, after = self.repository.objects, self.round_after
        if self.claim.number - after <= 1:
            return None
        there = await those_there(objects, await self.learn())
        plans = await plans_before(objects, self.claim, after=after)
        resumed = plan_to_go_on_with(plans, there, in_place=in_place)
        if resumed is None:
            return None
        self.use(resumed.kept)
        return replace(resumed, before=self.others(resumed.plan))

    async def learn(self) -> tuple[ReportedAttempt, ...]:
        """How attempts of tries before us have ended, by their reports."""
        reported = await reported_before(
            self.repository.objects,
            self.submission.folder,
            self.claim,
            after=self.round_after,
        )
        for one in reported:
            name = (one.claim, one.order.task.task_id, one.attempt.number)
            self.reported[name] = one.attempt
        return reported

    def use(self, kept: Mapping[str, KeptWork]) -> None:
        """What tries before us have made is published with ours."""
        for task_id, one in kept.items():
            name = (one.claim, task_id, one.attempt.number)
            self.reported[name] = one.attempt
            self.used.add(name)

    def others(self, plan: Plan) -> tuple[TaskResult, ...]:
        """Of tries before us, what is no task of *plan*: the receipt has it all."""
        own = {planned.task.task_id for planned in plan.tasks}
        kinds = {it.task_id: it.kind for it in self.before if it.task_id not in own}
        earlier = self.earlier
        return tuple(
            TaskResult(
                task_id=name, kind=kind, attempts=tuple(earlier[name]), produced=None
            )
            for name, kind in kinds.items()
        )

    async def planned(
        self,
        plan: Plan,
        kept: Mapping[str, KeptWork],
        measured: tuple[TaskResult, ...] = (),
    ) -> None:
        self.defers = True
        await write_plan(self.repository.objects, self.claim, plan, kept, measured)

    async def is_over(self) -> bool:
        try:
            history = await self.repository.history(self.claim.job_id)
        except TranscodeError:
            return False
        last = history.round_tried[-1].ending if history.round_tried else None
        return history.done or (last is not None and last.final)

    async def allow(self, plan: Plan) -> Plan:
        granted = None
        if self.reservations is not None:
            granted = await self.reservations.reserve(
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
        now = self.begun_at.get((task.task_id, attempt.number))
        if now is None:
            now = begun.recorded_at if begun else await self.repository.now()
        entry = ledger_record(plan, task, attempt, claim=self.claim.number, now=now)
        record = entry.model_copy(update={"tags": self.submission.tags})
        self.records[task.task_id, attempt.number] = record
        if attempt.outcome is OutcomeKind.SUCCEEDED and task.kind not in MEASURING:
            # Until its results are to be seen, its provisional attempt is the truth:
            # should we vanish before that, they are gone with us. See `settle`.
            self.made.append(record)
            return
        await self.repository.keep_attempt(record)
        if attempt.measured is not None:
            await self._enter(record)
        elif begun is None:
            # Whoever ends the job after this has seen the record; before, we stop.
            await confirm(self.repository, self.claim)

    async def commit(self) -> None:
        await self.repository.commit(self.claim)

    def listening(self, listen: Listener) -> Listener:
        """Hear of attempts that were cancelled, too: they have cost something."""

        def heard(event: Event) -> None:
            if isinstance(event, Planned | SampleBegun):
                self.plan = event.plan
            elif isinstance(event, AttemptEnded):
                self.unsaid.append((event.task_id, event.attempt))
            listen(event)

        return heard

    async def settle(self, *, published: bool = False, over: bool = False) -> None:
        """
        Enter what no `keep` has seen, and what workers before us left unsaid; then
        what was set aside for the job is there for others. What was made counts as
        lost unless it was *published*; where others may yet use it, that is not said
        before the job is *over*.
        """
        await self._settle_made(published=published)
        if over:
            self.deferred.clear()
        for record in self.before:
            await self._settle_before(record, published=published, over=over)
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
                if name in self.begun_at and not published and not over:
                    # It was ordered, and runs or will; who goes on asks how it ended.
                    continue
                # We are here to say so: it was stopped before anything of it ran.
                self.records[name] = _not_begun(record)
                await self.repository.keep_attempt(self.records[name])
            await self._enter(self.records[name])
        if self.reservations is not None:
            await self.reservations.release(self.claim.job_id, claim=self.claim.number)

    def is_in(self, manifest: Manifest | None) -> bool:
        """Whether it is this try's results that *manifest* names."""
        tasks = manifest.tasks if manifest else ()
        shown = {(t.task_id, a.number): a.measured for t in tasks for a in t.attempts}
        return all(
            shown.get((it.task_id, it.attempt.number)) == it.attempt.measured
            for it in self.made
        )

    async def _settle_made(self, *, published: bool) -> None:
        for record in self.made:
            final = record if published else _unpublished(record)
            self.records[record.task_id, record.attempt.number] = final
            await self.repository.keep_attempt(final)
            if self.defers and not published:
                self.deferred.add(final.key)
        self.made.clear()

    async def _settle_before(
        self, record: LedgerRecord, *, published: bool, over: bool
    ) -> None:
        known = self._as_reported(record)
        if known.attempt.measured is None and not published and not over:
            # It may have been heard of since: who goes on looks at reports, and we did
            # not get that far, or it may be heard of yet.
            return
        succeeded = known.attempt.outcome is OutcomeKind.SUCCEEDED
        if succeeded and known.kind not in MEASURING:
            name = (known.claim, known.task_id, known.attempt.number)
            if not published and not over:
                return
            if not published or name not in self.used:
                known = _unpublished(known)
        if known != record:
            await self.repository.keep_attempt(known)
        await self._enter(known)

    def _as_reported(self, record: LedgerRecord) -> LedgerRecord:
        """With what its report says, which is more than what was known without."""
        name = (record.claim, record.task_id, record.attempt.number)
        attempt = self.reported.get(name)
        if attempt is None:
            return record
        return record.model_copy(update={"attempt": attempt})

    async def _enter(self, record: LedgerRecord) -> None:
        if record.key in self.deferred:
            return
        if record.key not in self.entered:
            await self.repository.enter(record)
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
