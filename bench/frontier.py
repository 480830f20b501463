"""
What our choices cost beside the best ones, and beside one fixed spec for everything.

    python bench/accuracy.py --memory 512 768 1024 2048 --keep RUNS.json
    python bench/frontier.py RUNS.json [--slack 2.0]

The runs are an exhaustive search: every file under every profile in every spec. Of
each, the deadline is `--slack` times the fastest time that was measured. The best spec
is the cheapest that met it. Ours is what is cheapest by prediction alone and meets the
deadline at the upper end of its interval, among the same specs; where it was killed or
late, what it did cost counts, and it is a miss. Its regret is what it cost over the
best. The fixed spec is to survive every file at the same deadlines.

Aims: our total at most 0.6 of the best fixed spec's, regret 10 % in the median and
25 % at the 95th percentile.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accuracy import Run, Runs

from transcode.contract import OutcomeKind
from transcode.plan.option import MEMORY_MARGIN, MIB
from transcode.plan.predict import predict
from transcode.price import bill
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

Job = Mapping[int, Run]
"""Memory → what one file under one profile took in that spec."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One job under one policy."""

    cost: float
    missed: bool
    """Killed, or later than the deadline."""


@dataclass(frozen=True, slots=True)
class Chosen:
    name: str
    deadline: float
    best: int
    ours: int
    regret: float
    missed: bool


def actual(run: Run, deadline: float) -> Outcome:
    real = run.attempt.measured
    killed = run.attempt.outcome is not OutcomeKind.SUCCEEDED
    late = real is None or real.wall_seconds > deadline
    return Outcome(float(run.attempt.cost.amount), killed or late)


def choose(job: Job, deadline: float, wired: Wiring) -> int:
    """The cheapest that fits by prediction; the fastest where none does."""
    told = {}
    for memory, run in job.items():
        spec = run.attempt.spec
        it = predict(
            run.media,
            run.recipe,
            spec=spec,
            coefficients=wired.coefficients,
            platform=run.platform,
        )
        price = bill(wired.platform(run.platform), spec, it.usage).total.amount
        fits = (it.usage.peak_memory_bytes or 0) * MEMORY_MARGIN <= memory * MIB
        told[memory] = (fits, it.wall.high <= deadline, price, it.usage.wall_seconds)
    able = [memory for memory, it in told.items() if it[0] and it[1]]
    if able:
        return min(able, key=lambda memory: told[memory][2])
    roomy = [memory for memory, it in told.items() if it[0]] or list(told)
    return min(roomy, key=lambda memory: told[memory][3])


def search(
    runs: Sequence[Run], slack: float, wired: Wiring
) -> tuple[list[Chosen], dict[int, tuple[float, int]]]:
    """Every job's choice, and what each fixed spec costs and how often it misses."""
    jobs: dict[str, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        jobs[f"{run.file} {run.profile}"][run.attempt.spec.memory_mib] = run
    every = set.intersection(*(set(job) for job in jobs.values()))
    chosen = []
    fixed = dict.fromkeys(sorted(every), (0.0, 0))
    for name, job in jobs.items():
        fastest = min(
            run.attempt.measured.wall_seconds
            for run in job.values()
            if run.attempt.measured and run.attempt.outcome is OutcomeKind.SUCCEEDED
        )
        deadline = fastest * slack
        outcomes = {memory: actual(run, deadline) for memory, run in job.items()}
        able = [memory for memory, it in outcomes.items() if not it.missed]
        best = min(able, key=lambda memory: outcomes[memory].cost)
        ours = choose(job, deadline, wired)
        regret = outcomes[ours].cost / outcomes[best].cost - 1
        missed = outcomes[ours].missed
        chosen.append(Chosen(name, deadline, best, ours, regret, missed))
        for memory in fixed:
            cost, misses = fixed[memory]
            it = outcomes[memory]
            fixed[memory] = (cost + it.cost, misses + it.missed)
    return chosen, fixed


def report(runs: Runs, slack: float, wired: Wiring) -> str:
    """Both tables, and what they come to."""
    chosen, fixed = search(runs.runs, slack, wired)
    costs = {
        (f"{run.file} {run.profile}", run.attempt.spec.memory_mib): float(
            run.attempt.cost.amount
        )
        for run in runs.runs
    }
    lines = ["| job | deadline | best | ours | regret | missed |", "|" + " --- |" * 6]
    lines += [
        f"| {it.name} | {it.deadline:.2f} s | {it.best} MiB | {it.ours} MiB | "
        f"{it.regret:+.0%} | {'yes' if it.missed else ''} |"
        for it in chosen
    ]
    ours = sum(costs[it.name, it.ours] for it in chosen)
    best = sum(costs[it.name, it.best] for it in chosen)
    lines += ["", "| policy | cost / best | missed |", "|" + " --- |" * 3]
    lines.append(f"| ours | {ours / best:.2f} | {sum(it.missed for it in chosen)} |")
    lines += [
        f"| {memory} MiB for all | {cost / best:.2f} | {misses} |"
        for memory, (cost, misses) in fixed.items()
    ]
    kept = [it.regret for it in chosen if not it.missed]
    if len(kept) > 1:
        tail = statistics.quantiles(kept, n=20, method="inclusive")[-1]
        middle = statistics.median(kept)
        lines.append(f"\nRegret where met: median {middle:.0%}, 95th {tail:.0%}.")
    lines.append(
        f"{len(chosen)} jobs; load {runs.load[0]:.1f} before, {runs.load[1]:.1f} "
        f"after, on {runs.cores} cores."
    )
    return "\n".join(lines)


def main() -> None:
    """Read the runs and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--slack", type=float, default=2.0)
    options = parser.parse_args()
    runs = Runs.from_json(options.runs.read_text(encoding="utf-8"))
    print(report(runs, options.slack, wire(Settings.from_environment(os.environ))))


if __name__ == "__main__":
    main()
