"""Encoding instead of copying, where what was copied turned out to be unfit. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..contract import Attempt, PlannedTask, Produced

_UNFIT = frozenset({"OutputRejected", "EncoderFailed"})
"""Failures by which a copy shows that the source is not what its headers say."""


def in_force(
    planned: PlannedTask, attempts: Sequence[Attempt]
) -> tuple[PlannedTask, Sequence[Attempt]]:
    """The plan to go on with after *attempts*, and those of them that were at it."""
    tries = [number for number, it in enumerate(attempts, 1) if _is_unfit(it)]
    if planned.instead is None or not tries:
        return planned, attempts
    # Attempts at copying say nothing of the specs for encoding.
    return planned.instead, attempts[tries[0] :]


def told(
    produced: Produced | None, planned: PlannedTask, attempts: Sequence[Attempt]
) -> Produced | None:
    """*produced*, with a note on what was wrong where *attempts* at copying failed."""
    failure = next((it.failure for it in attempts if _is_unfit(it)), None)
    if failure is None or produced is None or planned.instead is None:
        return produced
    note = (
        "Copying gave no sound result, so everything was encoded; both are on the "
        f"bill. What was wrong: {failure.message}"
    )
    return produced.model_copy(update={"notes": (note, *produced.notes)})


def _is_unfit(attempt: Attempt) -> bool:
    return attempt.failure is not None and attempt.failure.type in _UNFIT
