"""
Media + profile + platform + constraints → Plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from decimal import Decimal

from ..contract import (
    RESULT_VERSION,
    Capabilities,
    Constraints,
    Elsewhere,
    Media,
    Money,
    Plan,
    PlannedTask,
    PlatformRef,
    ProfileRef,
    Recipe,
    Rung,
    Source,
    Task,
    Usage,
)
from ..errors import PlanError, PlatformError
from ..platforms import Machine, Platform
from .choose import Choice, choose
from .predict import Coefficients
from .profile import Profile
from .recipe import make_recipe

__all__ = ["job_id", "make_plan"]


def job_id(source: Source, profile: Profile) -> str:
    """
    32 hex digits: the same source version under the same profile is the same job.

    SHA-256 over uri, version (or etag), the profile's digest and `RESULT_VERSION`.
    """
    identity = [
        source.uri,
        source.version if source.version is not None else source.etag,
        profile.digest,
        RESULT_VERSION,
    ]
    text = json.dumps(identity, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_plan(  # noqa: PLR0913 - a plan is made of just these things
    source: Source,
    media: Media,
    profile: Profile,
    platform: Platform,
    *,
    machine: Machine | None,
    constraints: Constraints,
    capabilities: Capabilities,
    coefficients: Coefficients,
    engine: str,
    others: Sequence[Platform] = (),
    exists: bool = False,
) -> Plan:
    """
    What to do about *source*, on which spec, and what it will take.

    Nothing is read and nothing is started. *others* are priced for comparison only.
    With *exists*, the destination holds this job's result and the plan is to do
    nothing.

    Raises `MediaUnsupported`, `MediaRejected` and `EncoderMissing` as `make_recipe`
    does, `PlatformError` for a forced memory that is no point of the lattice, and a
    `PlanError` when no spec meets *constraints*; it says what would.
    """
    if exists:
        return _skipped(source, media, profile, platform, engine)
    decision = make_recipe(media, profile, capabilities)

    def choose_on(platform: Platform, constraints: Constraints) -> Choice:
        return choose(
            media,
            decision.recipe,
            platform=platform,
            machine=machine,
            constraints=constraints,
            coefficients=coefficients,
        )

    planned = _planned_task(
        source,
        media,
        decision.recipe,
        choice=choose_on(platform, constraints),
        job=job_id(source, profile),
    )
    return Plan(
        job_id=planned.task.job_id,
        source=source,
        profile=ProfileRef(name=profile.name, digest=profile.digest),
        platform=_reference(platform),
        engine=engine,
        media=media,
        rung=decision.rung,
        reasons=decision.reasons,
        tasks=(planned,),
        predicted=planned.task.predicted,
        predicted_cost=planned.task.predicted_cost,
        elsewhere=tuple(_elsewhere(other, constraints, choose_on) for other in others),
        deadline_seconds=constraints.deadline_seconds,
        budget=constraints.budget,
        warnings=decision.warnings,
    )


def _planned_task(
    source: Source, media: Media, recipe: Recipe, *, choice: Choice, job: str
) -> PlannedTask:
    best = choice.candidates[0]
    task = Task(
        task_id=f"{job[:12]}-encode",
        job_id=job,
        source=source,
        media=_without_keyframes(media),
        recipe=recipe,
        spec=best.spec,
        predicted=best.predicted,
        predicted_wall=choice.wall,
        predicted_cost=best.cost,
    )
    return PlannedTask(task=task, candidates=choice.candidates)


def _without_keyframes(media: Media) -> Media:
    # An hour has thousands of them, and an asynchronous call has 128 kB to 1 MB.
    return media.model_copy(
        update={
            "video": tuple(
                it.model_copy(update={"keyframe_seconds": None}) for it in media.video
            )
        }
    )


def _elsewhere(
    platform: Platform,
    constraints: Constraints,
    choose_on: Callable[[Platform, Constraints], Choice],
) -> Elsewhere:
    # A forced memory is a point of one platform's lattice, a budget is in one currency.
    comparable = constraints.model_copy(update={"memory_mib": None})
    budget = constraints.budget
    if budget is not None and budget.currency != platform.currency:
        comparable = comparable.model_copy(update={"budget": None})
    try:
        choice = choose_on(platform, comparable)
    except (PlanError, PlatformError) as exc:
        return Elsewhere(
            platform=platform.name,
            spec=None,
            wall_seconds=None,
            cost=None,
            reason=exc.message,
        )
    best = choice.candidates[0]
    return Elsewhere(
        platform=platform.name,
        spec=best.spec,
        wall_seconds=best.predicted.wall_seconds,
        cost=best.cost,
    )


def _skipped(
    source: Source, media: Media, profile: Profile, platform: Platform, engine: str
) -> Plan:
    return Plan(
        job_id=job_id(source, profile),
        source=source,
        profile=ProfileRef(name=profile.name, digest=profile.digest),
        platform=_reference(platform),
        engine=engine,
        media=media,
        rung=Rung.SKIP,
        reasons=("The destination already holds the result of this job.",),
        tasks=(),
        predicted=Usage(
            wall_seconds=0,
            billed_milliseconds=0,
            cpu_seconds=0,
            peak_memory_bytes=0,
            scratch_bytes=0,
            requests=0,
        ),
        predicted_cost=Money(amount=Decimal(0), currency=platform.currency),
    )


def _reference(platform: Platform) -> PlatformRef:
    return PlatformRef(name=platform.name, price_table=platform.price_table.isoformat())
