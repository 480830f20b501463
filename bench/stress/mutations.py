"""
Mutated uploads: cut, flipped and spliced files of a corpus, each probed for real.

    python -m bench.stress.mutations --count 10000 --seed 1 --processes 2

Every mutation is probed in the child that probes uploads, and each n-th (`--every`)
goes through `transcode run --profile preview`, as does with `--every-cut` each cut that
the probe lets pass; what is published is decoded by another ffmpeg than the one that
made it. Prints a table by verdict. Exits 1 on a parent that died, a verdict later than
the deadline and a second, an error without a type, a success that the second tool
contradicts, or a child, descriptor or temporary file left behind. A cut that is made as
whole is no fault but noted: some formats cannot tell (docs/media.md). Same seed, same
mutations; a failing input is kept (`--keep`) beside its recipe.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from bench.harness import container_seconds, decoding_trouble, parser_of
from transcode.contract import Source
from transcode.errors import TranscodeError
from transcode.probe.probe import ProbeLimits, probe

MEDIA = Path(__file__).resolve().parents[3] / "shared" / "media"
GRACE_SECONDS = 2.0
"""As in `kills`: for children to end after who asked for them."""
MOST_BYTES = 3_000_000
"""Larger files of the corpus are left out: writing them would be most of the time."""
KINDS = ("cut", "flip", "splice")
DEADLINE = ProbeLimits().wall_seconds
GRACE = 1.0
RUN_SECONDS = 120.0
SLACK_SECONDS = 0.1
REFUSALS = {2: "usage", 3: "media", 4: "work", 5: "plan"}


@dataclass(frozen=True)
class Job:
    """Which mutation, of what, and what is to be done with it."""

    seed: int
    number: int
    kinds: tuple[str, ...]
    files: tuple[str, ...]
    media: str
    encode: bool
    encode_cuts: bool
    keep: str | None


@dataclass(frozen=True)
class Verdict:
    """What became of one mutation."""

    number: int
    recipe: str
    kind: str
    probed: str
    seconds: float
    ran: str | None = None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What is no fault, for the table."""


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--every", type=int, default=25, help="encode each n-th; 0: none"
    )
    parser.add_argument("--every-cut", action="store_true")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--media", type=Path, default=MEDIA)
    parser.add_argument("--keep", type=Path, help="folder for inputs that fail")
    options = parser.parse_args()
    if not options.media.is_dir():
        parser.error(f"{options.media} is no folder of media")
    files = corpus(options.media)
    jobs = [
        Job(
            seed=options.seed,
            number=number,
            kinds=tuple(options.kinds),
            files=files,
            media=str(options.media),
            encode=bool(options.every) and number % options.every == 0,
            encode_cuts=options.every_cut,
            keep=None if options.keep is None else str(options.keep),
        )
        for number in range(options.count)
    ]
    started = time.monotonic()
    verdicts = list(_watched(_done(jobs, options.processes), len(jobs)))
    report(verdicts, seconds=time.monotonic() - started)
    return 1 if any(verdict.faults for verdict in verdicts) else 0


def corpus(media: Path) -> tuple[str, ...]:
    """Paths below *media*, in one order everywhere."""
    return tuple(
        path.relative_to(media).as_posix()
        for path in sorted(media.rglob("*"))
        if path.is_file()
        and path.suffix not in {".tsv", ".md"}
        and 0 < path.stat().st_size <= MOST_BYTES
    )


def _done(jobs: list[Job], processes: int) -> Iterator[Verdict]:
    """Each job's verdict; a worker that died is one, too, and another takes over."""
    context = multiprocessing.get_context("spawn")
    left = {job.number: job for job in jobs}
    while left:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            futures = {pool.submit(judge, job): job for job in left.values()}
            try:
                for future in as_completed(futures):
                    verdict = future.result()
                    del left[verdict.number]
                    yield verdict
            except BrokenProcessPool:
                # Which of those in flight it was, nobody knows: each once more, alone.
                suspects = list(left.values())[: processes * 2]
        if left:
            for job in suspects:
                del left[job.number]
                yield _alone(job)


def _alone(job: Job) -> Verdict:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(judge, job).result()
        except BrokenProcessPool:
            _, kind, recipe = mutate(job)
            return Verdict(
                job.number, recipe, kind, "DIED", 0.0, faults=("the parent died",)
            )


def _watched(verdicts: Iterator[Verdict], count: int) -> Iterator[Verdict]:
    for done, verdict in enumerate(verdicts, start=1):
        for fault in verdict.faults:
            print(f"! {verdict.number}: {fault}: {verdict.recipe}", flush=True)
        for note in verdict.notes:
            print(f"  {verdict.number}: {note}: {verdict.recipe}", flush=True)
        if done % 500 == 0:
            print(f"  {done} of {count}", file=sys.stderr, flush=True)
        yield verdict


def mutate(job: Job) -> tuple[bytes, str, str]:
    """The bytes, the kind, and a recipe that a person can follow."""
    chance = random.Random(f"{job.seed}:{job.number}")
    name = chance.choice(job.files)
    kind = chance.choice(job.kinds)
    data = bytearray((Path(job.media) / name).read_bytes())
    if kind == "cut":
        length = chance.randrange(len(data))
        return bytes(data[:length]), kind, f"{name}: the first {length} bytes"
    if kind == "flip":
        places = sorted(
            {chance.randrange(len(data)) for _ in range(2 ** chance.randrange(8))}
        )
        for place in places:
            data[place] ^= 1 << chance.randrange(8)
        return bytes(data), kind, f"{name}: a bit of bytes {places[:8]}…"
    other = chance.choice(job.files)
    patch = (Path(job.media) / other).read_bytes()
    at, start = chance.randrange(len(data)), chance.randrange(len(patch))
    length = chance.randrange(1, 1 + min(len(patch) - start, 65_536))
    over = chance.choice((0, length))
    data[at : at + over] = patch[start : start + length]
    return bytes(data), kind, f"{name}: {other}[{start}:+{length}] at {at}, over {over}"


def judge(job: Job) -> Verdict:
    """Probe, and encode where that is asked; everything must be gone afterwards."""
    data, kind, recipe = mutate(job)
    suffix = Path(recipe.partition(":")[0]).suffix
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        upload = Path(folder, f"upload{suffix}")
        upload.write_bytes(data)
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        before = _descriptors()
        verdict = _probed(job.number, recipe, kind, upload)
        faults = list(verdict.faults)
        if (left := _descriptors() - before) > 0:
            faults.append(f"{left} file descriptors are left")
        if children := _children():
            faults.append(f"children are left: {children}")
        verdict = replace(verdict, faults=tuple(faults))
        passed_cut = kind == "cut" and verdict.probed == "media"
        if job.encode or (job.encode_cuts and passed_cut):
            verdict = _run(verdict, upload, scratch)
    if verdict.faults and job.keep is not None:
        keep = Path(job.keep)
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{job.seed}-{job.number}{suffix}").write_bytes(data)
        told = json.dumps(asdict(verdict), indent=2)
        (keep / f"{job.seed}-{job.number}.json").write_text(told)
    return verdict


def _probed(number: int, recipe: str, kind: str, upload: Path) -> Verdict:
    source = Source(uri=upload.name, bytes=None, etag=None, location=str(upload))
    started = time.monotonic()
    faults = []

    async def ask() -> str:
        await probe(source)
        return "media"

    try:
        said = anyio.run(ask)
    except TranscodeError as exc:
        said = type(exc).__name__
        if said == "WorkerLost":
            faults.append(f"no verdict: {exc.message}")
    except Exception as exc:  # noqa: BLE001  that it is caught here is the fault
        said = "UNTYPED"
        faults.append(f"{type(exc).__name__}: {exc}")
    seconds = time.monotonic() - started
    if seconds > DEADLINE + GRACE:
        faults.append(f"a verdict after {seconds:.1f} s")
    return Verdict(number, recipe, kind, said, seconds, faults=tuple(faults))


def _run(verdict: Verdict, upload: Path, scratch: Path) -> Verdict:
    argv = [sys.executable, "-m", "transcode", "run", str(upload), "--json", "--quiet"]
    argv += ["--profile", "preview", "--to", str(scratch.parent / "to")]
    environ = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            fault = f"no end after {RUN_SECONDS:.0f} s"
            return replace(verdict, ran="HANG", faults=(*verdict.faults, fault))
    faults, notes = [], []
    ran = REFUSALS.get(process.returncode, f"exit {process.returncode}")
    try:
        document = json.loads(out)
    except ValueError:
        document = {}
        faults.append(f"no answer, exit {process.returncode}: {err[-200:]}")
    if process.returncode == 0 and document:
        ran = "verified"
        faults += [f"false success: {it}" for it in _second_look(document)]
        if verdict.kind == "cut" and document.get("partial") is None:
            notes.append("cut, and made as whole")
    elif document:
        ran = f"{ran}: {(document.get('error') or {}).get('type')}"
        if process.returncode not in {*REFUSALS}:
            faults.append(f"exit {process.returncode}")
    if orphans := _outlasting(process.pid):
        faults.append(f"processes are left: {orphans}")
    if files := sorted(path.name for path in scratch.rglob("*")):
        faults.append(f"temporary files are left: {files[:5]}")
    return replace(
        verdict, ran=ran, faults=(*verdict.faults, *faults), notes=tuple(notes)
    )


def _second_look(manifest: dict[str, Any]) -> list[str]:
    """What another ffmpeg says of files that were called verified."""
    wrong = []
    for output in manifest["outputs"]:
        if output["kind"] not in {"rendition", "audio"}:
            continue
        path = output["uri"]
        trouble = decoding_trouble(path, seconds=RUN_SECONDS)
        if trouble is not None:
            wrong.append(f"it does not decode: {trouble[-200:]}")
        told = output["duration_seconds"] or 0.0
        lasts = container_seconds(path, seconds=RUN_SECONDS)
        if lasts is None:
            wrong.append("ffprobe cannot read it")
            continue
        if lasts < told - SLACK_SECONDS:
            wrong.append(f"it lasts {lasts:.3f} s, not {told:.3f} s")
    return wrong


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _children() -> list[str]:
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return found.split()


def _outlasting(leader: int) -> list[str]:
    """Those that do not end soon: the reaper ends after whom it watches."""
    until = time.monotonic() + GRACE_SECONDS
    while left := _session(leader):
        if time.monotonic() > until:
            return left
        time.sleep(0.02)
    return []


def _session(leader: int) -> list[str]:
    """Processes of a session that outlived it."""
    left = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[3] == str(leader) and fields[0] != "Z":
            left.append(path.parent.name)
    return left


def report(verdicts: list[Verdict], *, seconds: float) -> None:
    """The table by verdict."""
    kinds = sorted({verdict.kind for verdict in verdicts})
    rows = {
        "probed": Counter((v.probed, v.kind) for v in verdicts),
        "ran": Counter((v.ran, v.kind) for v in verdicts if v.ran),
        "noted": Counter((note, v.kind) for v in verdicts for note in v.notes),
    }
    for title, counts in rows.items():
        if not counts:
            continue
        print(f"\n{title:34}" + "".join(f"{kind:>9}" for kind in [*kinds, "all"]))
        for name in sorted({str(name) for name, _ in counts}):
            line = [counts[name, kind] for kind in kinds]
            print(f"  {name:32}" + "".join(f"{n:9}" for n in [*line, sum(line)]))
    slowest = max((v.seconds for v in verdicts), default=0.0)
    bad = [v for v in verdicts if v.faults]
    print(
        f"\n{len(verdicts)} mutations in {seconds:.0f} s, slowest probe "
        f"{slowest:.1f} s (allowed {DEADLINE + GRACE:.0f} s), {len(bad)} faults"
    )


if __name__ == "__main__":
    sys.exit(main())
