"""What chunks cost and bring, beside the same job in one piece, in the same run."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from ..access.address import path_of
from ..contract import Manifest
from ..contract.task import PARTS
from ..errors import PlanError, UsageError
from ..wiring import Wiring
from ..work.toolchain import find_ffmpeg
from .children import run
from .clips import named, own_clip
from .jobs import done, figure, scratch
from .report import Figure, Found
from .telling import Tell

_NOTE = (
    "Every task is in the same spec of FunctionGraph, held to it; as many run at a "
    "time as this machine has room for. efficiency is (wall in one piece) ÷ (N × wall "
    "in N chunks), where the wall of chunks is the slowest one's, or that of sound "
    "which has a task of its own beside them, and then the join's, without waiting "
    "for room: 1 would be perfect. cpu_ratio and cost_ratio are over "
    "those of one piece. uneven is the standard deviation of the logarithm of the "
    "chunks' CPU seconds: scenes differ. same is 1 where all renditions have the same "
    "packet times, keyframes and segments as in one piece."
)

_OWN_SECONDS = 24
"""Of the clip that is made where no file is named: a chunk lasts 10 s at least."""
Times = Mapping[str, tuple[object, ...]]
"""Rendition → how many parts it has, the times of its packets, and its keyframes'."""


@dataclass(frozen=True, slots=True)
class _JobTook:
    """One job, once."""

    wall: float
    """Seconds of the slowest of what ran at once, and of what came after."""
    cpu: float
    cost: float
    uneven: float | None
    times: Times


def chunks(  # noqa: PLR0913 - what is asked
    files: Sequence[Path],
    counts: Sequence[int],
    *,
    profile: str,
    memory_mib: int,
    repeat: int,
    wired: Wiring,
    tell: Tell,
) -> Found:
    """Each file in one piece and in each number of chunks; times of both compared."""
    ffmpeg = find_ffmpeg(wired.settings)
    figures: list[Figure] = []
    options = ("--platform", "functiongraph", "--memory", str(memory_mib))
    with scratch() as folder:
        given = named(files) or [own_clip(folder, wired.settings, seconds=_OWN_SECONDS)]
        for file in given:
            pairs: dict[int, list[tuple[_JobTook, _JobTook]]] = {n: [] for n in counts}
            try:
                for number in range(repeat):
                    now = tell.repeat(file.name, number, repeat)
                    # What cannot be cut is told before the whole was made.
                    parts = {}
                    for count in counts:
                        parts[count] = _job(file, profile, count, options, ffmpeg)
                        now.step(1 + len(counts))
                    whole = _job(file, profile, 1, options, ffmpeg)
                    now.step(1 + len(counts))
                    for count, made in parts.items():
                        pairs[count].append((whole, made))
            except (UsageError, PlanError) as exc:
                of = {"file": file.name, "chunks": " ".join(map(str, counts))}
                figures.append(
                    Figure(
                        name="efficiency",
                        unit="",
                        better="more",
                        of=of,
                        reason=exc.message,
                    )
                )
                continue
            for count, several in pairs.items():
                figures += _row(file.name, count, several)
    return Found(figures=tuple(figures), notes=(_NOTE,))


def _row(
    name: str, count: int, several: Sequence[tuple[_JobTook, _JobTook]]
) -> Iterator[Figure]:
    of = {"file": name, "chunks": str(count)}
    wall = [one.wall / parts.wall / count for one, parts in several]
    yield figure("efficiency", "", "more", of, wall)
    cpu = [parts.cpu / one.cpu for one, parts in several]
    yield figure("cpu_ratio", "", "less", of, cpu)
    cost = [parts.cost / one.cost for one, parts in several]
    yield figure("cost_ratio", "", "less", of, cost)
    uneven = [parts.uneven for _, parts in several if parts.uneven is not None]
    if uneven:
        yield figure("uneven", "", None, of, uneven)
    same = [float(one.times == parts.times) for one, parts in several]
    yield figure("same", "", "more", of, same)


def _job(
    file: Path, profile: str, count: int, options: Sequence[str], ffmpeg: str
) -> _JobTook:
    with scratch() as to:
        _, manifest = done(file, to, profile, "--chunks", str(count), *options)
        times = dict(_times(manifest, ffmpeg))
    last = [(it.kind, it.attempts[-1].measured) for it in manifest.tasks]
    told = [(kind, it) for kind, it in last if it is not None]
    parts = [it for kind, it in told if kind in PARTS]
    rest = [it for kind, it in told if kind not in PARTS]
    each = [it.cpu_seconds for kind, it in told if kind == "chunk" and it.cpu_seconds]
    return _JobTook(
        wall=max((it.wall_seconds for it in parts), default=0.0)
        + sum(it.wall_seconds for it in rest),
        cpu=sum(it.cpu_seconds or 0.0 for _, it in told),
        cost=float(manifest.cost.amount),
        uneven=statistics.stdev(map(math.log, each)) if len(each) > 1 else None,
        times=times,
    )


def _times(manifest: Manifest, ffmpeg: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Of every rendition, packet by packet."""
    folder = Path(path_of(manifest.location or ""))
    for head in sorted(folder.rglob("init.mp4")):
        parts = [head, *sorted(head.parent.glob("*.m4s"))]
        with NamedTemporaryFile(suffix=".mp4") as whole:
            for part in parts:
                whole.write(part.read_bytes())
            whole.flush()
            yield head.parent.name, (len(parts), *_packets(Path(whole.name), ffmpeg))
    for file in sorted(folder.glob("*.mp4")):
        yield file.name, _packets(file, ffmpeg)


def _packets(file: Path, ffmpeg: str) -> tuple[object, ...]:
    """Times of all packets, and of keyframes alone, as a muxer hears them."""
    return tuple(
        tuple(
            tuple(line.split(",")[:3])
            for line in run(_told(file, ffmpeg, only)).out.splitlines()
            if not line.startswith("#")
        )
        for only in ((), ("-discard:v", "nokey"))
    )


def _told(file: Path, ffmpeg: str, only: Sequence[str]) -> list[str]:
    argv = [ffmpeg, "-nostdin", "-v", "error", *only, "-i", str(file), "-map", "0"]
    return [*argv, "-c", "copy", "-copyts", "-f", "framecrc", "-"]
