"""
Media + profile + platform + constraints → Plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..contract import (
    RESULT_VERSION,
    Candidate,
    Capabilities,
    Constraints,
    Content,
    Division,
    FoundFactor,
    Media,
    Money,
    OnePiece,
    Plan,
    PlannedTask,
    PlatformRef,
    ProfileRef,
    Recipe,
    Rung,
    Source,
    Starting,
    Usage,
)
from ..errors import (
    BudgetTooSmall,
    DeadlineTooShort,
    EncoderMissing,
    MediaError,
    PlanError,
    QualityError,
    SpecTooSmall,
)
from ..media.timeline import made
from ..platforms.managed_services import Service, service_price
from ..platforms.platform import Machine, Platform
from ..platforms.price import start_seconds, store_terms
from .alternatives import look_elsewhere, offers
from .choose import Choice, choose
from .chunk_choice import Why, crowded, decide, short_of_cores
from .chunk_search import ChunkedPlan, ChunkSearch
from .codecs import BITS
from .coefficients import Coefficients
from .profile import Profile
from .quality import has_target, said_of, with_factors, without_idle_rungs
from .recipe import make_recipe
from .sample_parts import LOOKS, looks_of
from .tasks import planned_task, tasks_of, together, total
from .ways import CodecWay, cheapest, with_way
from .ways import said_of as way_said
from .workload import written_bytes_of

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
    *content* is what a sample encode showed (`sample_parts.content_of`).
    With *exists*, the destination holds this job's result and the plan is to do
    nothing.

    Raises `MediaUnsupported`, `MediaRejected` and `EncoderMissing` as `make_recipe`
    does, `PlatformError` for a forced memory that is no point of the lattice, and a
    `PlanError` when no spec meets *constraints*; it says what would.
    """
    job = job_id(source, profile, accept_partial=constraints.accept_partial)
    if exists:
        return _skipped(source, media, profile, platform, engine, job=job)
    asked = profile
    profile, way = _cheapest_way(
        media, profile, platform, machine=machine, capabilities=capabilities,
        coefficients=coefficients,
    )  # fmt: skip
    accepted = _encoding_all(profile) if constraints.accept_partial else profile
    decision = make_recipe(media, accepted, capabilities)
    recipe = decision.recipe
    if constraints.accept_partial:
        recipe = recipe.model_copy(update={"accept_partial": True})
    factors = content.factors if content else {}
    recipe, idle = _aimed(media, recipe, factors)

    service = _Desk(media, recipe, machine, coefficients, content)

    def encoding_it() -> PlannedTask | None:
        try:
            encoding = make_recipe(media, _encoding_all(profile), capabilities).recipe
            encoding, _ = _aimed(media, encoding, factors)
            choice = service.choose(platform, constraints, encoding)
        except (PlanError, EncoderMissing, MediaError):
            # What cannot be done is no way out; copying is what was asked for.
            return None
        return planned_task(source, media, encoding, choice=choice, job=job)

    divider, whole, divided, why = service.decide(platform, constraints)
    single = None
    if whole is not None:
        single = planned_task(source, media, recipe, choice=whole, job=job)
    if single and _copies(recipe):
        single = single.model_copy(update={"fallback": encoding_it()})
    parts = divider.parts(divided) if divided else None
    tasks = tasks_of(source, media, parts, single, job=job)
    planned = tasks[0]
    # In chunks elsewhere only if in chunks here: the same is compared.
    look_at = service.look_at if divided is None else service.look_at_chunks
    return Plan(
        job_id=planned.task.job_id,
        source=source,
        profile=ProfileRef(name=asked.name, digest=asked.digest),
        platform=_reference(platform),
        engine=engine,
        media=media,
        rung=decision.rung,
        reasons=(*decision.reasons, *way, *idle),
        tasks=tasks,
        predicted=together(tasks, divided),
        predicted_cost=total(task.task.predicted_cost for task in tasks),
        store=store_terms(platform),
        division=_division(
            recipe, divided, why, service.one_piece(platform, constraints, whole)
        ),
        starting=_starting(platform, tasks) if constraints.starts else None,
        elsewhere=tuple(
            look_elsewhere(other, constraints, look_at) for other in others
        ),
        services=tuple(
            service_price(it, made(media, recipe), recipe) for it in services
        ),
        hardware=offers(platform, planned.candidates[0], made(media, recipe), recipe)
        if divided is None
        else (),
        deadline_seconds=constraints.deadline_seconds,
        budget=constraints.budget,
        warnings=(
            *_cut(media),
            *crowded(divided, platform, engine=engine, machine=machine),
            *short_of_cores(planned.task.spec, platform, engine, machine=machine),
            *decision.warnings,
            *said_of(recipe, factors),
        ),
    )


def _starting(platform: Platform, tasks: Sequence[PlannedTask]) -> Starting | None:
    """The start of the longest task's instance."""
    start = platform.start
    if start is None:
        return None
    longest = max((it.task for it in tasks), key=lambda it: it.predicted.wall_seconds)
    return Starting(
        seconds=start_seconds(platform, longest.spec),
        share=start.share,
        source=start.source,
        as_of=start.as_of.isoformat(),
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    """What is the same on every platform."""

    media: Media
    recipe: Recipe
    machine: Machine | None
    coefficients: Coefficients
    content: Content | None

    def choose(
        self, platform: Platform, wishes: Constraints, recipe: Recipe | None = None
    ) -> Choice:
        """The best single task."""
        recipe = recipe or self.recipe
        return choose(
            made(self.media, recipe),
            recipe,
            platform=platform,
            machine=self.machine,
            constraints=wishes,
            coefficients=self.coefficients,
            content=self.content,
        )

    def decide(
        self, platform: Platform, wishes: Constraints
    ) -> tuple[ChunkSearch, Choice | None, ChunkedPlan | None, Why]:
        """In one piece or in chunks, and why."""
        divider = ChunkSearch(
            self.media,
            self.recipe,
            platform,
            self.machine,
            wishes,
            self.coefficients,
            self.content,
        )
        whole: Choice | PlanError
        try:
            whole = self.choose(platform, wishes)
        except (DeadlineTooShort, SpecTooSmall, BudgetTooSmall) as exc:
            whole = exc
        divided, why = decide(divider, whole)
        choice = None if isinstance(whole, PlanError) else whole
        return divider, choice, divided, why

    def one_piece(
        self, platform: Platform, wishes: Constraints, whole: Choice | None
    ) -> Candidate | None:
        """The best single task, whatever the deadline; None where none does it."""
        if whole is not None:
            return whole.candidates[0]
        unhurried = {"deadline_seconds": None, "budget": None}
        try:
            found = self.choose(platform, wishes.model_copy(update=unhurried))
        except PlanError:
            return None
        return found.candidates[0]

    def look_at(
        self, platform: Platform, wishes: Constraints
    ) -> tuple[Candidate | None, ChunkedPlan | None]:
        return self.choose(platform, wishes).candidates[0], None

    def look_at_chunks(
        self, platform: Platform, wishes: Constraints
    ) -> tuple[Candidate | None, ChunkedPlan | None]:
        _, choice, divided, _ = self.decide(platform, wishes)
        return choice.candidates[0] if choice else None, divided


def _cheapest_way(  # noqa: PLR0913 - as of a plan
    media: Media,
    profile: Profile,
    platform: Platform,
    *,
    machine: Machine | None,
    capabilities: Capabilities,
    coefficients: Coefficients,
) -> tuple[Profile, tuple[str, ...]]:
    """
    *profile* in the codec and preset that cost least, and a sentence about it.

    Decided by headers, with neither deadline nor budget, so that a sample changes
    nothing of it. What conforms is copied: that is cheapest of all. Raises
    `QualityError` where delivery is priced in another currency.
    """
    if profile.video is None or not profile.video.ways:
        return profile, ()
    delivery = profile.delivery
    if delivery is not None and delivery.currency != platform.currency:
        raise QualityError(
            f"Profile {profile.name} prices delivery in {delivery.currency} and "
            f"{platform.name} is paid in {platform.currency}: give prices in that.",
            currency=delivery.currency,
        )
    first = make_recipe(media, profile, capabilities).recipe
    if not first.video or any(it.made_by == "copied" for it in first.video):
        return profile, ()
    # What the pictures take as it is in the profile; each way takes a share of it.
    sizes = [
        written_bytes_of(it, media, first) / BITS.get((it.codec, it.preset or ""), 1)
        for it in first.video
    ]
    ways = []
    for codec, preset in profile.video.several:
        try:
            recipe = make_recipe(
                media, with_way(profile, codec, preset), capabilities
            ).recipe
            choice = choose(
                made(media, recipe), recipe, platform=platform, machine=machine,
                constraints=Constraints(), coefficients=coefficients,
            )  # fmt: skip
        except (EncoderMissing, PlanError):
            continue
        share = BITS[codec, preset]
        ways.append(
            CodecWay(
                codec=codec,
                preset=preset,
                encode=choice.candidates[0].cost,
                stored_bytes=round(sum(sizes) * share),
                viewed_bytes=round(max(sizes) * share),
            )
        )
    if not ways:
        return profile, ()
    best = cheapest(ways, delivery)
    return with_way(profile, best.codec, best.preset), (way_said(ways, delivery),)


def _division(
    recipe: Recipe,
    divided: ChunkedPlan | None,
    why: Why,
    one_piece: Candidate | None,
) -> Division | None:
    if not any(it.made_by == "encoded" for it in recipe.video):
        return None
    beside = None
    if divided is not None and one_piece is not None:
        wall = one_piece.predicted.wall_seconds
        beside = OnePiece(wall_seconds=wall, cost=one_piece.cost)
    return Division(
        chunks=divided.count if divided else 1,
        possible=why.possible,
        reason=why.said,
        one_piece=beside,
    )


def _aimed(
    media: Media, recipe: Recipe, factors: Mapping[str, FoundFactor]
) -> tuple[Recipe, tuple[str, ...]]:
    """
    With what a search found, without rungs that add nothing, and with the places where
    it is shown whether a target was reached.
    """
    if not has_target(recipe):
        return recipe, ()
    recipe = with_factors(recipe, factors)
    video = next((it for it in media.video if it.index == recipe.video_index), None)
    rate = video.bit_rate if video else None
    recipe, idle = without_idle_rungs(recipe, factors, rate)
    if not has_target(recipe):
        return recipe, idle
    looks = looks_of(media, recipe)
    now, later = looks[:LOOKS], looks[LOOKS:]
    return recipe.model_copy(update={"looks": now, "more_looks": later}), idle


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
