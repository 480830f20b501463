"""
Uploads on a Ray cluster while all of it is killed and frozen, then an audit.

    python bench/stress/ray_soak.py --uploads 500 --faults 100 [--every 3] [--seed 1]

A real cluster (`ray.cluster_utils.Cluster`): a head that only keeps accounts, and two
nodes of one CPU each. Two `transcode watch` drive it over one folder. At random a
driver, a Ray worker, an encoder or a whole raylet is ended with SIGKILL or stopped with
SIGSTOP for longer than a lease; drivers and nodes that are gone are replaced. At the
end come `transcode sweep`s until nothing is open, and then every promise is looked up
in the folder by other means than our own: one manifest for each upload, each object it
names with its digest, nothing beside, every attempt in the ledger once, useful work
paid for once, and no process of ours left. Exits 1 where one is broken.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.harness import SECOND_FFMPEG, parser_of
from bench.stress.marked import marked, marking

LEASE_SECONDS = 6
MARK = f"ray-soak-{os.getpid()}"
"""What all that is ours inherits: what to hit, and what is left."""
KINDS = ("driver", "worker", "encoder", "raylet")


def clip(path: Path, number: int) -> None:
    """One second of its own colour: no two are the same object."""
    colour = f"color=0x{number * 2654435761 % 0xFFFFFF:06x}:size=64x36:rate=10"
    argv = [SECOND_FFMPEG, "-nostdin", "-v", "error", "-f", "lavfi", "-i", colour]
    argv += ["-t", "1", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt"]
    part = path.with_suffix(".part")
    subprocess.run([*argv, "yuv420p", "-f", "mp4", str(part)], check=True)
    part.rename(path)


def alive() -> dict[int, str]:
    """Processes of this soak → how they are called; not this one."""
    found: dict[int, str] = {}
    ours = {*marked(MARK)}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid, argv = int(path.name), (path / "cmdline").read_bytes()
            # A Ray worker writes its title over its environment.
            if argv and (pid in ours or argv.startswith(b"ray::")):
                found[pid] = argv.replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def kind_of(words: str) -> str | None:
    """Of a process, by how it is called."""
    if " watch " in words and "transcode" in words:
        return "driver"
    if words.startswith("ray::_perform"):
        return "worker"
    if "/raylet " in words or words.startswith("raylet"):
        return "raylet"
    return (
        "encoder"
        if words.partition(" ")[0].rpartition("/")[2][:6] == "ffmpeg"
        else None
    )


class RaySoak:
    """One run."""

    def __init__(self, options: argparse.Namespace, home: Path) -> None:
        self._options = options
        self._dice = random.Random(options.seed)
        self._uploads, self._results = home / "uploads", home / "results"
        self._uploads.mkdir()
        self._log = (home / "log").open("w", encoding="utf-8")
        self._faults: Counter[str] = Counter()
        self._drivers: list[subprocess.Popen[bytes]] = []
        self._add: Callable[[], Any]

    def run(self) -> int:
        """How many promises were broken."""
        cluster_utils: Any = importlib.import_module("ray.cluster_utils")

        size = {"memory": 2**30, "object_store_memory": 80 * 2**20}
        head = {"num_cpus": 0, "include_dashboard": False, **size}
        cluster: Any = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        self._head = {pid for pid, it in alive().items() if kind_of(it) == "raylet"}
        self._add = functools.partial(cluster.add_node, num_cpus=1, **size)
        os.environ["TRANSCODE_RAY_ADDRESS"] = cluster.address
        try:
            for _ in range(2):
                self._add()
            self._torment()
            self._settle()
        finally:
            for driver in self._drivers:
                driver.kill()
                driver.wait()
            cluster.shutdown()
        return self._audit()

    def _torment(self) -> None:
        until = time.monotonic() + self._options.minutes * 60
        fault = time.monotonic() + self._options.every
        uploaded = 0
        while time.monotonic() < until:
            if uploaded < self._options.uploads:
                clip(self._uploads / f"{uploaded:05d}.mp4", uploaded)
                uploaded += 1
            self._replace()
            enough = self._faults.total() >= self._options.faults
            if time.monotonic() >= fault and not enough:
                self._hit()
                fault = time.monotonic() + self._options.every
            made = self._made()
            if uploaded == self._options.uploads:
                if made == uploaded and (enough or not self._options.all_faults):
                    return
                time.sleep(0.2)
            self._say(
                f"{uploaded} uploads, {made} results, {self._faults.total()} faults"
            )

    def _made(self) -> int:
        return len([*self._results.glob("*/manifest.json")])

    def _replace(self) -> None:
        """What was killed for good comes back, as an operator's supervisor would do."""
        self._drivers = [it for it in self._drivers if it.poll() is None]
        while len(self._drivers) < 2:
            words = [sys.executable, "-m", "transcode", "watch", str(self._uploads)]
            words += ["--to", str(self._results), "--profile", "preview", "--every"]
            words += ["1s", "--settle", "1s", "--engine", "ray", "--suffix", ".mp4"]
            words += ["--sample", "never"]
            self._drivers.append(
                subprocess.Popen(words, stdout=self._log, stderr=self._log)
            )
        own = {pid for pid, it in alive().items() if kind_of(it) == "raylet"}
        for _ in range(2 - len(own - self._head)):
            self._add()

    def _hit(self) -> None:
        kind = self._dice.choice(KINDS)
        found = [pid for pid, it in alive().items() if kind_of(it) == kind]
        victims = [pid for pid in found if pid not in self._head]
        if not victims:
            return
        victim = self._dice.choice(sorted(victims))
        how = self._dice.choice(("killed", "frozen"))
        with suppress(ProcessLookupError):
            if how == "killed":
                os.kill(victim, signal.SIGKILL)
            else:
                os.kill(victim, signal.SIGSTOP)
                # In a process of its own: the soak goes on.
                wake = f"sleep {LEASE_SECONDS * 2}; kill -CONT {victim}"
                subprocess.Popen(["/bin/sh", "-c", wake])
            self._faults[f"{kind} {how}"] += 1

    def _settle(self) -> None:
        """No further trouble: what is open is done, by sweeps that wait for it."""
        for pid, called in alive().items():
            if kind_of(called) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        self._replace()
        until = time.monotonic() + 300
        while self._made() < len([*self._uploads.iterdir()]):
            if time.monotonic() > until:
                break
            time.sleep(1)
        for driver in self._drivers:
            driver.send_signal(signal.SIGTERM)
            driver.wait(120)
        words = [sys.executable, "-m", "transcode", "sweep", str(self._uploads), "--to"]
        words += [str(self._results), "--profile", "preview", "--engine", "ray"]
        for _ in range(3):
            time.sleep(LEASE_SECONDS)
            subprocess.run(words, stdout=self._log, stderr=self._log, check=False)

    def _say(self, text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text}")

    # ── what must hold ──

    def _audit(self) -> int:
        broken: list[str] = []
        uploads = {path.name for path in self._uploads.iterdir()}
        results: Counter[str] = Counter()
        for path in self._results.glob("*/manifest.json"):
            manifest = json.loads(path.read_bytes())
            results[Path(manifest["source"]["uri"]).name] += 1
            broken += self._outputs(path, manifest)
        broken += [f"{name}: {results[name]} results" for name in uploads ^ {*results}]
        broken += [f"{name}: {n} results" for name, n in results.items() if n != 1]
        hidden = [it.name for it in self._results.glob(".transcode-*")]
        broken += [f"left: {name}" for name in hidden]
        open_jobs = [it.name for it in (self._results / ".transcode/open").glob("*")]
        broken += [f"open: {name}" for name in open_jobs]
        useful, paid, entries = self._ledger()
        broken += [f"{name}: {n} times in the ledger" for name, n in entries if n != 1]
        own = {kind for it in alive().values() if (kind := kind_of(it)) is not None}
        broken += [f"runs on: {kind}" for kind in own]
        print(f"{len(results)} of {len(uploads)} uploads have a result")
        said = ", ".join(f"{n} {what}" for what, n in sorted(self._faults.items()))
        print(f"{self._faults.total()} faults: {said}")
        print(
            f"useful work was paid for {useful:.4f} times; {paid:.1%} was for nothing"
        )
        print(f"{len(broken)} promises broken")
        for line in broken[:20]:
            print(f"  {line}")
        return len(broken)

    def _outputs(self, path: Path, manifest: dict[str, Any]) -> list[str]:
        shown = manifest["page"]
        every = (*manifest["outputs"], *([] if shown is None else [shown]))
        named = {Path(out["uri"]) for out in every}
        wrong = [
            f"{out['uri']} is not what was verified"
            for out in every
            if hashlib.sha256(Path(out["uri"]).read_bytes()).hexdigest()
            != out["sha256"]
        ]
        there = {it for it in path.parent.rglob("*") if it.is_file()} - {path}
        return [*wrong, *(f"{it} is named by nobody" for it in there - named)]

    def _ledger(self) -> tuple[float, float, list[tuple[str, int]]]:
        """
        How often what succeeded was paid for, and of all that was paid how much was
        for what did not; entries by attempt.
        """
        good: dict[str, list[Decimal]] = {}
        lost, entries = Decimal(0), Counter[str]()
        for path in (self._results / ".transcode/ledger").rglob("*.json"):
            record = json.loads(path.read_bytes())
            attempt = record["attempt"]
            name = f"{record['job_id']}.{record['claim']}.{record['task_id']}"
            entries[f"{name}.{attempt['number']}"] += 1
            cost = Decimal(attempt["cost"]["amount"])
            if attempt["outcome"] == "succeeded":
                good.setdefault(record["job_id"], []).append(cost)
            else:
                lost += cost
        useful = sum((it for costs in good.values() for it in costs), Decimal(0))
        once = sum((costs[-1] for costs in good.values()), Decimal(0)) or Decimal(1)
        everything = useful + lost or Decimal(1)
        return float(useful / once), float(lost / everything), [*entries.items()]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--every", type=float, default=3.0, help="seconds to the next")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--all-faults", action="store_true", help="go on until all have happened"
    )
    options = parser.parse_args()
    os.environ |= {
        **marking(os.environ, MARK),
        "TRANSCODE_LEASE_SECONDS": str(LEASE_SECONDS),
        "TRANSCODE_TRIES": "20",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }
    home = Path(tempfile.mkdtemp(prefix="ray-soak-"))
    broken = RaySoak(options, home).run()
    if broken:
        print(f"to be looked at: {home}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
