"""How one job is planned, again and again: with and without limits, and a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal

from .contract import (
    Attempt,
    Constraints,
    Content,
    Media,
    Money,
    Plan,
    PlannedTask,
    Sampling,
    Source,
)
from .errors import BudgetTooSmall, DeadlineTooShort, PlanError, UsageError
from .plan import make_plan
from .plan.parts import content_of
from .plan.profile import Profile
from .plan.sampling import consider
from .platforms import Platform
from .wiring import Wiring

if TYPE_CHECKING:
    from .pipeline import Request

Wanted = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class Planner:
    """How this job is planned, with what a sample told and without."""

    constraints: Constraints
    wanted: Wanted
    plan: Callable[[Constraints, Content | None], Plan]
    """Raises `PlanError`."""
    consider: Callable[[Plan, PlanError | None], Sampling | None]
    understand: Callable[[Attempt, PlannedTask], Content | None]

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
            return plan, refusal
        sampling = self.consider(plan, refusal)
        return plan.model_copy(update={"sampling": sampling}), refusal

    def wants(self, sampling: Sampling | None) -> bool:
        """Whether the sample is to be taken."""
        if sampling is None or sampling.planned is None:
            return False
        return self.wanted == "always" or sampling.verdict == "pays"


def foresee(planner: Planner) -> Plan:
    """
    The plan as far as it can be told without encoding anything.

    Raises its refusal, which says so where a sample might lift it.
    """
    plan, refusal = planner.first()
    if refusal is None:
        return plan
    sampling = plan.sampling
    if planner.wants(sampling) and sampling is not None:
        refusal.message += (
            f" A sample encode could tell more: {sampling.reason[0].lower()}"
            f"{sampling.reason[1:]} `run` takes it; here, --sample always does."
        )
    raise refusal


def planner_of(
    request: Request,
    wiring: Wiring,
    source: Source,
    media: Media,
    chosen: tuple[Profile, Platform, Constraints],
) -> Planner:
    profile, platform, wishes = chosen
    hardware = profile.video is not None and profile.video.may_use_hardware

    def plan(constraints: Constraints, content: Content | None) -> Plan:
        return make_plan(
            source,
            media,
            profile,
            platform,
            machine=wiring.machine,
            constraints=constraints,
            capabilities=wiring.capabilities(prove_hardware=hardware),
            coefficients=wiring.coefficients,
            engine=request.engine,
            others=[p for p in wiring.platforms() if p.name != platform.name],
            services=wiring.services,
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
            machine=wiring.machine,
            constraints=wishes,
            coefficients=wiring.coefficients,
        ),
        understand=lambda attempt, sample: content_of(
            attempt,
            sample.task,
            coefficients=wiring.coefficients,
            platform=platform.name,
        ),
    )


def constraints_of(request: Request, platform: Platform) -> Constraints:
    budget = None
    if request.budget is not None:
        try:
            budget = Money(amount=Decimal(request.budget), currency=platform.currency)
        except InvalidOperation as exc:
            raise UsageError(
                f"--budget {request.budget!r} is no decimal amount; write 0.05 for "
                f"five hundredths of a {platform.currency}.",
            ) from exc
    return Constraints(
        deadline_seconds=request.deadline_seconds,
        budget=budget,
        memory_mib=request.memory_mib,
        optimize=request.optimize,
        chunks=request.chunks,
        accept_partial=request.accept_partial,
    )
