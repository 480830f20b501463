"""
What our choices cost beside the best ones, and beside one fixed spec for everything.

An exhaustive search: every file in every spec of FunctionGraph that this machine has
the cores for, held to it; before that each once as it is planned by default, with a
sample encode where one can be taken.
"""

from __future__ import annotations

import math
import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..contract import (
    Candidate,
    Constraints,
    Content,
    OutcomeKind,
    PlannedTask,
    Spec,
)
from ..errors import DeadlineTooShort, UsageError
from ..plan.choose import choose as planned
from ..plan.coefficients import Coefficients
from ..plan.predict import predict
from ..plan.sampling import consider
from ..platforms.lattice import ListLattice
from ..platforms.platform import Platform, specs_for_memory
from ..wiring import Wiring
from .accuracy import Cell, FirstTry, Runs, content_of_run, fits, measure
from .jobs import figure
from .report import Curve, Figure, Found
from .telling import Tell

MANY_CORES = 8
MEMORY = (128, 256, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192, 10240)
"""MiB, as far as this machine has the CPUs."""
SLACK = 2.0
PROMISE = 1.25

Deadlines = Mapping[str, float]
"""Job → seconds."""
Knows = Callable[[str], Coefficients]
"""File → what its runs are predicted by."""


@dataclass(frozen=True, slots=True)
class Searched:
    """One file under one profile."""

    cells: Mapping[int, FirstTry]
    """Memory → what it took in that spec."""
    trial: FirstTry | None
    """The run with a sample encode, where one could be taken."""

    @property
    def any(self) -> FirstTry:
        return next(iter(self.cells.values()))

    @property
    def fastest(self) -> float:
        """Seconds of the spec that was quickest."""
        return min(
            run.attempt.measured.wall_seconds
            for run in self.cells.values()
            if run.attempt.measured and run.attempt.outcome is OutcomeKind.SUCCEEDED
        )


@dataclass(frozen=True, slots=True)
class Met:
    """One job under one policy."""

    cost: float
    missed: bool
    """Killed, or later than the deadline."""


@dataclass(frozen=True, slots=True)
class SpecTaken:
    """A spec, and what was spent on choosing it."""

    memory: int
    cost: float = 0.0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """One job: the deadline, the cheapest spec that met it, and ours."""

    name: str
    deadline: float
    best: int
    ours: SpecTaken
    cost: float
    regret: float
    missed: bool


def jobs_of(runs: Sequence[FirstTry]) -> dict[str, Searched]:
    """Those that some spec could do."""
    cells: dict[str, dict[int, FirstTry]] = defaultdict(dict)
    trials: dict[str, FirstTry] = {}
    for run in runs:
        name = f"{run.file} {run.profile}"
        if run.plan is not None:
            trials[name] = run
        else:
            cells[name][run.attempt.spec.memory_mib] = run
    return {
        name: Searched(found, _sampled(trials.get(name)))
        for name, found in cells.items()
        if any(it.attempt.outcome is OutcomeKind.SUCCEEDED for it in found.values())
    }


def _sampled(run: FirstTry | None) -> FirstTry | None:
    return run if run is not None and run.sampled is not None else None


def each(jobs: Mapping[str, Searched]) -> Deadlines:
    """Of every job in proportion to itself."""
    return {name: SLACK * job.fastest for name, job in jobs.items()}


def one_for_all(jobs: Mapping[str, Searched]) -> Deadlines:
    """The same for every job: what the slowest can hold."""
    return dict.fromkeys(jobs, PROMISE * max(job.fastest for job in jobs.values()))


def actual(run: FirstTry | None, deadline: float) -> Met:
    """What it did cost, and whether it was done in time; None was far too late."""
    if run is None:
        return Met(math.nan, missed=True)
    real = run.attempt.measured
    killed = run.attempt.outcome is not OutcomeKind.SUCCEEDED
    late = real is None or real.wall_seconds > deadline
    return Met(float(run.attempt.cost.amount), killed or late)


def choose(
    job: Searched, deadline: float, platform: Platform, coefficients: Coefficients
) -> SpecTaken:
    """What the planner takes; the fastest that has the memory where nothing fits."""
    run = job.any
    try:
        made = decide(run, deadline, platform, coefficients)
    except DeadlineTooShort:
        made = decide(run, None, platform, coefficients, optimize="time")
    return SpecTaken(made[0].spec.memory_mib)


def decide(  # noqa: PLR0913 - a choice depends on just these
    run: FirstTry,
    deadline: float | None,
    platform: Platform,
    coefficients: Coefficients,
    *,
    optimize: Literal["cost", "time"] = "cost",
    content: Content | None = None,
) -> tuple[Candidate, ...]:
    """The planner's candidates, chosen one first. Raises PlanError."""
    return planned(
        run.media,
        run.recipe,
        platform=platform,
        machine=None,
        constraints=Constraints(deadline_seconds=deadline, optimize=optimize),
        coefficients=coefficients,
        content=content,
    ).candidates


def choose_sampling(
    job: Searched, deadline: float, platform: Platform, coefficients: Coefficients
) -> SpecTaken:
    """The same, after a sample encode where the planner thinks that it pays."""
    run = job.trial
    content = None if run is None else content_of_run(run, coefficients)
    if run is None or run.plan is None or run.sampled is None or content is None:
        return choose(job, deadline, platform, coefficients)
    refusal = None
    try:
        made = decide(run, deadline, platform, coefficients)
    except DeadlineTooShort as exc:
        refusal, made = exc, decide(run, None, platform, coefficients)
    wall = predict(
        run.media,
        run.recipe,
        spec=made[0].spec,
        coefficients=coefficients,
        platform=run.platform,
    ).wall
    main = run.plan.tasks[0].task.model_copy(
        update={
            "spec": made[0].spec,
            "predicted": made[0].predicted,
            "predicted_wall": wall,
            "predicted_cost": made[0].cost,
        }
    )
    task = PlannedTask(task=main, candidates=made)
    sampling = consider(
        run.plan.model_copy(update={"tasks": (task,)}),
        refusal,
        platform=platform,
        machine=None,
        constraints=Constraints(deadline_seconds=deadline, optimize="cost"),
        coefficients=coefficients,
    )
    measured = run.sampled.measured
    if sampling is None or sampling.verdict != "pays" or measured is None:
        return choose(job, deadline, platform, coefficients)
    wait = measured.wall_seconds
    left = max(deadline - wait, 0.001)
    try:
        made = decide(run, left, platform, coefficients, content=content)
    except DeadlineTooShort:
        made = decide(run, None, platform, coefficients, optimize="time")
    cost = float(run.sampled.cost.amount)
    return SpecTaken(made[0].spec.memory_mib, cost, wait)


def search(
    jobs: Mapping[str, Searched],
    deadlines: Deadlines,
    knows: Knows,
    rule: Callable[[Searched, float, Platform, Coefficients], SpecTaken],
    platform: Platform,
) -> list[Chosen]:
    """Every job's choice by *rule*."""
    chosen = []
    for name, job in jobs.items():
        deadline = deadlines[name]
        outcomes = {memory: actual(run, deadline) for memory, run in job.cells.items()}
        able = [memory for memory, it in outcomes.items() if not it.missed]
        best = min(able, key=lambda memory: outcomes[memory].cost)
        ours = rule(job, deadline, platform, knows(job.any.file))
        taken = actual(job.cells.get(ours.memory), deadline - ours.wait)
        cost = taken.cost + ours.cost
        regret = cost / outcomes[best].cost - 1
        chosen.append(Chosen(name, deadline, best, ours, cost, regret, taken.missed))
    return chosen


def fixed_specs(
    jobs: Mapping[str, Searched], deadlines: Deadlines
) -> dict[int, tuple[float, int]]:
    """What each spec costs for everything, and how often it misses."""
    every = sorted({memory for job in jobs.values() for memory in job.cells})
    found = {}
    for memory in every:
        done = [
            actual(job.cells.get(memory), deadlines[name]) for name, job in jobs.items()
        ]
        found[memory] = (sum(it.cost for it in done), sum(it.missed for it in done))
    return found


def report(
    runs: Runs,
    what: str,
    rule: Callable[[Mapping[str, Searched]], Deadlines],
    wired: Wiring,
) -> Iterator[Figure]:
    """Every policy under the deadlines of *rule*, beside the best and the fixed."""
    jobs = jobs_of(runs.runs)
    deadlines = rule(jobs)
    known = runs.coefficients(wired)
    platform = among(
        wired.catalog.platform(runs.runs[0].platform),
        {memory for job in jobs.values() for memory in job.cells},
    )
    knowing: dict[str, Knows] = {"shipped": lambda _: known}
    try:
        knowing["learned"] = learned(runs.runs, known)
    except UsageError as exc:
        of = {"deadlines": what, "policy": "ours, learned"}
        yield Figure(name="regret", unit="%", better="less", of=of, reason=exc.message)
    rules = {"ours, {}": choose}
    if any(job.trial for job in jobs.values()):
        rules["ours, {}, sample"] = choose_sampling
    best = math.nan
    for model, knows in knowing.items():
        for name, policy in rules.items():
            chosen = search(jobs, deadlines, knows, policy, platform)
            best = sum(it.cost / (1 + it.regret) for it in chosen)
            of = {"deadlines": what, "policy": name.format(model)}
            total = sum(it.cost for it in chosen) / best
            yield figure("cost_over_best", "", "less", of, [total])
            yield figure("missed", "", "less", of, [sum(it.missed for it in chosen)])
            kept = [it.regret * 100 for it in chosen if not it.missed]
            if kept:
                yield figure("regret", "%", "less", of, kept)
                several = kept if len(kept) > 1 else kept * 2
                tail = statistics.quantiles(several, n=20, method="inclusive")[-1]
                yield figure("regret_95th", "%", "less", of, [tail])
    for memory, (cost, misses) in fixed_specs(jobs, deadlines).items():
        of = {"deadlines": what, "policy": f"{memory} MiB for all"}
        if not math.isnan(cost):
            yield figure("cost_over_best", "", None, of, [cost / best])
        yield figure("missed", "", None, of, [misses])


def learned(runs: Sequence[FirstTry], shipped: Coefficients) -> Knows:
    """Each file by a fit that has not seen it."""
    found = dict(fits(runs, shipped))
    known = {file: fit for held, fit in found.items() for file in held}
    return lambda file: known[file]


def curves(runs: Runs) -> Iterator[Curve]:
    """Every job's cost over its time, spec by spec, as measured."""
    for name, job in jobs_of(runs.runs).items():
        done = [
            (run.attempt.measured.wall_seconds, float(run.attempt.cost.amount))
            for _, run in sorted(job.cells.items())
            if run.attempt.measured and run.attempt.outcome is OutcomeKind.SUCCEEDED
        ]
        currency = job.any.attempt.cost.currency
        yield Curve(
            name="Cost over wall time, each dot a spec",
            label=name,
            x="s",
            y=currency,
            points=tuple(done),
        )


def among(platform: Platform, memory: Collection[int]) -> Platform:
    """*platform* as if it had those sizes only: what was not run cannot be chosen."""
    lattice = platform.lattice
    if not isinstance(lattice, ListLattice):
        raise UsageError(f"{platform.name} names no sizes to choose among.")
    left = tuple(it for it in lattice.memory_mib if it in memory)
    fewer = lattice.model_copy(update={"memory_mib": left})
    return platform.model_copy(update={"lattice": fewer})


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked."""

    profiles: tuple[str, ...]
    memory: tuple[int, ...]
    """MiB; empty: `MEMORY`."""
    longest: float
    """Predicted seconds; what takes longer is not run and counts as late."""


def exhaust(
    files: Sequence[Path],
    asked: Search,
    wired: Wiring,
    tell: Tell,
    *,
    seen: Callable[[Runs], None],
) -> Runs:
    """Every job as it is planned, then in every spec; *seen* after each run."""
    cores = len(os.sched_getaffinity(0))
    many = cores >= MANY_CORES
    platform = wired.catalog.platform("functiongraph")
    specs = [
        spec
        for memory in asked.memory or MEMORY
        for spec in specs_for_memory(platform, memory, wired.machine)
        if spec.milli_cpus <= cores * 1000
    ]
    milli = cores * 1000 if many else None

    def cell(
        file: Path, profile: str, spec: Spec | None, *, sample: bool = False
    ) -> Cell:
        return Cell(
            file=file,
            profile=profile,
            memory=spec.memory_mib if spec else None,
            milli_cpus=spec.milli_cpus if spec else 4000,
            platform=platform.name,
            seconds=None,
            sample=sample,
            settings=wired.settings,
        )

    jobs = [(file, profile) for file in files for profile in asked.profiles]
    first = [cell(*job, None, sample=True) for job in jobs]
    begun = measure(first, seen=lambda _: None, milli_cpus=milli, tell=tell)
    known = begun.coefficients(wired)
    cells = []
    for file, profile in jobs:
        about = next(
            (it for it in begun.runs if (it.file, it.profile) == (file.name, profile)),
            None,
        )
        if about is None:
            raise UsageError(f"{file.name} could not be done as it was planned.")
        for spec in specs:
            told = predict(
                about.media,
                about.recipe,
                spec=spec,
                coefficients=known,
                platform=platform.name,
            )
            if told.wall.low <= asked.longest:
                cells.append((told.usage.wall_seconds, cell(file, profile, spec)))
    cells.sort(key=lambda it: -it[0] if many else 0.0)

    def both(runs: Runs) -> Runs:
        return runs.model_copy(update={"runs": (*begun.runs, *runs.runs)})

    return both(
        measure(
            [it for _, it in cells],
            seen=lambda runs: seen(both(runs)),
            milli_cpus=milli,
            tell=tell,
        )
    )


def frontier(runs: Runs, wired: Wiring) -> Found:
    """What *runs* say of our choices. Raises `UsageError` where no job succeeded."""
    if not jobs_of(runs.runs):
        raise UsageError("No job succeeded in any spec: there is nothing to compare.")
    figures: list[Figure] = []
    for what, rule in ((_EACH, each), (_ALL, one_for_all)):
        figures += report(runs, what, rule, wired)
    return Found(figures=tuple(figures), curves=tuple(curves(runs)), notes=(_NOTE,))


_EACH = f"{SLACK:g} x its own fastest"
_ALL = f"{PROMISE:g} x the slowest job's fastest"
_NOTE = (
    "The best spec of a job is the cheapest that met its deadline, known afterwards. "
    "Ours is what the planner chooses among the same specs with --optimize cost and "
    "--deadline: the cheapest by prediction with the upper end of its interval within "
    "the deadline. What was killed or late is a miss, and its cost counts. A sample's "
    "cost and time count, too. Regret is what ours cost over the best, of jobs that "
    "met their deadline. One fixed spec is to survive every file."
)
