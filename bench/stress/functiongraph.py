"""
Uploads to functions of which every call may be lost, doubled, late or killed.

    python bench/stress/functiongraph.py --uploads 500 --faults 100 [--seed 1]

The emulator of FunctionGraph (`bench/fronts/functiongraph.py`) runs the real image in
control groups, on a real S3 server. Calls are dropped or discarded without a word,
started twice, started late, or killed with their instance, those of uploads as well as
those of tasks; uploads are told of twice, or not at all. A clock calls as its trigger
would. At the end every promise is looked up in the store (`soak.audit`): one result
each, every object as it was made, nothing finished paid for twice; and nothing that was
started may be left on this machine. Exits 1 where one is broken.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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
from transcode.platforms.huawei_signing import Keys

URN = f"urn:fss:cn-north-4:{'0123456789abcdef' * 2}:function:default:transcode:latest"
FAULTS = ("dropped", "discarded", "twice", "late", "killed")
TOLD = ("told-twice", "not-told")
"""What becomes of the news of an upload, beside the calls' own fates."""
SWEEP = json.dumps({"trigger_type": "TIMER"}).encode()


class Faults:
    """The fate of each call, until as many faults have happened as were asked for."""

    def __init__(self, chance: random.Random, options: Any) -> None:
        self.counts: Counter[str] = Counter()
        self._chance, self._most, self._lease = chance, options.faults, options.lease
        self._kinds, self._likely = tuple(options.kinds), options.likely
        self._lock = threading.Lock()

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
        self._http: ThreadingHTTPServer | None = None
        (home / "profiles").mkdir()
        (home / "profiles" / "soak.toml").write_text(PROFILE)
        self.front = Front(
            {},
            home,
            Keys("AK", "SK"),
            memory_mib=options.memory,
            concurrency=options.concurrency,
            heard=self.ended.append,
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
        bodies = clips(self._home)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: self._put(s3, bodies, n), range(count)))
        return s3

    def run(self) -> int:
        began = time.monotonic()
        s3 = self.open(self.count)
        try:
            for number in range(self.count):
                self.tell_of(number)
            done = self._heal(s3, began)
        finally:
            self._close()
        self._report(time.monotonic() - began)
        broken = audit(s3, self.count)
        left = self._left()
        for line in left:
            print(f"LEFT {line}")
        over = self.front.most_running > self.options.concurrency
        return 1 if broken or left or over or not done else 0

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
            "TRANSCODE_FUNCTIONGRAPH_CONCURRENCY": str(self.options.concurrency),
            "TRANSCODE_FUNCTIONGRAPH_FUNCTION": f"functiongraph+{address}/{URN}",
            "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
            "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
        }

    def _put(self, s3: Any, bodies: list[bytes], number: int) -> None:
        # A `free` box makes the object unlike every other; players skip it.
        text = f"upload {number}".encode()
        box = (8 + len(text)).to_bytes(4, "big") + b"free" + text
        body = bodies[number % len(bodies)] + box
        s3.put_object(Bucket=UPLOADS, Key=_key(number), Body=body)

    def tell_of(self, number: int) -> None:
        """As an OBS trigger does, when there is room for the call and for its task."""
        news = self.faults.of(TOLD)
        if news == "not-told":
            return
        for _ in range(2 if news == "told-twice" else 1):
            while self.front.running > self.options.concurrency - 2:
                time.sleep(0.05)
            self.front.take({}, _event(_key(number)))

    def _heal(self, s3: Any, began: float) -> bool:
        """Call as the clock does, until each has a result and nothing runs."""
        for turn in itertools.count():
            if turn:
                self.front.take({}, SWEEP)
            pause = time.monotonic() + (self.options.lease if turn else 0)
            while self.front.running or time.monotonic() < pause:
                time.sleep(0.5)
                if not self.front.running and self._is_over(s3):
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
        billed = sum((Decimal(call.cost) for call in self.ended), Decimal(0))
        print(f"{self.count} uploads in {seconds:.0f} s; calls {dict(counts)}")
        print(
            f"{self.faults.counts.total()} faults: {dict(self.faults.counts)}; at most "
            f"{self.front.most_running} of {self.options.concurrency} calls at once; "
            f"the platform billed {billed:f} CNY"
        )

    def _left(self) -> list[str]:
        """Processes on this machine that came of a function of ours."""
        found = []
        for pid in marked(self._home.name):
            with suppress(OSError):
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                found.append(f"{pid}: {argv.decode('utf-8', 'replace')}")
        return found


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
    parser.add_argument("--likely", type=float, default=0.12, help="a fault, of a call")
    parser.add_argument("--concurrency", type=int, default=8, help="of the account")
    parser.add_argument("--memory", type=int, default=512, help="of an upload's call")
    parser.add_argument("--lease", type=float, default=10.0, help="seconds")
    parser.add_argument("--minutes", type=float, default=90.0, help="give up after")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
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
