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
from ..errors import EncoderMissing, MediaError, PlanError, PlatformError
from ..platforms import Machine, Platform
from ..services import Service, service_price
from .choose import Choice, choose
from .hardware import offers
from .predict import Coefficients
from .profile import Profile
from .recipe import make_recipe

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

    def encoding_it() -> PlannedTask | None:
        try:
            encoding = make_recipe(media, _encoding_all(profile), capabilities).recipe
            choice = choose_on(platform, constraints, encoding)
        except (PlanError, EncoderMissing, MediaError):
            # What cannot be done is no way out; copying is what was asked for.
            return None
        return _planned_task(source, media, encoding, choice=choice, job=job)

    planned = _planned_task(
        source,
        media,
        recipe,
        choice=choose_on(platform, constraints),
        job=job,
    )
    if _copies(recipe):
        planned = planned.model_copy(update={"instead": encoding_it()})
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
        services=tuple(
            service_price(it, made(media, recipe), recipe) for it in services
        ),
        hardware=offers(platform, planned.candidates[0], made(media, recipe), recipe),
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
