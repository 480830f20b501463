"""Which single fixed spec would do, and what it loses against one for each call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from ..contract import Candidate, Spec
from ..contract.value import EXACT
from ..media.margins import MEMORY_MARGIN
from ..platforms.platform import Platform

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Case:
    """One task that ran or may run, in every spec of a platform."""

    group: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Fixed:
    """The cheapest single spec for a group, beside a choice for every call."""

    group: str
    cases: int
    spec: Spec | None
    """None where no one spec does them all."""
    cost: Decimal | None
    """Of all cases in `spec`."""
    wall_seconds: float | None
    chosen_cost: Decimal
    """Of all cases, each in the cheapest spec that does it."""
    chosen_wall_seconds: float
    impossible: int
    """Cases that no spec of the platform does; they are in no sum."""
    currency: str

    @property
    def loss(self) -> float | None:
        """How much more the fixed spec costs, as a share of the choice."""
        if self.cost is None or not self.chosen_cost:
            return None
        return float(self.cost / self.chosen_cost) - 1


def fixed_specs(
    cases: Iterable[Case],
    platform: Platform,
    *,
    deadline_seconds: float | None = None,
    own_mib: int = 0,
) -> tuple[Fixed, ...]:
    """
    For each group, and for all together where there are several, under ``.

    *own_mib*: of every spec so much is the function's own, beside the work.
    """
    groups: dict[str, list[Case]] = {}
    everything = list(cases)
    for case in everything:
        groups.setdefault(case.group, []).append(case)
    if len(groups) > 1:
        groups[""] = everything
    return tuple(
        _fixed(name, groups[name], platform, deadline_seconds, own_mib)
        for name in sorted(groups, key=lambda name: (name == "", name))
    )


def _fixed(
    group: str,
    cases: Sequence[Case],
    platform: Platform,
    deadline: float | None,
    own_mib: int,
) -> Fixed:
    able = [
        {
            _key(c.spec): c
            for c in case.candidates
            if fits(c, platform, deadline, own_mib)
        }
        for case in cases
    ]
    possible = [options for options in able if options]
    common = set.intersection(*map(set, possible)) if possible else set()
    with localcontext(EXACT):
        chosen = [
            min(o.values(), key=lambda c: (c.cost.amount, c.predicted.wall_seconds))
            for o in possible
        ]
        sums = {
            key: sum((options[key].cost.amount for options in possible), Decimal(0))
            for key in common
        }
        best = min(sums, key=lambda key: (sums[key], -key[1], key[0]), default=None)
        return Fixed(
            group=group,
            cases=len(cases),
            spec=None if best is None else _bare(best),
            cost=None if best is None else sums[best],
            wall_seconds=None
            if best is None
            else sum(options[best].predicted.wall_seconds for options in possible),
            chosen_cost=sum((c.cost.amount for c in chosen), Decimal(0)),
            chosen_wall_seconds=sum(c.predicted.wall_seconds for c in chosen),
            impossible=len(cases) - len(possible),
            currency=platform.currency,
        )


def fits(
    candidate: Candidate, platform: Platform, deadline: float | None, own_mib: int
) -> bool:
    """Whether it has memory, scratch and time enough, as a plan counts it."""
    used, spec = candidate.predicted, candidate.spec
    peak = (used.peak_memory_bytes or 0) / MIB
    if platform.scratch.in_memory:
        peak += (used.scratch_bytes or 0) / MIB
    limits = [platform.limits.time_limit_seconds, deadline]
    longest = min((limit for limit in limits if limit is not None), default=math.inf)
    return (
        peak * MEMORY_MARGIN + own_mib <= spec.memory_mib
        and spec.scratch_mib is not None
        and used.wall_seconds <= longest
    )


def _key(spec: Spec) -> tuple[int, int]:
    return spec.memory_mib, spec.milli_cpus


def _bare(key: tuple[int, int]) -> Spec:
    return Spec(memory_mib=key[0], milli_cpus=key[1])
