"""
Uploads to functions of which every call may be lost, doubled, late or killed.

    python bench/stress/functiongraph.py --uploads 500 --faults 100 [--seed 1]

The emulator of FunctionGraph (`bench/fronts/functiongraph.py`) runs the real image in
control groups, on a real S3 server. Calls are dropped or discarded without a word,
started twice, started late, or killed with their instance, those of uploads as well as
those of tasks; uploads are told of twice, or not at all. A clock calls as its trigger
would. Some uploads are done in two chunks and a join, which start each other, and half
of those in an index before.

At the end, once the late calls have come as well, every promise is looked up by other
means than our own. In the store (`soak.audit`): one result each, every object as it was
made, nothing finished paid for twice, no record of a call left. On the platform: what
its own bill says of work, of second starts and of what was lost, that no process runs
beside the instances that it keeps, that no call of ours came when there was no room.
Exits 1 where one is broken, and where fewer faults happened than were asked for.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection
from contextlib import suppress
from decimal import Decimal
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.fronts.functiongraph import Call, Fate, Front, serve
from bench.harness import parser_of
from bench.stress.marked import marked, marking
from bench.stress.soak import (
    KEY,
    PROFILE,
    RESULTS,
    SECRET,
    UPLOADS,
    Server,
    audit,
    client,
    clips,
)
from transcode.contract import OutcomeKind
from transcode.contract.job import LedgerRecord
from transcode.platforms.huawei_signing import Keys
from transcode.platforms.invocation_log import read_log
from transcode.settings import Settings
from transcode.work.toolchain import find_ffmpeg

URN = f"urn:fss:cn-north-4:{'0123456789abcdef' * 2}:function:default:transcode:latest"
FAULTS = ("dropped", "discarded", "twice", "late", "killed")
TOLD = ("told-twice", "not-told")
"""What becomes of the news of an upload, beside the calls' own fates."""
SWEEP = json.dumps({"trigger_type": "TIMER"}).encode()
CHANCES = 3.0
"""To have a fault, of each upload: its news, its own call, its task's."""
SURE = 1.5
"""How many more are drawn than are wanted, so that as many happen."""
UPLOADS_AT_ONCE = 4
"""Calls of uploads, and of the clock, for which the tasks leave room."""
CHUNKS = 2
LONG_SECONDS = 22
"""Of a clip that is done in two chunks."""


class Faults:
    """The fate of each call, until as many faults have happened as were asked for."""

    def __init__(self, chance: random.Random, options: Any) -> None:
        self.counts: Counter[str] = Counter()
        self._chance, self._most, self._lease = chance, options.faults, options.lease
        self._kinds, self._likely = tuple(options.kinds), options.likely
        self._lock = threading.Lock()

    def ended(self, call: Call) -> None:
        """One that had ended before its kill was not killed; another one may be."""
        if call.fate == "killed" and call.status == "SUCCESS":
            with self._lock:
                self.counts["killed"] -= 1

    def of(self, kinds: tuple[str, ...]) -> str | None:
        """One of *kinds* that were asked for, or None."""
        may = [kind for kind in kinds if kind in self._kinds]
        with self._lock:
            over = self.counts.total() >= self._most
            if over or not may or self._chance.random() >= self._likely:
                return None
            kind = self._chance.choice(may)
            self.counts[kind] += 1
            return kind

    def __call__(self, call: Call) -> Fate:
        if call.body == SWEEP:
            return Fate()  # the net is what heals the rest
        kind: Any = self.of(FAULTS)
        if kind is None:
            return Fate()
        longest = {"late": 5 * self._lease, "killed": 3.0}.get(kind, 0.0)
        return Fate(kind, self._chance.uniform(0.0, longest))


class FunctionSoak:
    """One run; what it starts ends with it."""

    def __init__(self, home: Path, options: Any, chance: random.Random) -> None:
        self.options, self._home, self._chance = options, home, chance
        self.faults = Faults(chance, options)
        self.server = Server(home / "s3", "http://127.0.0.1:9/")
        self.ended: list[Call] = []
        self.submitted: set[int] = set()
        """Uploads that are done in chunks."""
        self._http: ThreadingHTTPServer | None = None
        (home / "profiles").mkdir()
        (home / "profiles" / "soak.toml").write_text(PROFILE)
        self.front = Front(
            {},
            home,
            Keys("AK", "SK"),
            memory_mib=options.memory,
            concurrency=options.concurrency,
            heard=self._heard,
            fate=self.faults,
        )

    def open(self, count: int) -> Any:
        """Start store and platform, with *count* uploads there; the store's client."""
        self.server.start()
        self._http = serve(self.front)
        address = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.front.environment = self._environment(address)
        s3 = client(self.server.endpoint)
        for bucket in (UPLOADS, RESULTS):
            s3.create_bucket(Bucket=bucket)
        bodies = clips(self._home) if count else []
        for number in range(count):
            self._put(s3, bodies[number % len(bodies)], number)
        return s3

    def run(self) -> int:
        began = time.monotonic()
        s3 = self.open(0)
        broken: list[str] = []
        try:
            self._upload(s3)
            if not self._heal(s3, began):
                broken.append(f"not over after {self.options.minutes:g} min")
            # Before anything is ended: what a call left behind runs in an instance.
            broken += [f"beside the instances: {it}" for it in self._left()]
        finally:
            self._close()
        self._report(time.monotonic() - began)
        broken += self._bill(s3)
        broken += [f"left on this machine: {it}" for it in self._left()]
        broken += self._kept(s3)
        if self.faults.counts.total() < self.options.faults:
            broken.append(f"fewer faults than the {self.options.faults} asked for")
        for line in broken:
            print(f"BROKEN {line}")
        return audit(s3, self.count) or int(bool(broken))

    def _heard(self, call: Call) -> None:
        self.faults.ended(call)
        self.ended.append(call)

    def _close(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None
        self.front.close()

    def stop(self) -> None:
        self._close()
        self.server.kill()

    @property
    def count(self) -> int:
        return int(self.options.uploads)

    def _environment(self, address: str) -> dict[str, str]:
        return {
            **marking(os.environ, self._home.name),
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "TRANSCODE_S3_ENDPOINT_URL": self.server.endpoint,
            "TRANSCODE_S3_REGION": "us-east-1",
            "TRANSCODE_S3_PATH_STYLE": "1",
            "TRANSCODE_TO": f"s3://{RESULTS}/out",
            "TRANSCODE_SOURCES": f"s3://{UPLOADS}/in/",
            "TRANSCODE_PROFILES_DIR": str(self._home / "profiles"),
            "TRANSCODE_PROFILE": "soak",
            "TRANSCODE_LEASE_SECONDS": str(self.options.lease),
            "TRANSCODE_TRIES": "20",
            "TRANSCODE_INDEX": str(self._home / "index"),
            "TRANSCODE_FUNCTIONGRAPH_CONCURRENCY": str(
                self.options.concurrency - UPLOADS_AT_ONCE
            ),
            "TRANSCODE_FUNCTIONGRAPH_FUNCTION": f"functiongraph+{address}/{URN}",
            "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
            "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
        }

    def _put(self, s3: Any, body: bytes, number: int) -> None:
        # A `free` box makes the object unlike every other; players skip it.
        text = f"upload {number}".encode()
        box = (8 + len(text)).to_bytes(4, "big") + b"free" + text
        s3.put_object(Bucket=UPLOADS, Key=_key(number), Body=body + box)

    def _upload(self, s3: Any) -> None:
        """One after another, and the clock's calls in between."""
        whole, swept = clips(self._home), time.monotonic()
        self._submit(s3, round(self.options.chunked * self.count))
        for number in range(self.count):
            if number not in self.submitted:
                self._put(s3, whole[number % len(whole)], number)
                self.tell_of(number)
            if time.monotonic() - swept > 2 * self.options.lease:
                self._have_room()
                self.front.take({}, SWEEP)
                swept = time.monotonic()

    def _submit(self, s3: Any, count: int) -> None:
        """The last *count*, to be done in chunks: no event says that of an upload."""
        self.submitted = set(range(self.count - count, self.count))
        if not self.submitted:
            return
        # Every other one has no index: a call of its own makes one first.
        long = [_long_clip(self._home, suffix) for suffix in ("mp4", "ts")]
        for number in self.submitted:
            self._put(s3, long[number % 2], number)
        argv = [sys.executable, "-m", "transcode", "submit", "--chunks", str(CHUNKS)]
        argv += ["--to", f"s3://{RESULTS}/out", "--profile", "soak"]
        argv += ["--engine", "functiongraph"]
        argv += [f"s3://{UPLOADS}/{_key(it)}" for it in sorted(self.submitted)]
        subprocess.run(
            argv, env=self.front.environment, stdout=subprocess.DEVNULL, check=True
        )

    def tell_of(self, number: int) -> None:
        """As an OBS trigger does, when there is room for the call and for its task."""
        news = self.faults.of(TOLD)
        if news == "not-told":
            return
        for _ in range(2 if news == "told-twice" else 1):
            self._have_room()
            self.front.take({}, _event(_key(number)))

    def _have_room(self) -> None:
        while self.front.running > self.options.concurrency - UPLOADS_AT_ONCE:
            time.sleep(0.05)

    def _heal(self, s3: Any, began: float) -> bool:
        """Call as the clock does, until each has a result and nothing runs."""
        for turn in itertools.count():
            if turn:
                self.front.take({}, SWEEP)
            pause = time.monotonic() + (self.options.lease if turn else 0)
            while self.front.outstanding or time.monotonic() < pause:
                time.sleep(0.5)
                if not self.front.outstanding and self._is_over(s3):
                    break
            results = _results(s3)
            late = time.monotonic() - began
            print(
                f"{results} of {self.count} after {late:.0f} s, sweep {turn}",
                flush=True,
            )
            if self._is_over(s3):
                return True
            if late > self.options.minutes * 60:
                return False
        return False

    def _is_over(self, s3: Any) -> bool:
        return _results(s3) >= self.count and not _open(s3)

    def _report(self, seconds: float) -> None:
        counts = Counter(call.status for call in self.ended)
        print(
            f"{self.count} uploads, {len(self.submitted)} of them in chunks, in "
            f"{seconds:.0f} s; calls {dict(counts)}"
        )
        print(
            f"{self.faults.counts.total()} faults: {dict(self.faults.counts)}; at most "
            f"{self.front.most_running} of {self.options.concurrency} calls at once, "
            f"{self.front.crowded} more than there was room for"
        )

    def _bill(self, s3: Any) -> list[str]:
        """The platform's own, beside the ledger's; and what is wrong with that."""
        records = _ledger(s3)
        names = {it.attempt.invocation for it in records}
        good = {
            it.attempt.invocation
            for it in records
            if it.kind != "function" and it.attempt.outcome is OutcomeKind.SUCCEEDED
        }
        paid: dict[str, Decimal] = defaultdict(Decimal)
        for call in self.ended:
            paid[_sort_of(call, good)] += Decimal(call.cost)
        all_of_it, useful = sum(paid.values(), Decimal(0)), paid[USEFUL] or Decimal(1)
        parts = ", ".join(f"{name} {cost / useful:.3f}" for name, cost in paid.items())
        print(f"the platform billed {all_of_it:f} CNY; of {USEFUL}: {parts}")
        ours = sum((it.attempt.cost.amount for it in records), Decimal(0))
        log = "\n".join(
            call.log_line for call in self.ended if call.status != "DISCARD"
        )
        print(
            f"the ledger has {ours / all_of_it:.3f} of that, and "
            f"{len(names & read_log(log).keys())} of {len(read_log(log))} calls"
        )
        return [
            *self._paid_twice((paid[USEFUL] + paid[IDLE]) / useful),
            *self._crowded(),
        ]

    def _paid_twice(self, share: Decimal) -> list[str]:
        """Measured by the platform's bill, with as many faults as is told of."""
        if share <= MOST_PAID or self.options.faults > FAULTS_OF_UPLOADS * self.count:
            return []
        return [f"{USEFUL}, with {IDLE}, is billed {share:.4f} x"]

    def _crowded(self) -> list[str]:
        doubled = self.faults.counts["twice"] + self.faults.counts["told-twice"]
        if self.front.crowded <= MOST_CROWDED * len(self.ended) + doubled:
            return []
        return [f"{self.front.crowded} calls came when there was no room"]

    def _kept(self, s3: Any) -> list[str]:
        """Records of calls, and half-made objects, of jobs that are over."""
        left = _keys(s3, "out/.transcode/invocations/")
        half = s3.list_multipart_uploads(Bucket=RESULTS).get("Uploads", ())
        return [f"kept: {it}" for it in (*left, *(one["Key"] for one in half))]

    def _left(self) -> list[str]:
        """Processes on this machine that came of a call of ours."""
        found = []
        instances = {it.process.pid for it in self.front.warm}
        for pid in set(marked(self._home.name)) - instances:
            with suppress(OSError):
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                found.append(f"{pid}: {argv.decode('utf-8', 'replace')}")
        return found


USEFUL, IDLE = "work that counts", "calls that changed nothing"
MOST_PAID = Decimal("1.02")
FAULTS_OF_UPLOADS = 0.2
MOST_CROWDED = 0.1
"""Of all calls: those that count in the same moment may start a few too many. What we
double takes room, too, that nobody has counted."""


def _sort_of(call: Call, good: Collection[str | None]) -> str:
    """What it was paid for; *good*: calls of which an attempt succeeded."""
    if json.loads(call.body).get("transcode") != "task":
        return "planning and sweeps"
    if call.request in good:
        return USEFUL
    if call.status != "SUCCESS":
        return "work that was lost"
    return IDLE


def _ledger(s3: Any) -> list[LedgerRecord]:
    keys = _keys(s3, "out/.transcode/ledger/")
    bodies = (s3.get_object(Bucket=RESULTS, Key=it)["Body"].read() for it in keys)
    return [LedgerRecord.from_json(it) for it in bodies]


def _long_clip(home: Path, suffix: str) -> bytes:
    path = home / f"long.{suffix}"
    argv = [find_ffmpeg(Settings()), "-v", "error", "-f", "lavfi"]
    argv += ["-i", f"testsrc2=size=160x120:rate=10:duration={LONG_SECONDS}"]
    argv += ["-f", "lavfi", "-i", f"sine=frequency=300:duration={LONG_SECONDS}"]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10"]
    if suffix == "ts":
        # Too many bytes for the probe to have seen all of them.
        argv += ["-muxrate", "1500000"]
    subprocess.run([*argv, "-c:a", "aac", str(path)], check=True)
    return path.read_bytes()


def _key(number: int) -> str:
    return f"in/{number:05d}.mp4"


def _event(key: str) -> bytes:
    told = {"bucket": {"name": UPLOADS}, "object": {"key": key, "size": 1, "eTag": "-"}}
    record = {
        "eventVersion": "2.0",
        "eventTime": "2026-11-28T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": told,
    }
    return json.dumps({"Records": [record]}).encode()


def _keys(s3: Any, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2")
    return [
        entry["Key"]
        for page in pages.paginate(Bucket=RESULTS, Prefix=prefix)
        for entry in page.get("Contents", ())
    ]


def _results(s3: Any) -> int:
    return sum(key.endswith("/manifest.json") for key in _keys(s3, "out/0"))


def _open(s3: Any) -> list[str]:
    return _keys(s3, "out/.transcode/open/")


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument(
        "--kinds", nargs="+", choices=(*FAULTS, *TOLD), default=(*FAULTS, *TOLD)
    )
    parser.add_argument("--likely", type=float, help="a fault, of a call")
    parser.add_argument(
        "--chunked", type=float, default=0.1, help="of the uploads, done in two chunks"
    )
    parser.add_argument("--concurrency", type=int, default=12, help="of the account")
    parser.add_argument("--memory", type=int, default=512, help="of an upload's call")
    parser.add_argument("--lease", type=float, default=10.0, help="seconds")
    parser.add_argument("--minutes", type=float, default=90.0, help="give up after")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if options.likely is None:
        wanted = SURE * options.faults / (CHANCES * options.uploads)
        options.likely = min(wanted, 0.6)
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="functions-") as folder:
        soak = FunctionSoak(Path(folder), options, random.Random(seed))
        try:
            return soak.run()
        finally:
            soak.stop()


if __name__ == "__main__":
    sys.exit(main())
