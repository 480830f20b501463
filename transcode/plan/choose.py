"""
Which spec: the best lattice point inside memory, scratch, time limit and wishes.

`balanced`, the default, minimises cost x wall ** 0.585: waiting half as long is worth
half as much money again (2 ** 0.585 = 1.5). So a job does not crawl on the smallest
spec because that is cheapest per CPU second, and takes a large one only as far as it
keeps its CPUs busy.
Predictions are compared with limits at the upper end of their interval.

Where several jobs want the machine that is the platform, each takes no more than its
share of the CPUs: side by side they keep all of them busy, which one after the other on
all of them, no encoder does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..contract import (
    Candidate,
    Constraints,
    Content,
    Interval,
    Media,
    Money,
    Recipe,
    Spec,
    Usage,
)
from ..errors import (
    BudgetTooSmall,
    DeadlineTooShort,
    PlanError,
    PlatformError,
    ScratchFull,
    ScratchTooSmall,
    SpecTooSmall,
)
from ..media.margins import MEMORY_MARGIN
from ..platforms.platform import (
    Machine,
    MachineLattice,
    Platform,
    largest_scratch,
    lattice,
    scratch_for,
    specs_for_memory,
)
from ..platforms.price import (
    billed_milliseconds,
    cost,
    expected_start_seconds,
    start_seconds,
)
from ..units import cpus, duration, enough, money
from .coefficients import Coefficients
from .predict import Prediction, on_spec
from .workload import Workload, workload

NEAR_TIE = 1.02


EQUAL_WALL = 1.005


@dataclass(frozen=True, slots=True)
class Choice:
    """What was compared, the chosen one first, then the losers, nearest first."""

    candidates: tuple[Candidate, ...]
    wall: Interval
    """Of the chosen one, nine times out of ten."""
    obstacles: tuple[Obstacle | None, ...]
    """Of each candidate, why it could not have been taken; None where it could."""


def choose(  # noqa: PLR0913 - a choice depends on just these
    media: Media,
    recipe: Recipe,
    *,
    platform: Platform,
    machine: Machine | None,
    constraints: Constraints,
    coefficients: Coefficients,
    content: Content | None = None,
) -> Choice:
    """
    The best spec for one task, with everything that lost and why.

    *content* is what a sample encode showed.

    A forced memory is taken even where the prediction does not fit it: the attempt is
    killed and goes to a larger spec, or the prediction was wrong. Raises PlatformError
    when it is no point of the lattice or the budget is in another currency, and
    SpecTooSmall, DeadlineTooShort or BudgetTooSmall when nothing fits, naming what
    would come nearest.
    """
    budget = constraints.budget
    if budget is not None and budget.currency != platform.currency:
        raise PlatformError(
            f"The budget is in {budget.currency} and {platform.name} bills in "
            f"{platform.currency}; give it in {platform.currency}.",
            platform=platform.name,
        )
    forced: tuple[Spec, ...] = ()
    if constraints.memory_mib is not None:
        forced = specs_for_memory(platform, constraints.memory_mib, machine)
    work = workload(media, recipe, coefficients=coefficients, content=content)
    terms = Terms(platform, machine, constraints)
    options = _sharing(weigh_all(work, terms, also=forced), terms)
    able = [option for option in options if option.obstacle is None]
    if not able:
        raise _refusal(options, terms)
    # What is beyond its share has its reason already.
    best = best_of([it for it in able if not it.reason], constraints.optimize)
    return ranked(best, options, why=_why(best, able, terms))


def share_of(terms: Terms) -> int | None:
    """
    Milli-CPUs that a job is to take at most, so that others have theirs: the machine
    by the jobs that want it, one vCPU at least. None where it may take all.

    Elsewhere than on the machine that is the platform nobody waits for CPUs; and who
    asked for this memory, or for the least time, gets it.
    """
    asked, machine = terms.constraints, terms.machine
    if machine is None or not isinstance(terms.platform.lattice, MachineLattice):
        return None
    if asked.sharing == 1:
        return None
    if asked.memory_mib is not None or asked.optimize == "time":
        return None
    return max(_ONE_CPU, machine.milli_cpus // asked.sharing)


def _sharing(options: list[Option], terms: Terms) -> list[Option]:
    """The options; those beyond the job's share say so, unless none within it fits."""
    share = share_of(terms)
    if share is None or not any(
        it.obstacle is None and it.spec.milli_cpus <= share for it in options
    ):
        return options
    said = (
        f"{terms.constraints.sharing} jobs want this machine: it is more than "
        f"{share / 1000:g} vCPU, the share of one"
    )
    return [
        it
        if it.obstacle is not None or it.spec.milli_cpus <= share
        else replace(it, reason=said)
        for it in options
    ]


def weigh_all(
    work: Workload, terms: Terms, *, also: Sequence[Spec] = ()
) -> list[Option]:
    """Every lattice point, and *also* those that somebody asked for."""
    name = terms.platform.name
    return [
        weigh(spec, on_spec(work, spec, platform=name), terms)
        for spec in dict.fromkeys((*also, *lattice(terms.platform, terms.machine)))
    ]


def ranked(best: Option, options: Sequence[Option], *, why: str) -> Choice:
    """*best* first, then the losers, nearest first."""
    losers = sorted(
        (option for option in options if option is not best),
        key=lambda it: _distance(it, best),
    )
    return Choice(
        candidates=(
            _candidate(best, chosen=True, reason=why),
            *(
                _candidate(it, chosen=False, reason=it.reason or _lost(it, best))
                for it in losers
            ),
        ),
        wall=best.wall,
        obstacles=(best.obstacle, *(it.obstacle for it in losers)),
    )


def best_of(able: Sequence[Option], optimize: str) -> Option:
    """What *optimize* means; ties go to the faster one."""
    if optimize == "cost":
        return min(able, key=lambda it: (it.cost.amount, it.usage.wall_seconds))
    if optimize == "time":
        fastest = min(it.usage.wall_seconds for it in able)
        tied = [it for it in able if it.usage.wall_seconds <= fastest * EQUAL_WALL]
        return min(tied, key=lambda it: (it.cost.amount, it.usage.wall_seconds))
    lowest = min(it.score for it in able)
    tied = [it for it in able if it.score <= lowest * NEAR_TIE]
    return min(tied, key=lambda it: (it.usage.wall_seconds, it.cost.amount))


def _why(best: Option, able: list[Option], terms: Terms) -> str:
    constraints = terms.constraints
    if constraints.memory_mib is not None:
        peak = (best.usage.peak_memory_bytes or 0) / MIB
        if peak * MEMORY_MARGIN > best.spec.memory_mib:
            return (
                f"asked for, though it needs about {peak:.0f} MiB: it may be killed "
                "and go on with more"
            )
        return "asked for"
    if len(able) == 1:
        return "the only one that fits"
    if any(it.reason for it in able):
        return (
            f"{constraints.sharing} jobs want this machine: side by side, each on its "
            "share, they are done sooner"
        )
    return {
        "cost": "the cheapest that fits",
        "time": "the fastest that fits",
        "balanced": "best cost for the wait: half the wait is worth half more money",
    }[constraints.optimize]


def _lost(option: Option, best: Option) -> str:
    dearer = option.price / best.price - 1 if best.price else 0.0
    later = option.usage.wall_seconds - best.usage.wall_seconds
    money = "same price"
    if abs(dearer) >= 0.005:  # noqa: PLR2004 - shown without decimals
        money = f"{abs(dearer):.0%} {'dearer' if dearer > 0 else 'cheaper'}"
    if abs(later) < 0.05:  # noqa: PLR2004 - shown with one decimal
        return f"{money}, as fast"
    return f"{money}, {duration(abs(later))} {'slower' if later > 0 else 'faster'}"


def _distance(option: Option, best: Option) -> tuple[bool, float, int]:
    """Those that would have done first, by score; the others by size."""
    if option.obstacle is None:
        return False, option.score, 0
    away = abs(math.log(option.spec.memory_mib / best.spec.memory_mib))
    return True, away, option.spec.milli_cpus


def _size(spec: Spec) -> str:
    return f"{spec.memory_mib} MiB with {cpus(spec)}"


def _candidate(option: Option, *, chosen: bool, reason: str) -> Candidate:
    return Candidate(
        spec=option.spec,
        predicted=option.usage,
        cost=option.cost,
        chosen=chosen,
        reason=reason,
    )


def _refusal(options: list[Option], terms: Terms) -> PlanError:
    """The error of those that came furthest, with the nearest that would do."""
    platform, constraints = terms.platform, terms.constraints
    name = platform.name
    over_budget = [it for it in options if it.obstacle == "budget"]
    late = [it for it in options if it.obstacle == "deadline"]
    if over_budget and constraints.budget is not None:
        near = min(over_budget, key=lambda it: it.cost_high.amount)
        soon = " within the deadline" if constraints.deadline_seconds else ""
        return BudgetTooSmall(
            f"No spec of {name} does this for {money(constraints.budget)}{soon}: the "
            f"nearest, {_size(near.spec)}, is predicted at {money(near.cost)} and may "
            f"cost {money(near.cost_high)}. A budget of {enough(near.cost_high)} "
            "would do.",
            platform=name,
            needed=str(near.cost_high.amount),
            spec=near.spec.model_dump(mode="json"),
        )
    if late and constraints.deadline_seconds is not None:
        budget = constraints.budget
        paid = [it for it in late if not budget or it.cost_high.amount <= budget.amount]
        near = min(paid or late, key=lambda it: it.wall.high)
        would_do = f"A deadline of {math.ceil(near.wall.high)} s"
        if not paid:
            would_do += f" and a budget of {enough(near.cost_high)}"
        return DeadlineTooShort(
            f"No spec of {name} does this in {duration(constraints.deadline_seconds)}: "
            f"the fastest, {_size(near.spec)}, is predicted to take "
            f"{duration(near.usage.wall_seconds)} and may take "
            f"{duration(near.wall.high)}. {would_do} would do.",
            platform=name,
            needed_seconds=near.wall.high,
            spec=near.spec.model_dump(mode="json"),
        )
    fitting = [it for it in options if it.obstacle != "forced"]
    slow = [it for it in fitting if it.obstacle == "limit"]
    full = [it for it in fitting if it.obstacle == "scratch"]
    largest = max(fitting, key=lambda it: (it.spec.memory_mib, it.spec.milli_cpus))
    near = min(slow, key=lambda it: it.wall.high) if slow else (full or [largest])[0]
    scratch = platform.scratch
    if near in full and not (scratch.sizes_mib or scratch.maximum_mib):
        return _no_room(near, name, terms.machine)
    return SpecTooSmall(
        f"This does not fit on {name}: {_size(near.spec)}, the nearest, {near.reason}. "
        "Take another platform, or a profile that makes less.",
        platform=name,
        obstacle=near.obstacle,
        spec=near.spec.model_dump(mode="json"),
    )


def _no_room(near: Option, name: str, machine: Machine | None) -> PlanError:
    """For now, or on this disk for ever: who waits for what never comes is told so."""
    needed = math.ceil((near.usage.scratch_bytes or 0) / MIB)
    whole = machine.scratch_total_mib if machine else None
    never = whole is not None and needed > whole
    advice = (
        f"The disk holds {whole} MiB however empty: set TRANSCODE_SCRATCH to a folder "
        "on a larger one, or make less."
        if never
        else "Free some on this machine, set TRANSCODE_SCRATCH, or make less."
    )
    kind = ScratchTooSmall if never else ScratchFull
    return kind(
        f"This does not fit on {name}: {_size(near.spec)}, the nearest, {near.reason}. "
        f"{advice}",
        platform=name,
        obstacle=near.obstacle,
        needed_mib=needed,
        spec=near.spec.model_dump(mode="json"),
    )


PATIENCE = 0.585


"""log2(1.5): half the wait is worth half as much money again."""


MIB = 2**20


_ONE_CPU = 1000


GENEROUS = 20


"""Times the predicted wall time, plus a minute: past that a task hangs."""


GRACE_SECONDS = 60


Obstacle = Literal["memory", "scratch", "limit", "deadline", "budget", "forced"]


@dataclass(frozen=True, slots=True)
class Terms:
    platform: Platform
    machine: Machine | None
    constraints: Constraints


@dataclass(frozen=True, slots=True)
class Option:
    spec: Spec
    usage: Usage
    wall: Interval
    cost: Money
    cost_high: Money
    obstacle: Obstacle | None
    reason: str
    """Why it cannot be, or should not while others wait; empty where it can."""

    @property
    def price(self) -> float:
        return float(self.cost.amount)

    @property
    def score(self) -> float:
        return self.price * math.pow(self.usage.wall_seconds, PATIENCE)


def weigh(spec: Spec, prediction: Prediction, terms: Terms) -> Option:
    """One lattice point with its scratch, its time limit, its cost and its obstacle."""
    platform, usage, wall = terms.platform, prediction.usage, prediction.wall
    needed = math.ceil((usage.scratch_bytes or 0) / MIB)
    scratch = scratch_for(platform, needed, terms.machine, memory_mib=spec.memory_mib)
    limit = platform.limits.time_limit_seconds
    allowed = GENEROUS * math.ceil(wall.high) + GRACE_SECONDS
    full = spec.model_copy(
        update={
            "scratch_mib": scratch,
            "time_limit_seconds": allowed if limit is None else min(allowed, limit),
        }
    )
    peak = (usage.peak_memory_bytes or 0) / MIB
    if platform.scratch.in_memory:
        peak += needed
    starting = terms.constraints.starts
    start = expected_start_seconds(platform, spec) if starting else 0.0
    longest = start_seconds(platform, spec) if starting else 0.0
    expected = _billed(platform, usage, usage.wall_seconds + start)
    price = cost(platform, full, expected)
    high = cost(platform, full, _billed(platform, usage, wall.high + longest))
    obstacle, reason = _obstacle(
        full, terms, peak=peak, needed=needed, wall=wall, high=high
    )
    return Option(full, expected, wall, price, high, obstacle, reason)


def _obstacle(  # noqa: PLR0913, PLR0911 - one for each thing that may be short
    spec: Spec,
    terms: Terms,
    *,
    peak: float,
    needed: int,
    wall: Interval,
    high: Money,
) -> tuple[Obstacle | None, str]:
    """What stands in the way, by rank: it is too small before it is too slow."""
    platform, constraints = terms.platform, terms.constraints
    limit = platform.limits.time_limit_seconds
    asked, budget = constraints.memory_mib, constraints.budget
    deadline = constraints.deadline_seconds
    if asked is not None:
        if spec.memory_mib != asked:
            return "forced", f"{asked} MiB was asked for"
    elif (wanted := peak * MEMORY_MARGIN + constraints.own_mib) > spec.memory_mib:
        spare = ", a quarter of it to spare"
        if constraints.own_mib:
            spare = f", {constraints.own_mib} of them the function's own"
        return "memory", f"needs about {wanted:.0f} MiB{spare}"
    if spec.scratch_mib is None:
        most = largest_scratch(platform, terms.machine)
        return "scratch", f"needs {needed} MiB of scratch, there are at most {most} MiB"
    if limit is not None and wall.high > limit:
        allowed = duration(limit)
        return "limit", f"may take {duration(wall.high)}, allowed are {allowed}"
    if deadline is not None and wall.high > deadline:
        return "deadline", f"may be {duration(wall.high - deadline)} over the deadline"
    if budget is not None and high.amount > budget.amount:
        return "budget", f"may cost {money(high)}, more than the budget"
    return None, ""


def _billed(platform: Platform, usage: Usage, wall_seconds: float) -> Usage:
    billed = billed_milliseconds(platform, wall_seconds)
    # Where the platform has no store of its own, nobody knows what is asked of whom.
    store = usage.store if platform.store is not None else None
    return usage.model_copy(update={"billed_milliseconds": billed, "store": store})
