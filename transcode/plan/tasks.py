"""What was chosen, as tasks: one, or chunks and what joins them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from ..contract import (
    Media,
    Money,
    PlannedTask,
    Recipe,
    Source,
    StoreRequests,
    Task,
    Usage,
)
from .choose import Choice
from .chunk_search import ChunkedPlan, Parts

__all__ = ["planned_task", "tasks_of", "together", "total"]


def planned_task(  # noqa: PLR0913 - a task is made of just these things
    source: Source,
    media: Media,
    recipe: Recipe,
    *,
    choice: Choice,
    job: str,
    kind: Literal["encode", "index", "chunk", "sound", "join"] = "encode",
    number: int | None = None,
) -> PlannedTask:
    """One task in the spec that was chosen for it."""
    best = choice.candidates[0]
    task = Task(
        task_id=f"{job[:12]}-{kind}" + ("" if number is None else f"-{number}"),
        kind=kind,
        job_id=job,
        source=source,
        media=without_keyframes(media),
        recipe=recipe,
        spec=best.spec,
        predicted=best.predicted,
        predicted_wall=choice.wall,
        predicted_cost=best.cost,
    )
    return PlannedTask(task=task, candidates=choice.candidates)


def tasks_of(
    source: Source,
    media: Media,
    parts: Parts | None,
    single: PlannedTask | None,
    *,
    job: str,
) -> tuple[PlannedTask, ...]:
    """What ends the job comes first, what has to be done before it after."""
    if parts is None:
        return (single,) if single else ()
    chunks = tuple(
        planned_task(
            source, media, part.recipe, choice=part.choice, job=job, kind="chunk",
            number=number,
        )
        for number, part in enumerate(parts.chunks, 1)
    )  # fmt: skip
    sound = () if parts.sound is None else (
        planned_task(
            source, media, parts.sound.recipe, choice=parts.sound.choice, job=job,
            kind="sound",
        ),
    )  # fmt: skip
    join = planned_task(
        source, media, parts.join.recipe, choice=parts.join.choice, job=job,
        kind="join",
    )  # fmt: skip
    joining = join.task.model_copy(
        update={"joins": tuple(it.task.task_id for it in (*chunks, *sound))}
    )
    fallback = None
    if single is not None:
        # What is copied, too, was not what it seemed.
        way_out = single.fallback or single
        named = way_out.task.model_copy(update={"task_id": joining.task_id})
        fallback = way_out.model_copy(update={"task": named, "fallback": None})
    return (
        join.model_copy(update={"task": joining, "fallback": fallback}),
        *sound,
        *chunks,
    )


def together(tasks: Sequence[PlannedTask], divided: ChunkedPlan | None) -> Usage:
    """What all tasks of a job take, chunks at the same time."""
    main = tasks[0].task.predicted
    if divided is None:
        return main
    each = [it.task.predicted for it in tasks]
    return Usage(
        wall_seconds=divided.wall_seconds,
        billed_milliseconds=sum(it.billed_milliseconds or 0 for it in each),
        cpu_seconds=sum(it.cpu_seconds for it in each),
        peak_memory_bytes=max(it.peak_memory_bytes or 0 for it in each),
        scratch_bytes=sum(it.scratch_bytes or 0 for it in each),
        read_bytes=sum(it.read_bytes or 0 for it in each),
        written_bytes=sum(it.written_bytes or 0 for it in each),
        requests=sum(it.requests for it in each),
        store=store_of(each),
    )


def store_of(each: Iterable[Usage]) -> StoreRequests | None:
    """What all of them ask of the store; None where none is known to ask anything."""
    asked = [it.store for it in each if it.store is not None]
    return sum(asked[1:], start=asked[0]) if asked else None


def total(amounts: Iterable[Money]) -> Money:
    """Of one currency, and at least one."""
    first, *rest = amounts
    return sum(rest, start=first)


def without_keyframes(media: Media) -> Media:
    # An hour has thousands of them, and an asynchronous call has 128 kB to 1 MB.
    return media.model_copy(
        update={
            "video": tuple(
                it.model_copy(update={"keyframe_seconds": None}) for it in media.video
            )
        }
    )
