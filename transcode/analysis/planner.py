"""How one job is planned: with what a sample or an index told, and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..contract import (
    Attempt,
    Constraints,
    Content,
    Media,
    Plan,
    PlannedTask,
    Sampling,
    Source,
)
from ..errors import BudgetTooSmall, DeadlineTooShort, PlanError, QualityError
from ..media.timeline import without_sound
from ..plan.indexing import index_of
from ..plan.make_plan import make_plan
from ..plan.profile import Profile
from ..plan.quality import has_target
from ..plan.sample_parts import content_of
from ..plan.sampling import consider
from ..platforms.platform import Platform
from ..request import Request, Wanted
from ..wiring import Wiring


@dataclass(frozen=True, slots=True)
class Planner:
    """How this job is planned, with what a sample told and without."""

    constraints: Constraints
    wanted: Wanted
    accepts: frozenset[str]
    """Verdicts on a sample by which it is taken unasked."""
    plan: Callable[[Constraints, Content | None], Plan]
    """Raises `PlanError`."""
    consider: Callable[[Plan, PlanError | None], Sampling | None]
    understand: Callable[[Attempt, PlannedTask], Content | None]
    index_of: Callable[[Plan, str | None], PlannedTask]
    """The pass over all packets, before a plan that is made as if there were one; on
    another platform by its name."""

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
        return self.wanted == "always" or sampling.verdict in self.accepts


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
    waited_for: bool = True,
) -> Planner:
    """
    Makes the plans of one job. With *compare* they say what it would cost on every
    other platform and at services, too: to be looked at, no job needs it. Where nobody
    waits, a sample is one more call and its cold start: it is taken where it is needed.
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
        frozenset({"pays", "needed"} if waited_for else {"needed"}),
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
        index_of=lambda plan, on: index_of(
            plan,
            platform=platform if on is None else wiring.catalog.platform(on),
            machine=wiring.machine_of(request.engine),
            coefficients=wiring.coefficients,
            optimize=wishes.optimize,
        ),
    )
