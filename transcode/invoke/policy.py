"""What follows from a failed attempt: another spec, or giving up. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from math import inf

from ..contract import Attempt, Candidate, Interval, Money, OutcomeKind, Spec, Task
from ..media.margins import MEMORY_MARGIN
from ..retry import RetryPolicy

__all__ = ["final", "pause_seconds", "reassign", "rounded_up"]

MIB = 2**20


MAX_LARGER = 4


"""Out-of-memory retries of one task. From 128 MiB four steps of at least a quarter
reach the memory of any honest encode; a fifth kill is no matter of size."""


MOST_UNBEGUN = 6


"""Invocations of one task that a platform took and discarded, or never began: they cost
nothing but time, and say nothing of the task. Above its concurrency FunctionGraph
discards without a word, so that a burst loses some of them several times."""


UNBEGUN_AGAIN = RetryPolicy(1.0, maximum_interval_seconds=16.0, jitter=(0.5, 1.0))
"""Before what a platform did not begin is asked for again. Ray goes on placing tasks on
a node that died until its health checks find out, and refuses each at once."""


FASTER = 0.8


"""After running out of time: predicted wall over time limit must shrink to this."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, with this candidate."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; `reason` is a sentence to add to the last failure."""

    reason: str


Next = Retry | GiveUp


def after(
    candidates: Sequence[Candidate],
    attempts: Sequence[Attempt],
    *,
    left: Money | None = None,
) -> Next:
    """
    What to do after `attempts`, the last of which did not succeed.

    `candidates`: every spec the engine can run, in any order. `left`: what the budget
    still holds, None without one; a hard stop. A spec that failed is never tried
    again, except once after a worker was lost, which says nothing about the spec, and
    where nothing of it was begun.
    """
    decide = _DECIDE.get(attempts[-1].outcome)
    if decide is None:
        return GiveUp("Trying again could not help.")
    return _afforded(decide(candidates, attempts), left)


def first(
    candidates: Sequence[Candidate], left: Money | None, *, joined: bool = False
) -> Next:
    """
    The first try at encoding what could not be copied, or *joined*; the chosen one
    leads.
    """
    if not candidates:
        what = "joined" if joined else "copied"
        return GiveUp(f"It could not be {what}, and no spec here can encode it.")
    reason = "what was copied was unfit; everything is encoded"
    if joined:
        reason = "its chunks made no whole; it is encoded in one piece"
    return _afforded(Retry(candidates[0], reason), left)


def _afforded(chosen: Next, left: Money | None) -> Next:
    if isinstance(chosen, GiveUp) or left is None:
        return chosen
    cost = chosen.candidate.cost
    if cost.currency != left.currency:
        msg = f"the budget is in {left.currency} and the prices in {cost.currency}"
        raise ValueError(msg)
    if cost.amount > left.amount:
        return GiveUp(
            f"Not tried again: {_name(chosen.candidate.spec)} would cost "
            f"{cost.amount:f} {cost.currency} and the budget leaves "
            f"{max(left.amount, Decimal(0)):f} {left.currency}."
        )
    return chosen


def _larger(candidates: Sequence[Candidate], attempts: Sequence[Attempt]) -> Next:
    kills = sum(a.outcome is OutcomeKind.OUT_OF_MEMORY for a in attempts)
    if kills > MAX_LARGER:
        return GiveUp(f"It ran out of memory {kills} times: that is no matter of size.")
    floor = _memory_floor(attempts)
    roomy = [c for c in _fresh(candidates, attempts) if c.spec.memory_mib >= floor]
    if not roomy:
        return GiveUp(f"No spec here has the {floor} MiB it would need next.")
    # Where CPU is apart from memory, it stays: time was not what was missing.
    had = attempts[-1].spec.milli_cpus
    chosen = min(
        roomy,
        key=lambda c: (
            c.spec.memory_mib,
            c.spec.milli_cpus < had,
            abs(c.spec.milli_cpus - had),
            c.cost.amount,
        ),
    )
    return Retry(chosen, f"out of memory; next larger spec: {_name(chosen.spec)}")


def _faster(candidates: Sequence[Candidate], attempts: Sequence[Attempt]) -> Next:
    last = attempts[-1]
    bound = FASTER * _pressure(last.spec, last.predicted.wall_seconds)
    floor = _memory_floor(attempts)
    able = [
        c
        for c in _fresh(candidates, attempts)
        if _pressure(c.spec, c.predicted.wall_seconds) <= bound
        and c.spec.memory_mib >= floor
    ]
    if not able:
        return GiveUp("No spec here is enough faster, or may run enough longer.")
    chosen = min(able, key=lambda c: (c.cost.amount, c.predicted.wall_seconds))
    return Retry(chosen, f"out of time; next faster spec: {_name(chosen.spec)}")


def _again(candidates: Sequence[Candidate], attempts: Sequence[Attempt]) -> Next:
    last = attempts[-1]
    lost = [a for a in attempts if a.outcome is OutcomeKind.LOST]
    unbegun = [a for a in lost if _is_unbegun(a)]
    if len(lost) - len(unbegun) > 1:
        return GiveUp("The worker was lost twice.")
    if len(unbegun) >= MOST_UNBEGUN:
        return GiveUp(
            f"The platform took it {len(unbegun)} times and never began it: look at "
            "its function, and at how many may run at once."
        )
    same = next((c for c in candidates if c.spec == last.spec), None)
    if same is None:
        return GiveUp("Its spec is not among the candidates.")
    return Retry(same, "the worker was lost; the same spec once more")


def pause_seconds(attempts: Sequence[Attempt], chance: float) -> float:
    """
    How long to wait before the one that follows: longer each time that nothing was
    begun, not at all otherwise. *chance* is from 0 to 1.
    """
    several = 0
    for attempt in reversed(attempts):
        if not _is_unbegun(attempt):
            break
        several += 1
    return UNBEGUN_AGAIN.wait_seconds(several, chance) if several else 0.0


def _is_unbegun(attempt: Attempt) -> bool:
    lost = attempt.outcome is OutcomeKind.LOST
    return lost and attempt.measured is None and not attempt.cost.amount


def _without_gpu(candidates: Sequence[Candidate], attempts: Sequence[Attempt]) -> Next:
    if attempts[-1].spec.gpu is None:
        return GiveUp("Its spec has no GPU to do without.")
    floor = _memory_floor(attempts)
    able = [c for c in _fresh(candidates, attempts) if c.spec.memory_mib >= floor]
    if not able:
        return GiveUp("No spec without a GPU is left.")
    chosen = min(able, key=lambda c: (c.cost.amount, c.predicted.wall_seconds))
    return Retry(chosen, f"no GPU; without one: {_name(chosen.spec)}")


_DECIDE: Mapping[
    OutcomeKind, Callable[[Sequence[Candidate], Sequence[Attempt]], Next]
] = {
    OutcomeKind.OUT_OF_MEMORY: _larger,
    OutcomeKind.OUT_OF_TIME: _faster,
    OutcomeKind.LOST: _again,
    OutcomeKind.GPU_UNAVAILABLE: _without_gpu,
}


def _memory_floor(attempts: Sequence[Attempt]) -> int:
    """MiB that the next attempt needs: above every kill, with margin over any peak."""
    floor = 0
    for attempt in attempts:
        peak = attempt.measured.peak_memory_bytes if attempt.measured else None
        floor = max(floor, -int(-(peak or 0) * MEMORY_MARGIN // MIB))
        if attempt.outcome is OutcomeKind.OUT_OF_MEMORY:
            floor = max(floor, attempt.spec.memory_mib + 1)
    return floor


def _pressure(spec: Spec, wall_seconds: float) -> float:
    """Predicted wall time over the time limit; 0 where there is no limit."""
    return wall_seconds / (spec.time_limit_seconds or inf)


def _fresh(
    candidates: Sequence[Candidate], attempts: Sequence[Attempt]
) -> list[Candidate]:
    """Those not tried yet; once a GPU was missing, those that ask for none."""
    missing = any(a.outcome is OutcomeKind.GPU_UNAVAILABLE for a in attempts)
    tried = [attempt.spec for attempt in attempts]
    return [
        c
        for c in candidates
        if c.spec not in tried and not (missing and c.spec.gpu is not None)
    ]


def _name(spec: Spec) -> str:
    gpu = "" if spec.gpu is None else f", {spec.gpu.kind}"
    return f"{spec.memory_mib} MiB, {spec.milli_cpus} milli-CPUs{gpu}"


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
