"""
How well jobs are predicted whose files calibration has not seen.

    python bench/accuracy.py [--files FILE …] [--profiles preview mp4]
                             [--memory 512 2048] [--seconds 6] [--platform NAME]
                             [--keep RUNS.json] [--no-sample]
    python bench/accuracy.py --runs RUNS.json      # the table again, without running

Every file is run under every profile in every spec, held to it by cgroup, one at a
time. `shipped` is predicted with the coefficients that ship. `learned` is what
`transcode calibrate --from-ledger` makes of the other files' runs: each file is
predicted by a fit that has not seen it (five folds by file). `+ sample` adds what a
sample encode of each file told, of those that one could be taken of; what it cost
beside the job is printed. Only first tries count;
one that was killed for its memory counts as under-predicted and in no other figure.

Aims: median error of wall time and cost at most 25 % shipped and 10 % learned; 90 % of
wall times inside the interval; memory under-predicted on 1 % at most, over-predicted
1.5 times in the median. On a machine that does anything else the errors measure that,
so its load is printed; CPU time suffers least.
"""

from __future__ import annotations

import compileall
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio

from bench.harness import parser_of
from bench.together import Weighed, side_by_side
from transcode.contract import (
    Attempt,
    Content,
    Media,
    Money,
    OutcomeKind,
    Plan,
    Recipe,
    Task,
    Value,
)
from transcode.errors import TranscodeError, UsageError
from transcode.hooks import AttemptEnded, Event, Planned, SampleBegun
from transcode.invoke.local import prestart
from transcode.media.margins import MEMORY_MARGIN
from transcode.media.timeline import made
from transcode.pipeline import run
from transcode.plan.coefficients import Coefficients
from transcode.plan.predict import predict
from transcode.plan.profile import ClipProfile
from transcode.plan.refit import Observation, learn
from transcode.plan.sample_parts import content_of
from transcode.platforms.price import bill
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import Wiring, wire
from transcode.work.toolchain import find_ffmpeg, small_encode_seconds

ROOT = Path(__file__).resolve().parents[1]
WORKLOAD = ROOT.parent / "shared" / "media" / "workload"
FOLDS = 5
IMPORTS_SECONDS = 0.4
HEAD = """\
| prediction | runs | wall | CPU | cost | inside 90 % | memory under | memory over |
| --- | --- | --- | --- | --- | --- | --- | --- |"""
"""Errors are medians of |actual / predicted - 1|; `over` is predicted / actual."""


class Run(Value):
    """One first try: what it was, and what it took."""

    file: str
    profile: str
    media: Media
    """As if nothing but the clip had been uploaded."""
    recipe: Recipe
    attempt: Attempt
    platform: str
    sample: Task | None = None
    sampled: Attempt | None = None
    """The sample encode before it, where one was taken."""
    plan: Plan | None = None
    """Where the plan chose the spec, and nobody asked for one."""


class Runs(Value):
    """What `--keep` writes."""

    load: tuple[float, float]
    """Average of a minute before the first and after the last."""
    cores: int
    yardstick_seconds: float | None = None
    """CPU seconds of a small encode, the median of one before each file."""
    runs: tuple[Run, ...]

    def coefficients(self, wired: Wiring) -> Coefficients:
        """Those that are shipped, for the machine as fast as it was then."""
        return wired.coefficients.model_copy(update={"pace": 1.0}).here(
            self.yardstick_seconds
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One run to be made."""

    file: Path
    profile: str
    memory: int | None
    """MiB; None: as the plan chooses."""
    milli_cpus: int
    """What it may take of the machine."""
    platform: str
    seconds: float | None
    """Of the source; None: all."""
    sample: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One run beside its prediction."""

    wall: float
    cpu: float
    cost: float
    """Actual over predicted."""
    inside: bool
    memory: float
    """Predicted over actual."""


def measure(
    cells: Sequence[Cell], *, seen: Callable[[Runs], None], milli_cpus: int | None
) -> Runs:
    """
    Run everything: one after the other, or side by side on so many *milli_cpus*.

    *seen* gets what is there after each.
    """
    # What is installed has its bytecode; a checkout may be kept from writing it.
    compileall.compile_dir(ROOT / "transcode", quiet=1)
    before = os.getloadavg()[0]
    found: list[Run] = []
    yardsticks: list[float] = []
    several: Iterator[tuple[Cell, float, Run | None]] = map(run_cell, cells)
    if milli_cpus is not None:
        several = side_by_side(
            run_cell,
            [Weighed(it, it.milli_cpus) for it in cells],
            milli_cpus=milli_cpus,
            preload="bench.accuracy",
        )
    for cell, yardstick, run_ in several:
        said = "not run" if run_ is None else run_.attempt.outcome.value
        memory = cell.memory or "any memory"
        print(f"{cell.file.name} {cell.profile} {memory}: {said}", file=sys.stderr)
        yardsticks.append(yardstick)
        found += [] if run_ is None else [run_]
        runs = Runs(
            load=(before, os.getloadavg()[0]),
            cores=len(os.sched_getaffinity(0)),
            yardstick_seconds=statistics.median(yardsticks),
            runs=tuple(found),
        )
        seen(runs)
    return runs


def run_cell(cell: Cell) -> tuple[Cell, float, Run | None]:
    """One run, and the yardstick before it: a machine's speed changes in minutes."""
    wired = wire(Settings.from_environment(os.environ))
    yardstick = small_encode_seconds.__wrapped__(find_ffmpeg(wired.settings))
    with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
        return cell, yardstick or math.nan, _measure(cell, Path(folder), wired)


def _measure(cell: Cell, folder: Path, wired: Wiring) -> Run | None:
    heard: list[Event] = []
    request = Request(
        source=str(cell.file),
        profile=cell.profile,
        to=str(folder / "out"),
        platform=cell.platform,
        memory_mib=cell.memory,
        clip=ClipProfile(end_seconds=cell.seconds) if cell.seconds else None,
        sample="always" if cell.sample else "never",
    )

    async def work() -> None:
        await run(request, wired, listen=heard.append)

    # As the command line does, whose own imports take so long.
    prestart.begin()
    time.sleep(IMPORTS_SECONDS)
    try:
        anyio.run(work)
    except TranscodeError as exc:
        print(f"  {exc.message}", file=sys.stderr)
    finally:
        prestart.abandon()
    plan = next((it.plan for it in heard if isinstance(it, Planned)), None)
    ended = [it for it in heard if isinstance(it, AttemptEnded)]
    tried = next((it.attempt for it in ended if it.task_id.endswith("encode")), None)
    sampled = next((it.attempt for it in ended if it.attempt.sampled), None)
    began = next((it.plan for it in heard if isinstance(it, SampleBegun)), None)
    if plan is None or tried is None or tried.measured is None:
        return None
    if tried.outcome not in (OutcomeKind.SUCCEEDED, OutcomeKind.OUT_OF_MEMORY):
        return None
    task = plan.tasks[0].task
    return Run(
        file=cell.file.name,
        profile=cell.profile,
        media=made(task.media, task.recipe),
        recipe=task.recipe,
        attempt=tried,
        platform=plan.platform.name,
        sample=began.tasks[0].task if began and sampled else None,
        sampled=sampled,
        plan=plan if cell.memory is None else None,
    )


def compare(
    runs: Iterable[Run], coefficients: Coefficients, wired: Wiring, *, sample: bool
) -> list[Told]:
    """Successful runs beside what is predicted of them, *sample* or headers alone."""
    found = []
    for one in runs:
        content = None
        if sample:
            content = content_of_run(one, coefficients)
            if content is None:
                continue
        real = one.attempt.measured
        if real is None or one.attempt.outcome is not OutcomeKind.SUCCEEDED:
            continue
        told = predict(
            one.media,
            one.recipe,
            spec=one.attempt.spec,
            coefficients=coefficients,
            platform=one.platform,
            content=content,
        )
        price: Money = bill(
            wired.catalog.platform(one.platform), one.attempt.spec, told.usage
        ).total
        found.append(
            Told(
                wall=real.wall_seconds / told.usage.wall_seconds,
                cpu=real.cpu_seconds / told.usage.cpu_seconds,
                cost=float(one.attempt.cost.amount / price.amount),
                inside=told.wall.low <= real.wall_seconds <= told.wall.high,
                memory=(told.usage.peak_memory_bytes or 0)
                / (real.peak_memory_bytes or 1),
            )
        )
    return found


def content_of_run(one: Run, coefficients: Coefficients) -> Content | None:
    """What the sample told, by these coefficients."""
    if one.sample is None or one.sampled is None:
        return None
    return content_of(
        one.sampled, one.sample, coefficients=coefficients, platform=one.platform
    )


def fits(
    runs: Sequence[Run], shipped: Coefficients
) -> Iterator[tuple[frozenset[str], Coefficients]]:
    """Files, and what was learned of all the others; each file once."""
    files = sorted({one.file for one in runs})
    today = datetime.now(UTC).date()
    for fold in range(FOLDS):
        held = frozenset(files[fold::FOLDS])
        seen = [
            Observation(
                source=one.file,
                day=today,
                platform=one.platform,
                media=one.media,
                recipe=one.recipe,
                spec=one.attempt.spec,
                measured=one.attempt.measured,
            )
            for one in runs
            if one.file not in held
            and one.attempt.measured is not None
            and one.attempt.outcome is OutcomeKind.SUCCEEDED
        ]
        yield held, learn(seen, shipped, origin="bench/accuracy", today=today)


def learned(
    runs: Sequence[Run], shipped: Coefficients, wired: Wiring, *, sample: bool
) -> list[Told]:
    """Each file as a fit to the other folds' files predicts it."""
    found: list[Told] = []
    for held, fit in fits(runs, shipped):
        rest = (one for one in runs if one.file in held)
        found += compare(rest, fit, wired, sample=sample)
    return found


def row(name: str, told: Sequence[Told], killed: int) -> str:
    """One line of the table."""
    tries = len(told) + killed
    under = killed + sum(it.memory * MEMORY_MARGIN < 1 for it in told)
    wall = statistics.median(abs(it.wall - 1) for it in told)
    cost = statistics.median(abs(it.cost - 1) for it in told)
    cpu = statistics.median(abs(it.cpu - 1) for it in told)
    inside = sum(it.inside for it in told) / len(told)
    over = statistics.median(it.memory for it in told)
    return (
        f"| {name} | {len(told)} | {wall:.0%} | {cpu:.0%} | {cost:.0%} | "
        f"{inside:.0%} | {under}/{tries} | {over:.2f} × |"
    )


def table(runs: Runs, wired: Wiring) -> str:
    """Both predictions side by side, and whether the machine was fit to judge them."""
    shipped = runs.coefficients(wired)
    killed = sum(r.attempt.outcome is OutcomeKind.OUT_OF_MEMORY for r in runs.runs)
    lines = [HEAD]
    for sample, also in ((False, ""), (True, " + sample")):
        if told := compare(runs.runs, shipped, wired, sample=sample):
            lines.append(row(f"shipped{also}", told, killed))
        try:
            if told := learned(runs.runs, shipped, wired, sample=sample):
                lines.append(row(f"learned{also}", told, killed))
        except UsageError as exc:
            lines.append(f"\nlearned: not measured. {exc.message}")
    shares = [
        float(it.sampled.cost.amount / it.attempt.cost.amount)
        for it in runs.runs
        if it.sampled is not None
    ]
    if shares:
        lines.append(f"\nSamples cost {statistics.median(shares):.0%} of the job.")
    files = len({one.file for one in runs.runs})
    lines.append(
        f"\n{files} files; load {runs.load[0]:.1f} before, {runs.load[1]:.1f} after, "
        f"on {runs.cores} cores."
    )
    if max(runs.load[0], runs.load[1] - 1) > runs.cores / 2:
        lines.append("The machine was busy: these errors are not the model's.")
    return "\n".join(lines)


def unseen(wired: Wiring) -> list[Path]:
    """The workload without what calibration measured."""
    used = wired.coefficients.measured.content.split(", ")
    return [path for path in sorted(WORKLOAD.glob("*")) if path.name not in used]


def keep(runs: Runs, path: Path | None) -> None:
    """Write them, if anywhere."""
    if path is not None:
        path.write_text(runs.to_json(indent=1), encoding="utf-8")


def main() -> None:
    """Measure or read, then print."""
    parser = parser_of(__doc__)
    parser.add_argument("--files", type=Path, nargs="+")
    parser.add_argument("--profiles", nargs="+", default=["preview", "mp4"])
    parser.add_argument("--memory", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--platform", default="functiongraph")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--no-sample", dest="sample", action="store_false")
    parser.add_argument("--runs", type=Path)
    options = parser.parse_args()
    wired = wire(Settings.from_environment(os.environ))
    if options.runs:
        runs = Runs.from_json(options.runs.read_text(encoding="utf-8"))
    else:
        cells = [
            Cell(file, profile, memory, 0, options.platform, options.seconds,
                 options.sample)
            for file in options.files or unseen(wired)
            for profile in options.profiles
            for memory in options.memory
        ]  # fmt: skip
        runs = measure(
            cells, seen=lambda runs: keep(runs, options.keep), milli_cpus=None
        )
    print(table(runs, wired))


if __name__ == "__main__":
    main()
