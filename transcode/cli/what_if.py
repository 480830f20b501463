"""What a task would take in other specs: where plans meet the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import pipeline
from ..contract import Constraints, Media, OutcomeKind, Recipe, Spec, Usage
from ..contract.job import LedgerRecord
from ..errors import MediaError, PlanError
from ..ledger.advise import Case
from ..ledger.reprice import Predict, SpecOf
from ..media.timeline import made
from ..plan.choose import choose
from ..plan.predict import predict
from ..platforms.platform import Platform, lattice, spec_for_memory
from ..request import Request
from ..signals import run_to_the_end
from ..units import one_line
from ..wiring import Wiring

if TYPE_CHECKING:
    from .policy import Policy


def predictor(wired: Wiring) -> Predict:
    """What a record's task takes in a spec, by the coefficients that plans use."""

    def usage(record: LedgerRecord, spec: Spec) -> Usage | None:
        if record.media is None or record.recipe is None:
            return None
        try:
            return predict(
                made(record.media, record.recipe),
                record.recipe,
                spec=spec,
                coefficients=wired.coefficients,
                platform=record.platform.name,
            ).usage
        except PlanError:
            return None

    return usage


def specs(
    policy: Policy, wired: Wiring, platform_of: Callable[[LedgerRecord], Platform]
) -> SpecOf:
    """The spec that *policy* gives a record's task."""

    def spec_of(record: LedgerRecord) -> Spec | None:
        platform, ran = platform_of(record), record.attempt.spec
        if policy.kind == "fixed":
            return spec_for_memory(platform, policy.memory_mib, wired.machine)
        if policy.kind == "same":
            if platform.name == record.platform.name:
                return ran
            enough = (
                spec
                for spec in lattice(platform, wired.machine)
                if spec.memory_mib >= ran.memory_mib
                and spec.milli_cpus >= ran.milli_cpus
            )
            return next(enough, None)
        if record.media is None or record.recipe is None:
            return None
        try:
            chosen = choose(
                made(record.media, record.recipe),
                record.recipe,
                platform=platform,
                machine=wired.machine,
                constraints=Constraints(optimize=policy.optimize),
                coefficients=wired.coefficients,
            )
        except PlanError:
            return None
        return chosen.candidates[0].spec

    return spec_of


def cases_of_records(
    wired: Wiring, records: list[LedgerRecord], platform: Platform
) -> tuple[list[Case], int]:
    """One for each task that succeeded; and how many hold too little for it."""

    cases: list[Case] = []
    left_out = 0
    for record in records:
        if record.attempt.outcome is not OutcomeKind.SUCCEEDED:
            continue
        if record.media is None or record.recipe is None:
            left_out += 1
            continue
        case = _case(wired, record.media, record.recipe, platform, record.profile.name)
        if case is None:
            left_out += 1
        else:
            cases.append(case)
    return cases, left_out


def _case(
    wired: Wiring, media: Media, recipe: Recipe, platform: Platform, group: str
) -> Case | None:

    try:
        found = choose(
            made(media, recipe),
            recipe,
            platform=platform,
            machine=wired.machine,
            constraints=Constraints(optimize="cost"),
            coefficients=wired.coefficients,
        )
    except PlanError:
        return None
    return Case(group, found.candidates)


def cases_of_samples(
    wired: Wiring, samples: tuple[str, ...], profile: str, platform: str
) -> tuple[list[Case], int]:
    """One for each task that the samples make; and how many files make none."""

    files = []
    for sample in samples:
        path = Path(sample)
        inside = sorted(path.rglob("*")) if path.is_dir() else []
        files += [str(one) for one in inside if one.is_file()] or [sample]
    cases: list[Case] = []
    left_out = 0

    async def plan() -> None:
        nonlocal left_out
        for file in files:
            request = Request(
                source=file, profile=profile, platform=platform, optimize="cost"
            )
            try:
                plan = await pipeline.admit(request, wired)
            except (MediaError, PlanError) as exc:
                left_out += 1
                click.echo(one_line(f"transcode: left out: {exc.message}"), err=True)
                continue
            cases.extend(Case(profile, task.candidates) for task in plan.tasks)

    run_to_the_end(plan)
    return cases, left_out
