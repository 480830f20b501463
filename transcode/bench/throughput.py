"""How much a machine, a profile or a platform delivers: jobs from a queue, by `sweep`
and by `watch`."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..contract import Manifest, OutcomeKind, Plan
from ..errors import WorkError
from ..wiring import Wiring
from .children import Took, begun, run, transcode
from .clips import named, own_clip, queue
from .report import Figure, Found
from .telling import Tell

_MINUTE = 60.0
_HOUR = 3600.0
_LOOK_SECONDS = 0.05
_ID = 12
"""Of a job's id, what its folder's name ends with."""
_EVERY = "1s"
"""How often `watch` looks: what of a latency is waiting for it is half of that."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What is asked."""

    profiles: tuple[str, ...]
    side_by_side: tuple[int, ...]
    """Jobs at a time, each measured; empty: 1, 2, 4 … up to the machine's cores."""
    jobs: int
    repeat: int
    load: float
    """How busy arrivals keep us, as a share of what the queue was worked off with; 0:
    no arrivals."""
    options: tuple[str, ...] = ()
    """Of `sweep` and `watch`: the engine, the platform, what is optimized."""


@dataclass(frozen=True, slots=True)
class _WorkedOff:
    """One queue, worked off."""

    took: Took
    manifests: tuple[Manifest, ...]

    @property
    def minutes(self) -> float:
        return sum(map(output_minutes, self.manifests))


def throughput(
    files: Sequence[Path], asked: Throughput, wired: Wiring, tell: Tell
) -> Found:
    """
    Work off a queue of copies of *files* for each profile and number side by side.

    Raises `WorkError` where a job fails: a queue that loses jobs has no throughput.
    """
    cores = wired.machine.milli_cpus / 1000
    levels = asked.side_by_side or tuple(_levels(int(cores)))
    figures: list[Figure] = []
    with _folder() as scratch:
        sources = named(files) or [own_clip(scratch, wired.settings)]
        for profile in asked.profiles:
            what = made_of(sources, profile, asked.options)
            best, rounds = 0.0, list[_WorkedOff]()
            for level in levels:
                several = [
                    _sweep(sources, profile, level, asked, tell.repeat(
                        f"{profile}, {level} side by side", n, asked.repeat
                    ))
                    for n in range(asked.repeat)
                ]  # fmt: skip
                rounds += several
                best = max(
                    best,
                    statistics.median(
                        asked.jobs / it.took.wall_seconds for it in several
                    ),
                )
                of = {"profile": profile, "side by side": str(level)}
                figures += _of_queue(several, of, asked.jobs, cores)
            figures += _of_what_was_made(rounds, profile, what)
            figures += _arrivals(sources, profile, best, asked, tell)
    figures.append(
        Figure(
            name="output",
            unit="min/h",
            better="more",
            of={"profile": "on a GPU", "side by side": ""},
            reason=_no_gpu(),
        )
    )
    return Found(figures=tuple(figures), notes=_notes(files, asked))


def _levels(cores: int) -> Iterator[int]:
    level = 1
    while level < cores:
        yield level
        level *= 2
    yield max(1, cores)


def _no_gpu() -> str:
    if Path("/dev/nvidia0").exists():
        return "--profile names none whose encoder is the GPU's"
    return "there is no GPU here"


def output_minutes(manifest: Manifest) -> float:
    """
    Minutes of every rendition that was made, as managed services count them; of the
    sound where a profile makes no picture.
    """
    made = [it for it in manifest.outputs if it.kind == "rendition"]
    made = made or [it for it in manifest.outputs if it.kind == "audio"]
    return sum(it.duration_seconds or 0.0 for it in made) / _MINUTE


def made_of(
    sources: Sequence[Path], profile: str, options: Sequence[str]
) -> Mapping[str, tuple[str, str, str]]:
    """Name of a source → codec, preset and height of the top of what is made of it."""
    # What `plan` does not take: it starts nothing.
    planning = [it for it in options if not it.startswith("--engine")]
    found = {}
    for source in sources:
        argv = transcode("plan", str(source), "--profile", profile, *planning)
        plan = Plan.from_json(run([*argv, "--json"]).out)
        video = [v for it in plan.tasks for v in it.task.recipe.video]
        top = max(video, key=lambda v: v.height, default=None)
        if top is None:
            audio = [a for it in plan.tasks for a in it.task.recipe.audio]
            codecs = "+".join(dict.fromkeys(a.codec for a in audio))
            found[source.name] = (codecs, "–", "–")
        else:
            how = top.preset or top.made_by
            found[source.name] = (top.codec, how, f"{top.height}p")
    return found


def _sweep(
    sources: Sequence[Path], profile: str, level: int, asked: Throughput, tell: Tell
) -> _WorkedOff:
    with _folder() as folder:
        queue(sources, folder / "in", asked.jobs)
        argv = transcode("sweep", str(folder / "in"), "--to", str(folder / "out"))
        argv += ["--profile", profile, "--at-once", str(level), *asked.options]

        def heard(line: str) -> None:
            if " succeeded: " in line:
                tell.step(asked.jobs)

        took = run([*argv, "--json"], heard=heard)
        return _WorkedOff(took, tuple(_manifests(folder / "out", asked.jobs)))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="transcode-bench-") as name:
        yield Path(name)


def _manifests(out: Path, count: int) -> Iterator[Manifest]:
    found = [
        Manifest.from_json(path.read_bytes())
        for path in sorted(out.glob("*/manifest.json"))
    ]
    for it in found:
        if it.status != "succeeded":
            why = it.error.message if it.error else it.status
            raise WorkError(f"{it.source.uri} became no result: {why}")
    if len(found) != count:
        raise WorkError(f"Of {count} jobs only {len(found)} have a result.")
    yield from found


def _of_queue(
    several: Sequence[_WorkedOff], of: Mapping[str, str], jobs: int, cores: float
) -> Iterator[Figure]:
    def figure(name: str, unit: str, better: str | None, each: list[float]) -> Figure:
        return Figure.model_validate(
            {"name": name, "unit": unit, "better": better, "of": of, "values": each}
        )

    wall = [it.took.wall_seconds for it in several]
    cpu = [it.took.cpu_seconds for it in several]
    minutes = [it.minutes for it in several]
    each = list(zip(wall, cpu, minutes, strict=True))
    yield figure("jobs", "1/h", "more", [jobs / w * _HOUR for w in wall])
    yield figure("output", "min/h", "more", [m / w * _HOUR for w, _, m in each])
    yield figure("cpu", "s/min", "less", [c / m for _, c, m in each])
    currency, money = _money(several)
    yield figure(
        "price",
        f"{currency}/min",
        "less",
        [paid / m for paid, m in zip(money, minutes, strict=True)],
    )
    yield figure("cores_busy", "", "more", [c / w / cores for w, c, _ in each])


def _money(several: Sequence[_WorkedOff]) -> tuple[str, list[float]]:
    return several[0].manifests[0].cost.currency, [
        float(sum(it.cost.amount for it in one.manifests)) for one in several
    ]


def _of_what_was_made(
    rounds: Sequence[_WorkedOff], profile: str, what: Mapping[str, tuple[str, str, str]]
) -> Iterator[Figure]:
    """By codec, preset and height of the top rendition; from the bills of the jobs."""
    kinds: dict[tuple[str, str, str], list[Manifest]] = defaultdict(list)
    for it in (one for each in rounds for one in each.manifests):
        # `0003-name.mp4`, as `queue` calls them.
        kinds[what[Path(it.source.uri).name.partition("-")[2]]].append(it)
    for (codec, preset, height), several in kinds.items():
        of = {"profile": profile, "codec": codec, "preset": preset, "height": height}
        cpu = [attempts_cpu(it) for it in several]
        known = [it for it in cpu if it is not None]
        minutes = [output_minutes(it) for it in several]
        yield Figure(
            name="cpu_of_work",
            unit="s/min",
            better="less",
            of=of,
            values=tuple(
                c / m for c, m in zip(cpu, minutes, strict=True) if c is not None
            ),
            reason=None if known else "the engine does not tell the CPU time",
        )
        yield Figure(
            name="price",
            unit=f"{several[0].cost.currency}/min",
            better="less",
            of=of,
            values=tuple(
                float(it.cost.amount) / m
                for it, m in zip(several, minutes, strict=True)
            ),
        )


def attempts_cpu(manifest: Manifest) -> float | None:
    """CPU seconds of all attempts; None where one's are not known."""
    each = [
        None if it.measured is None else it.measured.cpu_seconds
        for task in manifest.tasks
        for it in task.attempts
        if it.outcome is not OutcomeKind.CANCELLED
    ]
    known = [it for it in each if it is not None]
    return sum(known) if len(known) == len(each) else None


def _arrivals(
    sources: Sequence[Path],
    profile: str,
    per_second: float,
    asked: Throughput,
    tell: Tell,
) -> Iterator[Figure]:
    of = {"profile": profile, "arrivals": f"{asked.load:.0%} of the queue's rate"}
    names = (("latency_50th", 50), ("latency_95th", 95), ("latency_99th", 99))
    if not asked.load:
        for name, _ in names:
            yield Figure(
                name=name, unit="s", better="less", of=of, reason="--load 0: not asked"
            )
        return
    each = [
        _watch(
            sources,
            profile,
            asked,
            tell.repeat(f"{profile}, arrivals", n, asked.repeat),
            gaps=_gaps(n, asked.jobs, asked.load * per_second),
        )
        for n in range(asked.repeat)
    ]
    for name, share in names:
        yield Figure(
            name=name,
            unit="s",
            better="less",
            of=of,
            values=tuple(percentile(it, share) for it in each),
        )


def _gaps(seed: int, count: int, per_second: float) -> list[float]:
    """Seconds between arrivals that know nothing of each other: a Poisson process."""
    chance = random.Random(seed)  # noqa: S311 - the same each time, on purpose
    return [chance.expovariate(per_second) for _ in range(count)]


def percentile(values: Sequence[float], share: int) -> float:
    """The least value that *share* per cent do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-share * len(ordered) // 100) - 1)]


def _watch(
    sources: Sequence[Path],
    profile: str,
    asked: Throughput,
    tell: Tell,
    *,
    gaps: Sequence[float],
) -> list[float]:
    """Seconds from each upload's arrival until its manifest is there."""
    with _folder() as folder:
        into, out = folder / "in", folder / "out"
        into.mkdir()
        waiting = queue(sources, folder / "ready", asked.jobs)
        argv = transcode("watch", str(into), "--to", str(out), "--profile", profile)
        argv += ["--every", _EVERY, "--settle", _EVERY, *asked.options]
        arrived: dict[str, float] = {}
        done: dict[str, float] = {}
        with begun(argv) as child:
            due = time.monotonic()
            coming = list(zip(waiting, gaps, strict=True))
            due += coming[0][1]
            while len(done) < asked.jobs:
                if not child.running:
                    child.end()
                    raise WorkError("watch ended before its uploads were done.")
                if coming and time.monotonic() >= due:
                    path, _ = coming.pop(0)
                    path.rename(into / path.name)
                    arrived[path.name] = time.time()
                    due += coming[0][1] if coming else 0.0
                now = _ended(out)
                for _ in now.keys() - done.keys():
                    tell.step(asked.jobs)
                done = now
                time.sleep(_LOOK_SECONDS)
            child.end(asked=True)
        made = _manifests(out, asked.jobs)
        ended = {Path(it.source.uri).name: done[it.job_id[:_ID]] for it in made}
        return [ended[name] - when for name, when in arrived.items()]


def _ended(out: Path) -> dict[str, float]:
    """The beginning of a job's id → when its manifest was written."""
    return {
        path.parent.name.rpartition(".")[2]: path.stat().st_mtime
        for path in out.glob("*/manifest.json")
    }


def _notes(files: Sequence[Path], asked: Throughput) -> tuple[str, ...]:
    what = (
        f"copies of {len(files)} files in turn"
        if files
        else "one clip of 6 s at 720p that the bench has made"
    )
    queued = (
        f"A queue is {asked.jobs} jobs, {what}; `transcode sweep` works it off, its "
        "start and its end included, everything verified. Output is the minutes of "
        "every rendition; CPU seconds and price are for one of them."
    )
    made = (
        "Where it says what was made, it is the largest rendition; its CPU time and "
        "price are those of the jobs' attempts."
    )
    notes = [queued, made]
    if asked.load:
        notes.append(
            "Arrivals come at random; latency is from the upload's arrival to its "
            f"manifest, with a watch that looks every {_EVERY}."
        )
    return tuple(notes)
