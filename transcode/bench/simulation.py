"""
A day of uploads on a platform's functions, event by event; pure, always the same.

Each upload is one call that plans, which starts one call that does the work. What a
platform does is all there is of it here: how many calls may run, what becomes of those
above that, how fast it makes new instances, and how long a new one takes to be ready.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Literal

_PLAN, _TASK, _SWEEP = range(3)
_MARGIN_SECONDS = 5.0
"""Before its end a sweep takes nothing more; `TRANSCODE_MARGIN_SECONDS`."""


@dataclass(frozen=True, slots=True)
class FunctionFleet:
    """What a platform does with calls; times in seconds."""

    name: str
    concurrency: float
    """Calls that may run at once, of all functions; inf: as many as come."""
    above: Literal["discarded", "queued"]
    """What becomes of the others: gone without a word, or waiting for their turn."""
    cold_seconds: float
    """From a call to an instance that is ready; it is billed, as initializers are."""
    idle_seconds: float
    """An instance that has had no call for so long ends."""
    ramp: float = inf
    """New instances a second of each function, beyond `ramp_at_once`."""
    ramp_at_once: float = inf
    sweep_seconds: float = 900.0
    """The clock's call comes so often, and finds what was lost."""
    lost_after_seconds: float = 180.0
    """A task that nobody has begun for so long is started anew; three leases."""
    sweep_limit_seconds: float = 900.0
    """Of its call, in which it plans what is waiting."""
    sweep_pace_seconds: float | None = None
    """It plans one in so many seconds, side by side with others; None: as long as an
    upload's call takes, one after the other."""


@dataclass(frozen=True, slots=True)
class CallSpec:
    """In which instances a call runs, and for how long."""

    name: str
    """Calls of one name share instances."""
    seconds: float
    puts: int = 0
    gets: int = 0
    """Asked of the store."""


@dataclass(slots=True)
class SimulatedDay:
    """What came of it; times in seconds."""

    latencies: list[float] = field(default_factory=list)
    """From the upload to its result, of those that have one."""
    busy: dict[str, int] = field(default_factory=dict)
    """Billed milliseconds of each spec."""
    calls: dict[str, int] = field(default_factory=dict)
    puts: int = 0
    gets: int = 0
    """Asked of the store."""
    cold: int = 0
    discarded: int = 0
    queued: int = 0
    """Calls that had to wait for their turn."""
    ramped: int = 0
    """Calls that waited for a new instance longer than its start takes."""
    most_running: int = 0
    first_full_at: float | None = None
    unfinished: int = 0
    """Uploads without a result at the end."""


def simulate(
    fleet: FunctionFleet,
    arrivals: Iterable[float],
    planning: CallSpec,
    tasks: Sequence[CallSpec],
    *,
    until: float = inf,
) -> SimulatedDay:
    """
    Let uploads arrive at *arrivals* (ascending), each with its task of *tasks*.

    What is not done at *until* stays undone.
    """
    return _Run(fleet, planning, tasks).run(arrivals, until)


class _Run:
    def __init__(
        self, fleet: FunctionFleet, planning: CallSpec, tasks: Sequence[CallSpec]
    ) -> None:
        self.fleet, self.planning, self.tasks = fleet, planning, tasks
        self.day = SimulatedDay()
        self.running = 0
        self.heap: list[tuple[float, int, int, str]] = []
        """When a call ends: time, kind, upload, the instance's spec."""
        self.warm: dict[str, list[float]] = {}
        """Since when instances have nothing to do; the last used is used first."""
        self.tokens: dict[str, tuple[float, float]] = {}
        """Of the ramp: how many, as of when."""
        self.waiting: deque[tuple[int, int]] = deque()
        self.unplanned: deque[int] = deque()
        self.unbegun: deque[tuple[float, int]] = deque()
        self.arrived: list[float] = []

    def run(self, arrivals: Iterable[float], until: float) -> SimulatedDay:
        heap, fleet = self.heap, self.fleet
        if fleet.above == "discarded":
            heapq.heappush(heap, (fleet.sweep_seconds, _SWEEP, -1, ""))
        coming = iter(arrivals)
        following = next(coming, inf)
        while True:
            if heap and heap[0][0] <= following:
                now, kind, number, spec = heapq.heappop(heap)
                if now > until:
                    break
                if kind == _SWEEP:
                    if number >= 0:
                        self.start(now, _TASK, number)
                        continue
                    if following == inf and not self._is_open():
                        continue
                    self.sweep(now)
                    heapq.heappush(heap, (now + fleet.sweep_seconds, _SWEEP, -1, ""))
                    continue
                self.ended(now, kind, number, spec)
            elif following < inf and following <= until:
                now = following
                self.arrived.append(now)
                self.start(now, _PLAN, len(self.arrived) - 1)
                following = next(coming, inf)
            else:
                break
        self.day.unfinished = len(self.arrived) - len(self.day.latencies)
        return self.day

    def _is_open(self) -> bool:
        return bool(self.running or self.unplanned or self.unbegun or self.heap)

    def start(self, now: float, kind: int, number: int) -> None:
        if self.running < self.fleet.concurrency:
            self.begin(now, kind, number)
            return
        day = self.day
        if day.first_full_at is None:
            day.first_full_at = now
        if self.fleet.above == "queued":
            day.queued += 1
            self.waiting.append((kind, number))
            return
        day.discarded += 1
        if kind == _PLAN:
            self.unplanned.append(number)
        else:
            self.unbegun.append((now, number))

    def begin(self, now: float, kind: int, number: int) -> None:
        fleet, day = self.fleet, self.day
        call = self.planning if kind == _PLAN else self.tasks[number]
        idle = self.warm.get(call.name)
        if idle and now - idle[-1] > fleet.idle_seconds:
            idle.clear()  # the last was used latest: all before it are gone, too
        ready = now
        seconds = call.seconds
        if idle:
            idle.pop()
        else:
            day.cold += 1
            ready = self.made(now, call.name)
            day.ramped += ready > now
            seconds += fleet.cold_seconds
        self.running += 1
        day.most_running = max(day.most_running, self.running)
        day.busy[call.name] = day.busy.get(call.name, 0) + ceil(seconds * 1000)
        day.calls[call.name] = day.calls.get(call.name, 0) + 1
        self.asked(call)
        heapq.heappush(self.heap, (ready + seconds, kind, number, call.name))

    def asked(self, call: CallSpec) -> None:
        self.day.puts += call.puts
        self.day.gets += call.gets

    def made(self, now: float, spec: str) -> float:
        """When the platform begins to make one more instance of *spec*."""
        fleet = self.fleet
        if fleet.ramp == inf:
            return now
        had, at = self.tokens.get(spec, (fleet.ramp_at_once, now))
        have = min(fleet.ramp_at_once, had + (now - at) * fleet.ramp)
        self.tokens[spec] = (have - 1, now)
        return now if have >= 1 else now + (1 - have) / fleet.ramp

    def ended(self, now: float, kind: int, number: int, spec: str) -> None:
        self.running -= 1
        self.warm.setdefault(spec, []).append(now)
        if kind == _TASK:
            self.day.latencies.append(now - self.arrived[number])
        elif self.waiting:
            self.day.queued += 1
            self.waiting.append((_TASK, number))  # behind those that wait already
        else:
            self.start(now, _TASK, number)
        while self.waiting and self.running < self.fleet.concurrency:
            self.begin(now, *self.waiting.popleft())

    def sweep(self, now: float) -> None:
        """
        The clock's call: it plans itself, and starts tasks as it goes. It is billed for
        that, and takes nobody's room: one call.
        """
        fleet, planning, day = self.fleet, self.planning, self.day
        pace = planning.seconds
        if fleet.sweep_pace_seconds is not None:
            pace = fleet.sweep_pace_seconds
        pace = max(pace, 0.001)
        room = int((fleet.sweep_limit_seconds - _MARGIN_SECONDS) / pace)
        at = now
        while self.unbegun and room > 0:
            since, number = self.unbegun[0]
            if now - since < fleet.lost_after_seconds:
                break
            self.unbegun.popleft()
            room -= 1
            at += pace
            heapq.heappush(self.heap, (at, _SWEEP, number, ""))
        while self.unplanned and room > 0:
            room -= 1
            at += pace
            self.asked(planning)
            heapq.heappush(self.heap, (at, _SWEEP, self.unplanned.popleft(), ""))
        name = planning.name
        day.busy[name] = day.busy.get(name, 0) + ceil((at - now) * 1000)
        day.calls[name] = day.calls.get(name, 0) + 1
