"""
Is the simulated platform the one that we know? A burst on the emulator, beside it.

    python -m bench.burst --uploads 12 --every 2.5 [--seed 1]

Uploads arrive at random on the emulator of FunctionGraph, which runs the real image.
From a first burst the parts are measured: planning, work in each memory, a cold start.
A second burst with other moments is then simulated with these, and compared: latency,
what is billed, how many ran at once. Exits 1 where a ratio is off by more than 15 %.
Meaningful on an idle machine alone: calls share its cores, the simulated ones do not.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.fronts.functiongraph import Call
from bench.harness import parser_of
from bench.stress.functiongraph import FunctionSoak
from transcode.bench.simulation import CallSpec, FunctionFleet, simulate

ALLOWED = 0.15
PATIENCE_SECONDS = 240.0


class Burst:
    """Uploads that arrived at *moments*, and the calls that they became."""

    def __init__(self, soak: FunctionSoak, numbers: Sequence[int]) -> None:
        self._soak, self._numbers = soak, numbers
        self.moments: list[float] = []
        self.calls: list[Call] = []

    def run(self, moments: Sequence[float]) -> Burst:
        """Until each has its result."""
        before = len(self._soak.ended)
        wanted = 2 * len(moments)
        began = time.monotonic()
        for number, at in zip(self._numbers, moments, strict=True):
            time.sleep(max(0.0, began + at - time.monotonic()))
            self.moments.append(time.monotonic())
            self._soak.tell_of(number)
        until = time.monotonic() + PATIENCE_SECONDS
        while len(self._soak.ended) - before < wanted:
            if time.monotonic() > until:
                raise SystemExit("Not every upload became two calls that ended.")
            time.sleep(0.05)
        self.calls = self._soak.ended[before:]
        failed = [it.error_message for it in self.calls if it.status != "SUCCESS"]
        if failed:
            raise SystemExit(f"A call failed: {failed[0]}")
        return self

    @property
    def latencies(self) -> list[float]:
        """From each upload to the end of its task, in the order in which they ended."""
        tasks = sorted(it.ended for it in self.calls if _is_task(it))
        return [end - at for end, at in zip(tasks, self.moments, strict=True)]

    def most_at_once(self) -> int:
        edges = [(it.began, 1) for it in self.calls]
        edges += [(it.ended, -1) for it in self.calls]
        running = most = 0
        for _, step in sorted(edges):
            running += step
            most = max(most, running)
        return most


def _is_task(call: Call) -> bool:
    return bool(json.loads(call.body).get("transcode") == "task")


def parts(calls: Sequence[Call]) -> tuple[CallSpec, CallSpec, float]:
    """Planning and work where an instance is warm, and what a cold one takes more."""

    plans = [it for it in calls if not _is_task(it)]
    tasks = [it for it in calls if _is_task(it)]
    specs, colds = [], []
    for kind in (plans, tasks):
        warm = [it.ended - it.began for it in kind if not it.cold]
        cold = [it.ended - it.began for it in kind if it.cold]
        if not warm or not cold:
            raise SystemExit("The first burst has no cold or no warm call; take more.")
        memory = Counter(it.memory_mib for it in kind).most_common(1)[0][0]
        specs.append(CallSpec(str(memory), fmean(warm)))
        colds.append(fmean(cold) - fmean(warm))
    return specs[0], specs[1], fmean(colds)


def _bursts(
    soak: FunctionSoak, options: Any, chance: random.Random
) -> tuple[Burst, Burst]:
    count = options.uploads
    soak.open(2 * count)
    found = []
    for number in range(2):
        # Instances of the burst before are gone: both begin cold.
        soak.front.forget()
        moments, at = [], 0.0
        for _ in range(count):
            moments.append(at)
            at += chance.expovariate(1 / options.every)
        numbers = range(number * count, (number + 1) * count)
        found.append(Burst(soak, numbers).run(moments))
    return found[0], found[1]


def _compare(first: Burst, second: Burst) -> int:
    planning, task, cold = parts(first.calls)
    fleet = FunctionFleet("the emulator", inf, "discarded", cold, 60.0)
    began = second.moments[0]
    moments = [at - began for at in second.moments]
    day = simulate(fleet, moments, planning, [task] * len(moments))
    billed = sum(it.ended - it.began for it in second.calls)
    rows = (
        ("latency, mean, s", fmean(second.latencies), fmean(day.latencies)),
        ("latency, longest, s", max(second.latencies), max(day.latencies)),
        ("busy, s", billed, sum(day.busy.values()) / 1000),
        ("cold calls", sum(it.cold for it in second.calls), day.cold),
        ("most at once", second.most_at_once(), day.most_running),
    )
    print(
        f"planning {planning.seconds:.2f} s, work {task.seconds:.2f} s, "
        f"a cold start {cold:.2f} s more"
    )
    off = 0
    for name, real, simulated in rows:
        ratio = simulated / real if real else inf
        print(f"{name:22} real {real:8.2f}  simulated {simulated:8.2f}  {ratio:6.2f}")
        if name in {"latency, mean, s", "busy, s"}:
            off += abs(ratio - 1) > ALLOWED
    print("within 15 %" if not off else f"{off} of 2 are off by more than 15 %")
    return 1 if off else 0


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--uploads", type=int, default=12, help="of each burst")
    parser.add_argument("--every", type=float, default=2.5, help="seconds, on average")
    parser.add_argument("--memory", type=int, default=1024, help="of an upload's call")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.faults, options.lease, options.kinds, options.likely = 0, 30.0, (), 0.0
    options.concurrency = 100
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="burst-") as folder:
        soak = FunctionSoak(Path(folder), options, chance)
        try:
            first, second = _bursts(soak, options, chance)
        finally:
            soak.stop()
    return _compare(first, second)


if __name__ == "__main__":
    sys.exit(main())
