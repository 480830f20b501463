"""
How many attempts run at once, whether instances held ready pay, how large pools are.

Concurrency is counted from when attempts began and ended; on average it is the rate of
arrivals times the time each takes (Little's law, L = λ W).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ..contract import Spec
from ..contract.job import LedgerRecord
from ..platforms.platform import Platform
from ..platforms.price import OnDemand, ReservedInstance, statement

KEPT_WARM = timedelta(seconds=60)
"""An idle instance of FunctionGraph lives so long; the next call then starts cold."""


@dataclass(frozen=True, slots=True)
class BusySpan:
    """One attempt's time."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Load:
    """How many attempts ran at the same time."""

    attempts: int
    seconds: float
    """From the first begin to the last end."""
    average: float
    """Little's law: arrivals a second times seconds each; over `seconds`."""
    most: int
    ninety_nine: int
    """No more than so many ran at once for 99 % of the time that anything ran."""
    at_least: tuple[float, ...]
    """Seconds during which at least 1, 2, 3 … ran at once."""
    cold: tuple[int, ...]
    """For the 1st, 2nd, 3rd … at once: how often it began after a minute of none."""

    def instances(self, concurrency: int = 1) -> int:
        """How many instances serve all but the rarest peaks."""
        return math.ceil(self.ninety_nine / concurrency)


def spans(records: Iterable[LedgerRecord]) -> list[BusySpan]:
    """When the attempts ran, of those that were measured."""
    found = []
    for record in records:
        measured = record.attempt.measured
        if measured is not None and measured.wall_seconds > 0:
            wall = timedelta(seconds=measured.wall_seconds)
            found.append(BusySpan(record.recorded_at, record.recorded_at + wall))
    return found


def load(times: Sequence[BusySpan]) -> Load | None:
    """How many of these ran at once; None where there are none."""
    if not times:
        return None
    moves = sorted([(s.begin, 1) for s in times] + [(s.end, -1) for s in times])
    held: dict[int, float] = {}
    quiet: dict[int, datetime] = {}
    cold: dict[int, int] = {}
    running, before = 0, moves[0][0]
    for moment, step in moves:
        held[running] = held.get(running, 0.0) + (moment - before).total_seconds()
        if step > 0:
            level = running + 1
            if level not in quiet or moment - quiet[level] > KEPT_WARM:
                cold[level] = cold.get(level, 0) + 1
        else:
            quiet[running] = moment
        running, before = running + step, moment
    most = max(cold)
    seconds = (moves[-1][0] - moves[0][0]).total_seconds()
    at_least = tuple(
        sum(held.get(n, 0.0) for n in range(level, most + 1))
        for level in range(1, most + 1)
    )
    busy = at_least[0]
    ninety_nine = next(
        (n for n, over in enumerate(at_least[1:], 1) if over <= busy / 100), most
    )
    work = sum((s.end - s.begin).total_seconds() for s in times)
    return Load(
        attempts=len(times),
        seconds=seconds,
        average=work / seconds if seconds else float(len(times)),
        most=most,
        ninety_nine=ninety_nine,
        at_least=at_least,
        cold=tuple(cold[level] for level in range(1, most + 1)),
    )


@dataclass(frozen=True, slots=True)
class Reserve:
    """One more instance held ready for the whole time, beside running on demand."""

    instance: int
    busy_seconds: float
    held_seconds: float
    on_demand: Decimal
    """What its busy time costs on demand."""
    held: Decimal
    """What holding it costs, in idle mode where the platform has it."""
    cold_starts: int
    """That it would spare."""
    break_even_seconds: float | None
    """So long must a cold start be, billed as it is, for holding it to pay; None where
    there is no cold start to spare."""
    currency: str

    @property
    def pays(self) -> bool:
        """Without counting cold starts."""
        return self.held < self.on_demand


def reserve(seen: Load, platform: Platform, spec: Spec) -> tuple[Reserve, ...]:
    """
    For the 1st, 2nd, 3rd … instance of *spec*: would it pay to hold it ready?

    Empty where the platform has no reserved instances. The free tier is left out.
    """
    if platform.reserved is None:
        return ()
    gross = platform.model_copy(update={"free_tier": None})
    found = []
    for n, (busy, cold) in enumerate(zip(seen.at_least, seen.cold, strict=True), 1):
        held = ReservedInstance(
            spec=spec, held_seconds=seen.seconds, busy_seconds=busy, idle_mode=True
        )
        ready = statement(gross, reserved=[held]).total.amount
        asked = _on_demand(gross, spec, math.ceil(busy * 1000))
        second = _on_demand(gross, spec, 1000)
        more = ready - asked
        even = None
        if cold and second:
            even = max(float(more / second) / cold, 0.0)
        found.append(
            Reserve(
                instance=n,
                busy_seconds=busy,
                held_seconds=seen.seconds,
                on_demand=asked,
                held=ready,
                cold_starts=cold,
                break_even_seconds=even,
                currency=platform.currency,
            )
        )
    return tuple(found)


def _on_demand(platform: Platform, spec: Spec, milliseconds: int) -> Decimal:
    ran = OnDemand(spec=spec, requests=0, billed_milliseconds=milliseconds)
    return statement(platform, on_demand=[ran]).total.amount


@dataclass(frozen=True, slots=True)
class WarmPool:
    """Connections that each instance's pool to a shared service should hold."""

    least: int
    """So many may be wanted at once by one instance."""
    most: int
    """More, in every instance at once, would be refused by the service."""

    @property
    def possible(self) -> bool:
        return self.least <= self.most


def pool(
    *, concurrency: int, calls: int, connection_limit: int, max_instances: int
) -> WarmPool:
    """
    FunctionGraph's arithmetic for a pool's size: at least an instance's concurrency
    times the calls of one execution; at most the service's limit over all instances.
    """
    return WarmPool(concurrency * calls, connection_limit // max_instances)
