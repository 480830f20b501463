"""Plan + what became of it → Manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from ..contract import (
    Artifact,
    Failure,
    JobCost,
    Manifest,
    Media,
    Output,
    Plan,
    SourceRecord,
    TaskRecord,
    TaskResult,
    Verification,
)


def succeeded(
    plan: Plan,
    results: Sequence[TaskResult],
    *,
    uri: Callable[[str], str],
    finished_at: str,
    wall_seconds: float,
) -> Manifest:
    """The receipt of a job whose every output was verified."""
    artifacts = [a for r in results if r.produced for a in r.produced.artifacts]
    return _manifest(
        plan,
        results,
        status="succeeded",
        outputs=tuple(_output(a, uri) for a in artifacts),
        location=uri(""),
        finished_at=finished_at,
        wall_seconds=wall_seconds,
    )


def failed(
    plan: Plan,
    results: Sequence[TaskResult],
    failure: Failure,
    *,
    status: str,
    finished_at: str,
    wall_seconds: float,
) -> Manifest:
    """The same shape for a failure: what was tried, what it cost, and why."""
    return _manifest(
        plan,
        results,
        status=status,
        error=failure,
        finished_at=finished_at,
        wall_seconds=wall_seconds,
    )


def _manifest(
    plan: Plan,
    results: Sequence[TaskResult],
    *,
    status: str,
    outputs: tuple[Output, ...] = (),
    error: Failure | None = None,
    location: str | None = None,
    finished_at: str,
    wall_seconds: float,
) -> Manifest:
    checks = tuple(c for r in results if r.produced for c in r.produced.checks)
    spent = sum(
        (a.cost.amount for r in results for a in r.attempts), start=Decimal(0)
    )
    return Manifest(
        job_id=plan.job_id,
        status=status,  # type: ignore[arg-type]  # pydantic checks the literal
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
        outputs=outputs,
        tasks=tuple(
            TaskRecord(task_id=r.task_id, kind=r.kind, attempts=r.attempts)
            for r in results
        ),
        cost=JobCost(
            amount=spent,
            currency=plan.predicted_cost.currency,
            predicted=plan.predicted_cost.amount,
        ),
        verification=Verification(
            passed=bool(checks) and all(c.passed for c in checks), checks=checks
        ),
        warnings=tuple(_unique([*plan.warnings, *_notes(results)])),
        error=error,
        location=location,
        finished_at=finished_at,
        wall_seconds=wall_seconds,
    )


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
