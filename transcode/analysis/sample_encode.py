"""A sample encode before the work proper: decide, try, decide again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..contract import (
    Attempt,
    Constraints,
    Content,
    Media,
    Money,
    OutcomeKind,
    Plan,
    PlannedTask,
    Sampling,
    Source,
    TaskResult,
    WorkOrder,
    attempt_name,
)
from ..errors import (
    BudgetTooSmall,
    DeadlineTooShort,
    PlanError,
    QualityError,
    TranscodeError,
)
from ..hooks import Listener, SampleBegun
from ..invoke.engine import Engine
from ..invoke.journal import Journal
from ..invoke.observer import Reporter
from ..invoke.scheduler import invoke_all
from ..media.timeline import without_sound
from ..plan.indexing import index_of
from ..plan.make_plan import make_plan
from ..plan.profile import Profile
from ..plan.quality import has_target
from ..plan.sample_parts import content_of
from ..plan.sampling import consider, failed, less, taken
from ..platforms.platform import Platform
from ..request import Request, Wanted
from ..wiring import Wiring


@dataclass(frozen=True, slots=True)
class SampleEncode:
    """Where a sample is taken, and who hears of it."""

    engine: Engine
    journal: Journal
    listen: Listener
    records: Callable[[str], str | None]
    """Where those of an attempt lie, by its name."""

    async def decide(
        self,
        planner: Planner,
        *,
        refused: Callable[
            [TranscodeError, Plan, tuple[TaskResult, ...]], TranscodeError
        ],
    ) -> tuple[Plan, tuple[TaskResult, ...]]:
        """
        The plan, after a sample where that pays, and the sample's attempts.

        Raises the plan's refusal; through *refused* where a sample was paid for.
        """
        plan, refusal = planner.first()
        sampling = plan.sampling
        if sampling is None or sampling.planned is None or not planner.wants(sampling):
            if refusal is not None:
                raise refusal
            return plan, ()
        own = alone(plan, sampling.planned, planner.constraints)
        results = await self._take(own, sampling.planned, plan)
        # The next worker imports while it is planned anew.
        await self.engine.prewarm()
        attempts = results[0].attempts if results else ()
        cost = cost_of(attempts, own.predicted_cost)
        last = attempts[-1] if attempts else None
        content = None
        if last is not None and last.outcome is OutcomeKind.SUCCEEDED:
            content = planner.understand(last, sampling.planned)
        told = _told(sampling, content, cost, last)
        if content is None and refusal is not None:
            raise refused(refusal, own, results)
        waited = sum(a.measured.wall_seconds for a in attempts if a.measured)
        left = less(planner.constraints, cost, waited)
        try:
            final = planner.plan(left, content)
        except PlanError as exc:
            raise refused(exc, own, results) from None
        final = final.model_copy(
            update={
                "sampling": told,
                "predicted_cost": final.predicted_cost + cost,
                "deadline_seconds": planner.constraints.deadline_seconds,
                "budget": planner.constraints.budget,
            }
        )
        return final, results

    async def _take(
        self, plan: Plan, sample: PlannedTask, whole: Plan
    ) -> tuple[TaskResult, ...]:
        earlier = self.journal.earlier.get(sample.task.task_id, ())
        known = next((a for a in reversed(earlier) if a.sampled is not None), None)
        if known is not None:
            # Somebody before us took it: it is paid for, and says the same again.
            others = [a for a in earlier if a is not known]
            return (result_of(sample, (*others, known)),)
        # Nothing is spent on a sample of what could not be paid for afterwards.
        cost = whole.predicted_cost + plan.predicted_cost
        asked = {"predicted_cost": cost, "budget": plan.budget}
        allowed = await self.journal.allow(whole.model_copy(update=asked))
        plan = plan.model_copy(update={"budget": allowed.budget})
        self.listen(SampleBegun(plan))
        return await invoke_all(
            (sample,),
            self.engine,
            budget=plan.budget,
            order_for=lambda task, number: WorkOrder(
                task=task,
                number=number,
                place=None,
                records=self.records(attempt_name(task.task_id, number)),
                profile=plan.profile.name,
            ),
            observer=Reporter(plan, self.journal, self.listen),
            earlier=self.journal.earlier,
        )


def left_of(plan: Plan) -> Money | None:
    """Of the plan's budget, what its sample and index have not spent."""
    before = (plan.sampling, plan.indexing)
    spent = sum((it.cost.amount for it in before if it and it.cost), Decimal(0))
    if plan.budget is None or not spent:
        return plan.budget
    return Money(
        amount=max(plan.budget.amount - spent, Decimal(0)),
        currency=plan.budget.currency,
    )


def alone(plan: Plan, sample: PlannedTask, constraints: Constraints) -> Plan:
    """The sample as a plan of its own: what budgets and ledgers go by."""
    return plan.model_copy(
        update={
            "tasks": (sample,),
            "predicted": sample.task.predicted,
            "predicted_cost": sample.task.predicted_cost,
            "deadline_seconds": constraints.deadline_seconds,
            "budget": constraints.budget,
        }
    )


def cost_of(attempts: Sequence[Attempt], like: Money) -> Money:
    amount = sum((a.cost.amount for a in attempts), Decimal(0))
    return Money(amount=amount, currency=like.currency)


def _told(
    sampling: Sampling, content: Content | None, cost: Money, last: Attempt | None
) -> Sampling:
    if content is not None:
        return taken(sampling, content, cost)
    why = "it measured nothing."
    if last is not None and last.failure is not None:
        why = last.failure.message
    return failed(sampling, why, cost)


def result_of(sample: PlannedTask, attempts: tuple[Attempt, ...]) -> TaskResult:
    return TaskResult(
        task_id=sample.task.task_id, kind="sample", attempts=attempts, produced=None
    )


@dataclass(frozen=True, slots=True)
class Planner:
    """How this job is planned, with what a sample told and without."""

    constraints: Constraints
    wanted: Wanted
    plan: Callable[[Constraints, Content | None], Plan]
    """Raises `PlanError`."""
    consider: Callable[[Plan, PlanError | None], Sampling | None]
    understand: Callable[[Attempt, PlannedTask], Content | None]
    index_of: Callable[[Plan], PlannedTask]
    """The pass over all packets, before a plan that is made as if there were one."""

    def first(self) -> tuple[Plan, PlanError | None]:
        """
        The plan by headers alone, and whether a sample pays.

        Where deadline or budget refuse it, the plan without them and the refusal.
        """
        refusal: PlanError | None = None
        try:
            plan = self.plan(self.constraints, None)
        except (BudgetTooSmall, DeadlineTooShort) as exc:
            if self.wanted == "never":
                raise
            refusal = exc
            free = {"deadline_seconds": None, "budget": None}
            plan = self.plan(self.constraints.model_copy(update=free), None)
        if self.wanted == "never" or not plan.tasks:
            if any(has_target(it.task.recipe) for it in plan.tasks):
                raise QualityError(
                    "A target quality is found by a sample of the source: leave out "
                    "--sample never, or the target."
                )
            return plan, refusal
        sampling = self.consider(plan, refusal)
        return plan.model_copy(update={"sampling": sampling}), refusal

    def wants(self, sampling: Sampling | None) -> bool:
        """Whether the sample is to be taken."""
        if sampling is None or sampling.planned is None:
            return False
        return self.wanted == "always" or sampling.verdict in {"pays", "needed"}


def foresee(planner: Planner) -> Plan:
    """
    The plan as far as it can be told without encoding anything.

    Raises its refusal, which says so where a sample might lift it.
    """
    plan, refusal = planner.first()
    if refusal is None:
        return _with_search(plan)
    sampling = plan.sampling
    if planner.wants(sampling) and sampling is not None:
        refusal.message += (
            f" A sample encode could tell more: {sampling.reason[0].lower()}"
            f"{sampling.reason[1:]} `run` takes it; here, --sample always does."
        )
    raise refusal


def _with_search(plan: Plan) -> Plan:
    """Its cost with that of a sample that is taken in any case."""
    sampling = plan.sampling
    if sampling is None or sampling.verdict != "needed" or sampling.planned is None:
        return plan
    cost = plan.predicted_cost + sampling.planned.task.predicted_cost
    return plan.model_copy(update={"predicted_cost": cost})


def _is_known_from_here(platform: Platform) -> bool:
    """Whether its specs are; a cluster's are its own to say."""
    return platform.name == "local" or platform.lattice.kind != "machine"


def planner_of(  # noqa: PLR0913 - a plan is made of just these things
    request: Request,
    wiring: Wiring,
    source: Source,
    media: Media,
    chosen: tuple[Profile, Platform, Constraints],
    *,
    compare: bool = False,
) -> Planner:
    """
    Makes the plans of one job. With *compare* they say what it would cost on every
    other platform and at services, too: to be looked at, no job needs it.
    """
    profile, platform, wishes = chosen
    if not profile.audio:
        media = without_sound(media)
    hardware = any(it.may_use_hardware for it in profile.videos)

    def plan(constraints: Constraints, content: Content | None) -> Plan:
        return make_plan(
            source,
            media,
            profile,
            platform,
            machine=wiring.machine_of(request.engine),
            constraints=constraints,
            capabilities=wiring.capabilities(prove_hardware=hardware),
            coefficients=wiring.coefficients,
            engine=request.engine,
            others=[
                p
                for p in (wiring.catalog.platforms() if compare else ())
                if p.name != platform.name and _is_known_from_here(p)
            ],
            services=wiring.catalog.services if compare else (),
            content=content,
        )

    return Planner(
        wishes,
        request.sample,
        plan,
        consider=lambda plan, refusal: consider(
            plan,
            refusal,
            platform=platform,
            machine=wiring.machine_of(request.engine),
            constraints=wishes,
            coefficients=wiring.coefficients,
        ),
        understand=lambda attempt, sample: content_of(
            attempt,
            sample.task,
            coefficients=wiring.coefficients,
            platform=platform.name,
        ),
        index_of=lambda plan: index_of(
            plan,
            platform=platform,
            machine=wiring.machine_of(request.engine),
            coefficients=wiring.coefficients,
            optimize=wishes.optimize,
        ),
    )
