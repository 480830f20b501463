"""Encoding it all, where what was copied or joined turned out to be unfit. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..contract import Attempt, Failure, PlannedTask, Produced, TaskResult
from ..contract.task import PARTS
from .policy import final

_WHOLE = "Its chunks made no whole, so it was encoded in one piece"
_UNFIT = frozenset({"OutputRejected", "EncoderFailed"})
"""Failures by which a copy shows that the source is not what its headers say."""


def in_force(
    planned: PlannedTask, attempts: Sequence[Attempt]
) -> tuple[PlannedTask, Sequence[Attempt]]:
    """The plan to go on with after *attempts*, and those of them that were at it."""
    tries = [number for number, it in enumerate(attempts, 1) if _is_unfit(it)]
    if planned.fallback is None or not tries:
        return planned, attempts
    # Attempts at copying say nothing of the specs for encoding.
    return planned.fallback, attempts[tries[0] :]


def told(
    produced: Produced | None, planned: PlannedTask, attempts: Sequence[Attempt]
) -> Produced | None:
    """*produced*, with a note on what was wrong where *attempts* at copying failed."""
    failure = next((it.failure for it in attempts if _is_unfit(it)), None)
    if failure is None or produced is None or planned.fallback is None:
        return produced
    what = "Copying gave no sound result, so everything was encoded"
    if planned.task.kind == "join":
        what = _WHOLE
    return _noted(produced, what, failure)


def one_piece(
    planned: Sequence[PlannedTask], results: Sequence[TaskResult]
) -> PlannedTask | None:
    """What to do instead where a chunk is unfit: the source is not what it says."""
    join = next((it for it in planned if it.task.kind == "join"), None)
    unfit = (it for it in results if it.kind in PARTS and _is_unfit(it.attempts[-1]))
    return join.fallback if join is not None and any(unfit) else None


def refused(results: Sequence[TaskResult], reason: str) -> tuple[TaskResult, ...]:
    """*results*, with why there is no further try at the chunk that is unfit."""
    return tuple(
        it.model_copy(
            update={"attempts": (*it.attempts[:-1], final(it.attempts[-1], reason))}
        )
        if it.kind in PARTS and _is_unfit(it.attempts[-1])
        else it
        for it in results
    )


def told_of_chunks(result: TaskResult, before: Sequence[TaskResult]) -> TaskResult:
    """*result* of one piece, with a note on the chunk that was unfit."""
    tried = (it.attempts[-1] for it in before if it.kind in PARTS)
    failure = next((it.failure for it in tried if _is_unfit(it)), None)
    if failure is None or result.produced is None:
        return result
    produced = _noted(result.produced, _WHOLE, failure)
    return result.model_copy(update={"produced": produced})


def _noted(produced: Produced, what: str, failure: Failure) -> Produced:
    note = f"{what}; both are on the bill. What was wrong: {failure.message}"
    return produced.model_copy(update={"notes": (note, *produced.notes)})


def _is_unfit(attempt: Attempt) -> bool:
    return attempt.failure is not None and attempt.failure.type in _UNFIT
