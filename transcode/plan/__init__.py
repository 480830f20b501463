"""
Media + profile + platform + constraints → Plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from decimal import Decimal

from ..clipping import made
from ..contract import (
    RESULT_VERSION,
    Capabilities,
    Constraints,
    Content,
    Division,
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
    Usage,
)
from ..errors import (
    BudgetTooSmall,
    DeadlineTooShort,
    EncoderMissing,
    MediaError,
    PlanError,
    PlatformError,
    SpecTooSmall,
)
from ..platforms import Machine, Platform
from ..services import Service, service_price
from .choose import Choice, choose
from .divide import Divided, Divider
from .hardware import offers
from .pieces import decide
from .predict import Coefficients
from .profile import Profile
from .recipe import make_recipe
from .tasking import planned_task, tasks_of, together, total

__all__ = ["job_id", "make_plan"]


def job_id(source: Source, profile: Profile, *, accept_partial: bool = False) -> str:
    """
    32 hex digits: the same source version under the same profile is the same job.

    SHA-256 over uri, version (or etag), the profile's digest and `RESULT_VERSION`, and
    over *accept_partial* where that is so: it may give other results.
    """
    identity: list[str | int | None] = [
        source.uri,
        source.version if source.version is not None else source.etag,
        profile.digest,
        RESULT_VERSION,
    ]
    if accept_partial:
        identity.append("accept_partial")
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
    services: Sequence[Service] = (),
    content: Content | None = None,
    exists: bool = False,
) -> Plan:
    """
    What to do about *source*, on which spec, and what it will take.

    Nothing is read and nothing is started. *others* and *services* are priced for
    comparison only.
    *content* is what a sample encode showed (`sampling.content_of`).
    With *exists*, the destination holds this job's result and the plan is to do
    nothing.

    Raises `MediaUnsupported`, `MediaRejected` and `EncoderMissing` as `make_recipe`
    does, `PlatformError` for a forced memory that is no point of the lattice, and a
    `PlanError` when no spec meets *constraints*; it says what would.
    """
    job = job_id(source, profile, accept_partial=constraints.accept_partial)
    if exists:
        return _skipped(source, media, profile, platform, engine, job=job)
    accepted = _encoding_all(profile) if constraints.accept_partial else profile
    decision = make_recipe(media, accepted, capabilities)
    recipe = decision.recipe
    if constraints.accept_partial:
        recipe = recipe.model_copy(update={"accept_partial": True})

    def choose_on(
        platform: Platform, constraints: Constraints, recipe: Recipe = recipe
    ) -> Choice:
        return choose(
            made(media, recipe),
            recipe,
            platform=platform,
            machine=machine,
            constraints=constraints,
            coefficients=coefficients,
            content=content,
        )

    def divide_on(
        platform: Platform, constraints: Constraints
    ) -> tuple[Choice | None, Divided | None, str]:
        divider = Divider(
            media, recipe, platform, machine, constraints, coefficients, content
        )
        whole: Choice | PlanError
        try:
            whole = choose_on(platform, constraints)
        except (DeadlineTooShort, SpecTooSmall, BudgetTooSmall) as exc:
            whole = exc
        divided, why = decide(divider, whole)
        return None if isinstance(whole, PlanError) else whole, divided, why

    def encoding_it() -> PlannedTask | None:
        try:
            encoding = make_recipe(media, _encoding_all(profile), capabilities).recipe
            choice = choose_on(platform, constraints, encoding)
        except (PlanError, EncoderMissing, MediaError):
            # What cannot be done is no way out; copying is what was asked for.
            return None
        return planned_task(source, media, encoding, choice=choice, job=job)

    whole, divided, why = divide_on(platform, constraints)
    single = None
    if whole is not None:
        single = planned_task(source, media, recipe, choice=whole, job=job)
    if single and _copies(recipe):
        single = single.model_copy(update={"instead": encoding_it()})
    tasks = tasks_of(source, media, divided, single, job=job)
    planned = tasks[0]
    encodes = any(it.made_by == "encoded" for it in recipe.video)
    count = len(divided.chunks) if divided else 1
    return Plan(
        job_id=planned.task.job_id,
        source=source,
        profile=ProfileRef(name=profile.name, digest=profile.digest),
        platform=_reference(platform),
        engine=engine,
        media=media,
        rung=decision.rung,
        reasons=decision.reasons,
        tasks=tasks,
        predicted=together(tasks, divided),
        predicted_cost=total(task.task.predicted_cost for task in tasks),
        division=Division(chunks=count, reason=why) if encodes else None,
        elsewhere=tuple(_elsewhere(other, constraints, divide_on) for other in others),
        services=tuple(
            service_price(it, made(media, recipe), recipe) for it in services
        ),
        hardware=offers(platform, planned.candidates[0], made(media, recipe), recipe)
        if divided is None
        else (),
        deadline_seconds=constraints.deadline_seconds,
        budget=constraints.budget,
        warnings=(*_cut(media), *decision.warnings),
    )


def _copies(recipe: Recipe) -> bool:
    made = {it.made_by for it in recipe.video} | {it.made_by for it in recipe.audio}
    return "copied" in made


def _encoding_all(profile: Profile) -> Profile:
    """A copy would hand the damage on to whoever plays it; a decoder mends some."""
    no = {"copy_conforming": False}
    video = profile.video and profile.video.model_copy(update=no)
    sounds = tuple(it.model_copy(update=no) for it in profile.audio)
    return profile.model_copy(update={"video": video, "audio": sounds})


def _cut(media: Media) -> list[str]:
    if media.truncated is None:
        return []
    reason = media.truncated.reason
    return [f"The source was cut off ({reason}): what is left of it is made."]


def _elsewhere(
    platform: Platform,
    constraints: Constraints,
    divide_on: Callable[
        [Platform, Constraints], tuple[Choice | None, Divided | None, str]
    ],
) -> Elsewhere:
    # A forced memory is a point of one platform's lattice, a budget is in one currency.
    comparable = constraints.model_copy(update={"memory_mib": None})
    budget = constraints.budget
    if budget is not None and budget.currency != platform.currency:
        comparable = comparable.model_copy(update={"budget": None})
    try:
        choice, divided, _ = divide_on(platform, comparable)
    except (PlanError, PlatformError) as exc:
        return Elsewhere(
            platform=platform.name,
            spec=None,
            wall_seconds=None,
            cost=None,
            reason=exc.message,
        )
    if divided is not None:
        chunk, count = divided.chunks[0].choice.candidates[0], len(divided.chunks)
        parts = (*divided.chunks, divided.join)
        return Elsewhere(
            platform=platform.name,
            spec=chunk.spec,
            wall_seconds=divided.wall_seconds,
            cost=total(it.choice.candidates[0].cost for it in parts),
            chunks=count,
        )
    best = choice.candidates[0] if choice else None
    return Elsewhere(
        platform=platform.name,
        spec=best and best.spec,
        wall_seconds=best and best.predicted.wall_seconds,
        cost=best and best.cost,
    )


def _skipped(  # noqa: PLR0913 - as above
    source: Source,
    media: Media,
    profile: Profile,
    platform: Platform,
    engine: str,
    *,
    job: str,
) -> Plan:
    return Plan(
        job_id=job,
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
