"""Reading what tries before this one have finished, and writing what this one plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Literal

from pydantic import Field

from ..contract import (
    Constraints,
    InvocationReport,
    KeptWork,
    Media,
    OrderedWork,
    Plan,
    PlannedTask,
    TaskResult,
)
from ..contract.job import Claim, StoredRecord
from ..errors import ObjectExists
from ..invoke.remote import ORDER, REPORT, unsigned
from ..invoke.takeover import ReportedAttempt
from ..store.bucket import Bucket
from ..store.destination import RECORDS
from .repository import NUMBERED, STATE, read_several

MEASURING_KINDS = ("index", "sample")
"""Of tasks that measure, in the order in which a plan asks for them."""


class PlannedTry(StoredRecord):
    """What a try at a job set out to do; whoever goes on with it keeps to that."""

    schema_: Literal["transcode/try/1"] = Field("transcode/try/1", alias="schema")
    job_id: str
    claim: int
    plan: Plan
    kept: Mapping[str, KeptWork] = Field(default_factory=dict)
    """Task → what a try before has made of it."""
    measured: tuple[TaskResult, ...] = ()
    """What was measured for the plan, where nobody waited for it."""


class MeasuringTry(StoredRecord):
    """What a try measures before it plans; whoever finishes that plans by it."""

    schema_: Literal["transcode/measuring/1"] = Field(
        "transcode/measuring/1", alias="schema"
    )
    job_id: str
    claim: int
    plan: Plan
    """Of the one task that measures."""
    media: Media
    """What the decision was begun with."""
    constraints: Constraints
    """Of when it was begun: what is left of a deadline falls meanwhile."""


def plan_path(job_id: str, claim: int) -> str:
    """Where the plan of that try lies."""
    return f"{STATE}/jobs/{job_id}/plans/{claim:06d}.json"


def measuring_path(job_id: str, claim: int, kind: str) -> str:
    """Where it lies what that try measures: an `index`, a `sample`."""
    return f"{STATE}/jobs/{job_id}/plans/{claim:06d}.{kind}.json"


async def write_plan(
    objects: Bucket,
    claim: Claim,
    plan: Plan,
    kept: Mapping[str, KeptWork],
    measured: tuple[TaskResult, ...] = (),
) -> None:
    """Once; nothing in it opens the source."""
    known = PlannedTry(
        job_id=claim.job_id,
        claim=claim.number,
        plan=_closed(plan),
        kept=kept,
        measured=measured,
    )
    await _create(objects, plan_path(claim.job_id, claim.number), known)


async def write_measuring(
    objects: Bucket, claim: Claim, plan: Plan, media: Media, constraints: Constraints
) -> None:
    """Once; *plan* is of the one task that measures."""
    known = MeasuringTry(
        job_id=claim.job_id,
        claim=claim.number,
        plan=_closed(plan),
        media=media,
        constraints=constraints,
    )
    (one,) = plan.tasks
    path = measuring_path(claim.job_id, claim.number, one.task.kind)
    await _create(objects, path, known)


async def _create(objects: Bucket, path: str, record: StoredRecord) -> None:
    # A reply was lost, or somebody else has decided the same.
    with suppress(ObjectExists):
        await objects.create(path, record.to_json().encode())


def _closed(plan: Plan) -> Plan:
    """*plan* without anything that opens the source."""

    def one(planned: PlannedTask) -> PlannedTask:
        instead = planned.fallback
        return planned.model_copy(
            update={
                "task": unsigned(planned.task),
                "fallback": None if instead is None else one(instead),
            }
        )

    sampling = plan.sampling
    if sampling is not None:
        # What it cost counts; it is over.
        sampling = sampling.model_copy(update={"planned": None})
    indexing = plan.indexing
    if indexing is not None:
        indexing = indexing.model_copy(update={"planned": None})
    told = {
        "source": plan.source.model_copy(update={"location": plan.source.uri}),
        "tasks": tuple(one(planned) for planned in plan.tasks),
        "sampling": sampling,
        "indexing": indexing,
    }
    return plan.model_copy(update=told)


async def plans_before(
    objects: Bucket, claim: Claim, *, after: int
) -> list[tuple[int, Plan]]:
    """Plans of claims of this round, which began *after* that number."""
    root = plan_path(claim.job_id, 0).rpartition("/")[0] + "/"
    keys: list[tuple[int, str]] = []
    async for entry in objects.entries(root):
        match = NUMBERED.fullmatch(entry.key.removeprefix(root))
        if match and after < int(match[1]) < claim.number:
            keys.append((int(match[1]), entry.key))
    found = await read_several(objects, keys, PlannedTry, strange_too=True)
    return [(number, known.plan) for number, known in found.items()]


async def reported_before(
    objects: Bucket, folder: str, claim: Claim, *, after: int
) -> tuple[ReportedAttempt, ...]:
    """Attempts of claims of this round before *claim* of which a report lies there."""
    root = f"{RECORDS}/{folder}/"
    found: dict[tuple[int, str], set[str]] = {}
    async for entry in objects.entries(root):
        token, _, rest = entry.key.removeprefix(root).partition("/")
        name, _, what = rest.partition("/")
        if token.isdecimal() and after < int(token) < claim.number:
            found.setdefault((int(token), f"{root}{token}/{name}"), set()).add(what)
    there = [key for key, lies in found.items() if {ORDER, REPORT} <= lies]
    orders = await read_several(
        objects,
        [(it, f"{it[1]}/{ORDER}") for it in there],
        OrderedWork,
        strange_too=True,
    )
    reports = await read_several(
        objects,
        [(it, f"{it[1]}/{REPORT}") for it in there],
        InvocationReport,
        strange_too=True,
    )
    return tuple(
        ReportedAttempt(it[0], orders[it].work, reports[it])
        for it in sorted(there)
        if it in orders and it in reports
    )


async def those_there(
    objects: Bucket, reported: Sequence[ReportedAttempt]
) -> tuple[ReportedAttempt, ...]:
    """
    *reported*, without what somebody has removed by hand since: of those that made
    something, the ones of which every file is there.
    """
    root, there = objects.uri(), list[ReportedAttempt]()
    for one in reported:
        produced, place = one.report.produced, one.order.place
        if produced is not None and place is not None:
            under = place.removeprefix(root).strip("/") + "/"
            sizes = {
                entry.key.removeprefix(under): entry.bytes
                async for entry in objects.entries(under)
            }
            if any(sizes.get(it.path) != it.bytes for it in produced.artifacts):
                continue
        there.append(one)
    return tuple(there)
