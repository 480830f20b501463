"""How well jobs are predicted whose files the model has not seen."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio

from ..contract import (
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
from ..errors import ClipError, TranscodeError, UsageError
from ..hooks import AttemptEnded, Event, Planned, SampleBegun
from ..invoke.local import prestart
from ..media.margins import MEMORY_MARGIN
from ..media.timeline import made
from ..pipeline import run
from ..plan.coefficients import Coefficients
from ..plan.predict import predict
from ..plan.profile import ClipProfile
from ..plan.refit import Observation, learn
from ..plan.sample_parts import content_of
from ..platforms.price import bill
from ..request import Request
from ..settings import Settings
from ..wiring import Wiring, wire
from ..work.toolchain import find_ffmpeg, small_encode_seconds
from .jobs import figure, scratch
from .parallel import Weighed, side_by_side
from .report import Figure, Found
from .telling import Tell

FOLDS = 5
IMPORTS_SECONDS = 0.4
_NOTE = (
    "Every file is run under every profile in every spec, held to it, one at a time. "
    "`shipped` is predicted with the coefficients that ship, `learned` with what "
    "`calibrate --from-ledger` makes of the other files' runs: each file by a fit that "
    "has not seen it (five folds by file). `+ sample` adds what a sample encode told, "
    "of those that one could be taken of. Errors are |actual / predicted - 1| of first "
    "tries that succeeded; the median is told, in brackets the least and the most. "
    "memory_over is predicted over actual, memory_under the share of tries that needed "
    "more than the prediction with its margin, those that were killed for it among "
    "them."
)


class FirstTry(Value):
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
    runs: tuple[FirstTry, ...]

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
    settings: Settings


@dataclass(frozen=True, slots=True)
class BesideTold:
    """One run beside its prediction."""

    wall: float
    cpu: float
    cost: float
    """Actual over predicted."""
    inside: bool
    memory: float
    """Predicted over actual."""


def measure(
    cells: Sequence[Cell],
    *,
    seen: Callable[[Runs], None],
    milli_cpus: int | None,
    tell: Tell,
) -> Runs:
    """
    Run everything: one after the other, or side by side on so many *milli_cpus*.

    *seen* gets what is there after each.
    """
    before = os.getloadavg()[0]
    found: list[FirstTry] = []
    yardsticks: list[float] = []
    several: Iterator[tuple[Cell, float, FirstTry | None]] = map(run_cell, cells)
    if milli_cpus is not None:
        several = side_by_side(
            run_cell,
            [Weighed(it, it.milli_cpus) for it in cells],
            milli_cpus=milli_cpus,
            preload=__name__,
        )
    runs = Runs(load=(before, before), cores=len(os.sched_getaffinity(0)), runs=())
    for number, (cell, yardstick, run_) in enumerate(several, 1):
        said = "not run" if run_ is None else run_.attempt.outcome.value
        size = f"{cell.memory} MiB" if cell.memory else "as planned"
        what = f"{cell.file.name}, {cell.profile}, {size}: {said}"
        tell.show(f"{number} of {len(cells)}: {what}")
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


def run_cell(cell: Cell) -> tuple[Cell, float, FirstTry | None]:
    """One run, and the yardstick before it: a machine's speed changes in minutes."""
    wired = wire(cell.settings)
    yardstick = small_encode_seconds.__wrapped__(find_ffmpeg(wired.settings))
    with scratch() as folder:
        try:
            run_ = _measure(cell, folder, wired)
        except ClipError:
            # A file that is no longer than that is taken as a whole.
            run_ = _measure(replace(cell, seconds=None), folder, wired)
        return cell, yardstick or math.nan, run_


def _measure(cell: Cell, folder: Path, wired: Wiring) -> FirstTry | None:
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
        # What an attempt was killed for is in what was heard of it.
        if exc.exit_code == UsageError.exit_code:
            raise
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
    return FirstTry(
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
    runs: Iterable[FirstTry], coefficients: Coefficients, wired: Wiring, *, sample: bool
) -> list[BesideTold]:
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
            BesideTold(
                wall=real.wall_seconds / told.usage.wall_seconds,
                cpu=real.cpu_seconds / told.usage.cpu_seconds,
                cost=float(one.attempt.cost.amount / price.amount),
                inside=told.wall.low <= real.wall_seconds <= told.wall.high,
                memory=(told.usage.peak_memory_bytes or 0)
                / (real.peak_memory_bytes or 1),
            )
        )
    return found


def content_of_run(one: FirstTry, coefficients: Coefficients) -> Content | None:
    """What the sample told, by these coefficients."""
    if one.sample is None or one.sampled is None:
        return None
    return content_of(
        one.sampled, one.sample, coefficients=coefficients, platform=one.platform
    )


def fits(
    runs: Sequence[FirstTry], shipped: Coefficients
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
        yield held, learn(seen, shipped, origin="bench accuracy", today=today)


def learned(
    runs: Sequence[FirstTry], shipped: Coefficients, wired: Wiring, *, sample: bool
) -> list[BesideTold]:
    """Each file as a fit to the other folds' files predicts it."""
    found: list[BesideTold] = []
    for held, fit in fits(runs, shipped):
        rest = (one for one in runs if one.file in held)
        found += compare(rest, fit, wired, sample=sample)
    return found


def judged(runs: Runs, wired: Wiring) -> Iterator[Figure]:
    """Both predictions, of headers alone and with a sample."""
    shipped = runs.coefficients(wired)
    killed = sum(r.attempt.outcome is OutcomeKind.OUT_OF_MEMORY for r in runs.runs)
    for sample, also in ((False, ""), (True, " + sample")):
        told = compare(runs.runs, shipped, wired, sample=sample)
        yield from _errors(f"shipped{also}", told, killed)
        of = f"learned{also}"
        try:
            told = learned(runs.runs, shipped, wired, sample=sample)
        except UsageError as exc:
            yield _unknown(of, exc.message)
        else:
            yield from _errors(of, told, killed)
    shares = [
        float(it.sampled.cost.amount / it.attempt.cost.amount)
        for it in runs.runs
        if it.sampled is not None
    ]
    if shares:
        of_all = {"of": "samples"}
        yield figure("share_of_the_job", "", "less", of_all, shares)


def _unknown(name: str, why: str) -> Figure:
    of = {"prediction": name}
    return Figure(name="wall_error", unit="", better="less", of=of, reason=why)


def _errors(name: str, told: Sequence[BesideTold], killed: int) -> Iterator[Figure]:
    if not told:
        yield _unknown(name, "of no file could a sample be taken, or none succeeded")
        return
    of = {"prediction": name}
    under = killed + sum(it.memory * MEMORY_MARGIN < 1 for it in told)
    yield figure("wall_error", "", "less", of, [abs(it.wall - 1) for it in told])
    yield figure("cpu_error", "", "less", of, [abs(it.cpu - 1) for it in told])
    yield figure("cost_error", "", "less", of, [abs(it.cost - 1) for it in told])
    inside = sum(it.inside for it in told) / len(told)
    yield figure("inside_90", "", "more", of, [inside])
    under_share = under / (len(told) + killed)
    yield figure("memory_under", "", "less", of, [under_share])
    yield figure("memory_over", "", "less", of, [it.memory for it in told])
    yield figure("runs", "", None, of, [len(told)])


def accuracy(runs: Runs, wired: Wiring) -> Found:
    """What *runs* say of the model."""
    files = len({one.file for one in runs.runs})
    notes = [_NOTE, f"{files} files in {len(runs.runs)} runs."]
    if max(runs.load[0], runs.load[1] - 1) > runs.cores / 2:
        notes.append("The machine was busy: these errors are not the model's alone.")
    return Found(figures=tuple(judged(runs, wired)), notes=tuple(notes))


def kept(path: Path | None) -> Callable[[Runs], None]:
    """Writes runs there, if anywhere."""

    def keep(runs: Runs) -> None:
        if path is not None:
            path.write_text(runs.to_json(indent=1), encoding="utf-8")

    return keep


def read(path: Path) -> Runs:
    """What was kept. Raises `UsageError`."""
    try:
        return Runs.from_json(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise UsageError(
            f"{str(path)!r} holds no runs that --keep of this release has written.",
            path=str(path),
        ) from exc
