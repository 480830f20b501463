"""
Kill the worker, the parent, and interrupt, at random moments; look for what is left.

    python bench/stress/kills.py --rounds 20 [--seed 1]

After each round there must be no process, no scratch, no cgroup, and nothing visible
in the destination but complete results; and the same command must then succeed.
Prints a line per kind and exits 1 at the first violation.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from bench.harness import parser_of
from bench.stress.marked import marked, marking

GRACE_SECONDS = 2.0
"""How long children, scratch and half results may outlive the one who asked."""
_WORKER = b"transcode.invoke.worker"
KINDS = ("worker", "parent", "interrupt", "terminate")


class ViolationError(Exception):
    """Something was left that must not be."""


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        clip = _clip(Path(folder))
        usual = _undisturbed(clip, Path(folder))
        print(f"undisturbed: {usual:.2f} s", flush=True)
        for kind in options.kinds:
            hit = 0
            for number in range(options.rounds):
                moment = chance.uniform(0.02, 1.05) * usual
                try:
                    hit += _round(kind, moment, clip, Path(folder) / f"{kind}{number}")
                except ViolationError as exc:
                    print(f"{kind}, round {number}, at {moment:.3f} s: {exc}")
                    return 1
            print(
                f"{kind}: {options.rounds} rounds, {hit} hit a living run, "
                "nothing left behind",
                flush=True,
            )
    return 0


def _clip(folder: Path) -> Path:
    import imageio_ffmpeg  # noqa: PLC0415  its import looks for the binary

    clip = folder / "clip.mp4"
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    argv += ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=6"]
    argv += ["-f", "lavfi", "-i", "sine=d=6"]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", str(clip)]
    subprocess.run(argv, check=True)
    return clip


def _start(
    clip: Path, home: Path, mark: str
) -> tuple[subprocess.Popen[str], Path, Path]:
    scratch, out = home / "scratch", home / "out"
    scratch.mkdir(parents=True, exist_ok=True)
    environ = marking(os.environ, mark) | {"TRANSCODE_SCRATCH": str(scratch)}
    argv = [sys.executable, "-m", "transcode", "run", str(clip), "--to", str(out)]
    run = subprocess.Popen(
        [*argv, "--json", "--quiet"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return run, scratch, out


def _undisturbed(clip: Path, folder: Path) -> float:
    times = []
    for number in range(2):
        started = time.monotonic()
        run, _, _ = _start(clip, folder / f"calm{number}", uuid.uuid4().hex)
        _, errors = run.communicate()
        if run.returncode != 0:
            sys.exit(f"the undisturbed run failed: {errors}")
        times.append(time.monotonic() - started)
    return min(times)


def _round(kind: str, moment: float, clip: Path, home: Path) -> bool:
    """One kill; True when it met a living run."""
    mark = uuid.uuid4().hex
    run, scratch, out = _start(clip, home, mark)
    try:
        run.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        hit = _strike(kind, run, mark)
    else:
        hit = False
    if kind == "parent" and hit:
        run.communicate()
    else:
        run.communicate(timeout=120)
        if (
            kind in ("interrupt", "terminate")
            and hit
            and run.returncode not in (0, 130)
        ):
            raise ViolationError(f"exit code {run.returncode} instead of 130")
        if kind == "worker" and hit and run.returncode != 0:
            raise ViolationError(f"a lost worker was not replaced: {run.returncode}")
    _until_gone(mark, scratch, out)
    _refuse_half_results(out)
    again, _, _ = _start(clip, home, mark)
    text, errors = again.communicate(timeout=120)
    if again.returncode != 0 or json.loads(text)["status"] != "succeeded":
        raise ViolationError(f"running again failed: {errors}")
    _until_gone(mark, scratch, out)
    _refuse_half_results(out)
    return hit


def _strike(kind: str, run: subprocess.Popen[str], mark: str) -> bool:
    if kind == "worker":
        workers = marked(mark, _WORKER)
        for pid in workers:
            _kill(pid, signal.SIGKILL)
        return bool(workers)
    signals = {
        "parent": signal.SIGKILL,
        "interrupt": signal.SIGINT,
        "terminate": signal.SIGTERM,
    }
    # Before Python has begun to run our code, a signal ends it like any program. SIGINT
    # it catches from its own beginning, SIGTERM only where we do.
    ours = kind == "parent" or _catches(run.pid, signal.SIGTERM)
    _kill(run.pid, signals[kind])
    return ours


def _catches(pid: int, number: signal.Signals) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    mask = re.search(r"SigCgt:\s+(\w+)", status)
    return mask is not None and bool(int(mask[1], 16) >> (number - 1) & 1)


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _until_gone(mark: str, scratch: Path, out: Path) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        # Scratch goes before what is staged beside the results; who removes both bears
        # no mark.
        processes, files = marked(mark), [*scratch.iterdir(), *out.glob(".transcode-*")]
        if not processes and not files:
            return
        if time.monotonic() > deadline:
            names = [(p, _cmdline(p)[:80]) for p in processes]
            raise ViolationError(f"left after {GRACE_SECONDS} s: {names} {files}")
        time.sleep(0.02)


def _refuse_half_results(out: Path) -> None:
    if not out.exists():
        return
    for entry in out.iterdir():
        manifest = entry / "manifest.json"
        if not manifest.is_file():
            raise ViolationError(f"visible without a manifest: {entry}")
        result = json.loads(manifest.read_text())
        for output in (*result["outputs"], *filter(None, [result["page"]])):
            if not Path(output["uri"]).is_file():
                raise ViolationError(f"the manifest names {output['uri']}, not there")


if __name__ == "__main__":
    sys.exit(main())
