"""Plan + what became of it → Manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from ..contract import (
    Artifact,
    Check,
    Failure,
    JobCost,
    Manifest,
    Media,
    OutcomeKind,
    Output,
    Plan,
    PlatformRef,
    Produced,
    ProfileRef,
    SourceRecord,
    StoreCharge,
    TaskRecord,
    TaskResult,
    Verification,
)
from ..contract.task import PARTS
from ..errors import Cancelled, TranscodeError

__all__ = ["ending_of", "has_succeeded", "status_of", "was_cancelled"]

Status = Literal["succeeded", "rejected", "failed", "cancelled"]

_TOLD_BY_DECODERS = frozenset({"shown", "picture"})
"""Checks that a join cannot make: it decodes nothing."""


@dataclass(frozen=True, slots=True)
class RunEnding:
    """How and when a job ended."""

    status: Status
    finished_at: str
    """UTC, ISO 8601."""
    wall_seconds: float


def succeeded(
    plan: Plan,
    results: Sequence[TaskResult],
    ending: RunEnding,
    *,
    uri: Callable[[str], str],
    location: str,
) -> Manifest:
    """The receipt of a job whose every output was verified, and lies at *uri*."""
    artifacts = artifacts_of(results)
    return _manifest(plan, results, ending).model_copy(
        update={
            "outputs": tuple(_output(a, uri) for a in artifacts),
            "location": location,
        }
    )


def artifacts_of(results: Iterable[TaskResult]) -> tuple[Artifact, ...]:
    """Every file that was made to be kept."""
    return tuple(a for p in _kept(results) for a in p.artifacts)


def failed(
    plan: Plan,
    results: Sequence[TaskResult],
    ending: RunEnding,
    *,
    failure: Failure,
) -> Manifest:
    """The same shape for a failure: what was tried, what it cost, and why."""
    return _manifest(plan, results, ending).model_copy(update={"error": failure})


def refused(  # noqa: PLR0913 - what a plan would have held
    job_id: str,
    source: SourceRecord,
    profile: ProfileRef,
    platform: PlatformRef,
    *,
    engine: str,
    currency: str,
    ending: RunEnding,
    failure: Failure,
) -> Manifest:
    """A failure before there was a plan: nothing was tried and nothing paid for."""
    return Manifest(
        job_id=job_id,
        status=ending.status,
        source=source,
        profile=profile,
        platform=platform,
        engine=engine,
        media=None,
        cost=JobCost(amount=Decimal(0), currency=currency, predicted=Decimal(0)),
        verification=Verification(passed=False, checks=()),
        error=failure,
        finished_at=ending.finished_at,
        wall_seconds=ending.wall_seconds,
    )


def _manifest(plan: Plan, results: Sequence[TaskResult], ending: RunEnding) -> Manifest:
    checks = _checks(results)
    spent = sum((a.cost.amount for r in results for a in r.attempts), start=Decimal(0))
    return Manifest(
        job_id=plan.job_id,
        status=ending.status,
        source=SourceRecord(
            uri=plan.source.uri,
            bytes=plan.source.bytes,
            etag=plan.source.etag,
            version=plan.source.version,
        ),
        profile=plan.profile,
        platform=plan.platform,
        engine=plan.engine,
        media=_without_index(plan.media),
        rung=plan.rung,
        tasks=tuple(
            TaskRecord(task_id=r.task_id, kind=r.kind, attempts=r.attempts)
            # In the order in which they were done.
            for r in sorted(results, key=lambda one: one.kind == "join")
        ),
        cost=JobCost(
            amount=spent,
            currency=plan.predicted_cost.currency,
            predicted=plan.predicted_cost.amount,
            store=_store(plan, results),
            one_piece=plan.division.one_piece if plan.division else None,
        ),
        verification=Verification(
            passed=bool(checks) and all(c.passed for c in checks), checks=checks
        ),
        partial=next((p.partial for p in _kept(results)), None),
        warnings=tuple(_unique([*plan.warnings, *_notes(results)])),
        finished_at=ending.finished_at,
        wall_seconds=ending.wall_seconds,
    )


def _store(plan: Plan, results: Sequence[TaskResult]) -> StoreCharge | None:
    used = (a.measured for r in results for a in r.attempts if a.measured is not None)
    asked = [it.store for it in used if it.store is not None]
    if not asked:
        return None
    whole = sum(asked[1:], start=asked[0])
    terms = plan.store
    cost = None if terms is None else terms.cost(whole)
    reason = None
    if cost is None:
        reason = f"platform {plan.platform.name} has no prices of a store"
        reason = reason if terms is None else terms.reason
    return StoreCharge(
        puts=whole.puts,
        gets=whole.gets,
        counted=whole.counted,
        amount=None if cost is None else cost.amount,
        reason=reason,
    )


def _checks(results: Sequence[TaskResult]) -> tuple[Check, ...]:
    """Of what is kept; and of its chunks what whoever decodes has to tell."""
    kept = [check for it in _kept(results) for check in it.checks]
    of_chunks: dict[str, list[Check]] = {}
    for result in results:
        if result.kind == "chunk" and result.produced:
            for check in result.produced.checks:
                if check.name in _TOLD_BY_DECODERS:
                    of_chunks.setdefault(check.name, []).append(check)
    return (*kept, *map(_in_all, of_chunks.values()))


def _in_all(checks: Sequence[Check]) -> Check:
    """One check of several chunks, in the words of the one that is worst off."""
    worst = min(checks, key=lambda it: it.passed)
    return worst.model_copy(
        update={"detail": f"{worst.detail} (in each of {len(checks)} chunks)"}
        if worst.passed
        else {}
    )


def _kept(results: Iterable[TaskResult]) -> list[Produced]:
    """What was made to be kept: chunks are gone once they are joined."""
    return [r.produced for r in results if r.produced and r.kind not in PARTS]


def _notes(results: Iterable[TaskResult]) -> list[str]:
    return [note for r in results if r.produced for note in r.produced.notes]


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _without_index(media: Media) -> Media:
    """An hour of video has thousands of keyframe times; nobody reads them here."""
    return media.model_copy(
        update={
            "video": tuple(
                v.model_copy(update={"keyframe_seconds": None}) for v in media.video
            )
        }
    )


def _output(artifact: Artifact, uri: Callable[[str], str]) -> Output:
    facts = artifact.model_dump(exclude={"path"})
    return Output(uri=uri(artifact.path), **facts)


def status_of(error: TranscodeError) -> Status:
    if isinstance(error, Cancelled):
        return "cancelled"
    return "rejected" if error.outcome is OutcomeKind.REJECTED else "failed"


def ending_of(status: Status, started: float) -> RunEnding:
    return RunEnding(
        status=status,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        wall_seconds=time.monotonic() - started,
    )


def has_succeeded(result: TaskResult) -> bool:
    """Its last attempt did."""
    return result.attempts[-1].outcome is OutcomeKind.SUCCEEDED


def was_cancelled(result: TaskResult) -> bool:
    """Its last attempt was."""
    return result.attempts[-1].outcome is OutcomeKind.CANCELLED
