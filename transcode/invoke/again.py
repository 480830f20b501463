"""A task and its attempt as they are for another try, or for none."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from ..contract import Attempt, Candidate, Interval, Task

__all__ = ["final", "only", "reassign", "rounded_up"]


def final(attempt: Attempt, reason: str) -> Attempt:
    """*attempt* with why there is no further one."""
    failure = attempt.failure
    if failure is None:
        return attempt
    said = failure.model_copy(update={"message": f"{failure.message} {reason}"})
    return attempt.model_copy(update={"failure": said})


def reassign(task: Task, candidate: Candidate) -> Task:
    """The same task on another spec; the wall interval is stretched with the wall."""
    before, now = task.predicted.wall_seconds, candidate.predicted.wall_seconds
    stretch = now / before if before else 1.0
    return task.model_copy(
        update={
            "spec": candidate.spec,
            "predicted": candidate.predicted,
            "predicted_cost": candidate.cost,
            "predicted_wall": Interval(
                low=task.predicted_wall.low * stretch,
                high=task.predicted_wall.high * stretch,
            ),
        }
    )


def rounded_up(amount: Decimal) -> str:
    """Two figures, upwards: more would promise too much."""
    step = Decimal(1).scaleb(amount.adjusted() - 1)
    return f"{(amount / step).to_integral_value(ROUND_CEILING) * step:f}"


def only(several: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = several
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
