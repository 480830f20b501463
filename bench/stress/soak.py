"""
Uploads to a real S3 server while everything that can be killed is, then an audit.

    python bench/stress/soak.py --uploads 2000 --kills 200 --restarts 2 [--seed 1]

SeaweedFS tells of uploads by webhook; a postman between it and the services drops,
repeats and reorders what it delivers. Services, workers and encoders are ended with
SIGKILL at random, the server is killed and started again. At the end come `transcode
sweep`s until one finds nothing, and then every promise is looked up in the store by
other means than our own: one manifest for each upload, every object that it names
there with its digest, no object that nobody names, and how much was paid for work
that was thrown away. Exits 1 where one is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from statistics import median
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bench.harness import parser_of
from bench.stress.faults import Fault, proxied
from bench.stress.marked import marked, marking

KEY, SECRET = "soak", "soak-secret"
UPLOADS, RESULTS = "uploads", "results"
LEASE_SECONDS = 5
_SWEEP_SECONDS = 600
"""A job that failed with the server waits before it is tried again."""
_STILL = 3
"""Looks without a further result after which nothing is on its way."""
PROFILE = """\
name = "soak"
title = "As little work as a real job can be"

[packaging]
type = "file"
container = "mp4"

[video]
codec = "h264"
preset = "ultrafast"

[[video.rungs]]
short_side = 120
crf = 30
max_bit_rate_kbps = 200

[[audio]]
codec = "aac"
bit_rate_kbps_per_channel = 32

[subtitles]
keep = false
"""


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--uploads", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--restarts", type=int, default=2, help="of the S3 server")
    parser.add_argument("--services", type=int, default=2)
    parser.add_argument(
        "--every", type=float, default=2.0, help="seconds between kills"
    )
    parser.add_argument(
        "--by", choices=("serve", "watch"), default="serve", help="webhooks or polling"
    )
    parser.add_argument(
        "--moments",
        action="store_true",
        help="also of a key that has expired, of a full disk, of a webhook that hangs,"
        " and of odd entries among the uploads (as root: it mounts a small disk); then"
        " a few uploads at a time, so that it shows who waits for whom",
    )
    parser.add_argument(
        "--outstanding", type=int, default=8, help="uploads at a time, with --moments"
    )
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=90.0, help="give up after")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    # Ended by somebody, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = Soak(Path(folder), options, random.Random(seed))
        try:
            return soak.run()
        finally:
            soak.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """SeaweedFS with one identity, which tells *endpoint* of every upload."""

    def __init__(self, home: Path, endpoint: str) -> None:
        self.home = home
        home.mkdir()
        identity = {
            "name": KEY,
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        (home / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (home / "notification.toml").write_text(
            "[notification.webhook]\nenabled = true\n"
            f'endpoint = "{endpoint}"\nmax_retries = 1\nbackoff_seconds = 1\n'
            'event_types = ["create", "rename"]\n'
            f'path_prefixes = ["/buckets/{UPLOADS}"]\n'
        )
        names = ("s3", "s3.grpc", "filer", "filer.grpc", "master", "master.grpc")
        self.ports = {name: free_port() for name in (*names, "volume", "volume.grpc")}
        self.endpoint = f"http://127.0.0.1:{self.ports['s3']}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"
        (self.home / "data").mkdir(exist_ok=True)
        argv = [
            *(weed, "-logtostderr=true", "server", f"-dir={self.home / 'data'}"),
            *("-ip=127.0.0.1", "-s3", f"-s3.config={self.home / 's3.json'}"),
            *("-filer", "-volume.max=200", "-master.volumeSizeLimitMB=64"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            f"-s3.port={self.ports['s3']}",
            f"-s3.port.grpc={self.ports['s3.grpc']}",
            *(
                f"-{name.replace('.', '.port.') if '.' in name else name + '.port'}={p}"
                for name, p in self.ports.items()
                if not name.startswith("s3")
            ),
        ]
        log = (self.home / "log").open("ab")
        self.process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.home)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.endpoint, timeout=1).close()  # noqa: S310
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise SystemExit(f"no S3 server:\n{(self.home / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def client(endpoint: str) -> Any:
    return botocore.session.get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 10},
            s3={"addressing_style": "path"},
            max_pool_connections=32,
        ),
    )


@dataclass
class Postman:
    """Delivers what the server tells, but not as it was told."""

    chance: random.Random
    ports: list[int]
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        postman = self
        self.pool = ThreadPoolExecutor(32)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                postman.take(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/"

    def take(self, body: bytes) -> None:
        fate = self.chance.random()
        self.counts["told"] += 1
        if fate < 0.10:
            self.counts["dropped"] += 1
            return
        times = 1
        if fate < 0.20:
            times = self.chance.randint(2, 4)
            self.counts["repeated"] += 1
        elif fate < 0.30:
            self.counts["reordered"] += 1
        for _ in range(times):
            late = self.chance.uniform(0, 10) if fate < 0.30 else 0.0
            self.pool.submit(self._deliver, body, late)

    def _deliver(self, body: bytes, late: float) -> None:
        time.sleep(late)
        for pause in (0, 1, 3, 10):
            time.sleep(pause)
            url = f"http://127.0.0.1:{self.chance.choice(self.ports)}/events"
            request = urllib.request.Request(
                url, data=body, headers={"Content-Type": "application/json"}
            )
            try:
                urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
            except OSError:
                continue
            self.counts["delivered"] += 1
            return
        self.counts["undeliverable"] += 1


ODD: dict[str, bytes] = {
    "in/line\nbreak.mp4": b"no media",
    "in/%2e%2e%2fup.mp4": b"no media either",
    "in/notes.txt": b"Dear diary",
    "in/empty.mp4": b"",
    "in/captions.srt": b"1",
    "in/.hidden.mp4": b"hidden",
    "in/folder/": b"",
    "in/Thumbs.db": b"x",
    "in/=cmd|' !A1.mp4": b"a formula",
    "in/live.mp4": b"#EXTM3U\n#EXTINF:9,\nhttp://169.254.169.254/\n",
}
"""Keys that are no honest upload: rejected or passed over, and never a result."""
_DISK_BYTES = 48 * 2**20
_HANGS_SECONDS = 10.0
"""As long as a caller waits for an answer, at least."""
_LOST_SECONDS = 120.0
"""Of an upload that has no result by then nobody was told, perhaps: no further one
waits for it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A moment of trouble, by the clock of the machine."""

    kind: str
    began: float
    ended: float


class Moments:
    """What goes wrong for seconds: keys, the disk, who is told, and what comes in."""

    def __init__(self, home: Path, endpoint: str, chance: random.Random) -> None:
        self.home, self.chance = home, chance
        self.counts: Counter[str] = Counter()
        self.spans: list[Span] = []
        self.over = threading.Event()
        self._expired = self._hanging = False
        self._hung_until = 0.0
        self._s3 = client(endpoint)
        self._ready: Queue[str] = Queue()
        threading.Thread(target=self._proxy, args=(endpoint,), daemon=True).start()
        self.endpoint = f"http://{self._ready.get(timeout=30)}"
        self.disk = home / "disk"
        self.disk.mkdir()
        options = f"size={_DISK_BYTES}"
        mount = ["mount", "-t", "tmpfs", "-o", options, "soak", str(self.disk)]
        subprocess.run(mount, check=True)
        self.hook = self._webhook()
        threading.Thread(target=self._happen, daemon=True).start()

    def is_hanging(self) -> bool:
        """Whether a call now is one that is never answered; it counts as such."""
        if self._hanging:
            self.counts["hung"] += 1
            self._hung_until = time.time() + _HANGS_SECONDS
        return self._hanging

    def close(self) -> None:
        self.over.set()
        unmount = ["umount", "-l", str(self.disk)]
        subprocess.run(unmount, check=False)

    def _happen(self) -> None:
        kinds = {
            "expired": self._expire,
            "full disk": self._fill,
            "hanging": self._hang,
            "odd": self._put_odd,
        }
        while not self.over.wait(self.chance.uniform(8, 15)):
            kind = self.chance.choice([*kinds])
            self.counts[kind] += 1
            began = time.time()
            kinds[kind]()
            # Calls that hang still do when no further one does.
            ended = max(time.time(), self._hung_until if kind == "hanging" else 0.0)
            self.spans.append(Span(kind, began, ended))

    def _expire(self) -> None:
        self._expired = True
        self.over.wait(self.chance.uniform(1, 4))
        self._expired = False

    def _fill(self) -> None:
        filler = self.disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while not self.over.is_set():
                file.write(bytes(2**20))
        self.over.wait(self.chance.uniform(1, 4))
        filler.unlink()

    def _hang(self) -> None:
        self._hanging = True
        self.over.wait(self.chance.uniform(10, 20))
        self._hanging = False

    def _put_odd(self) -> None:
        """All of them at once, and the time in which they are looked at."""
        place = f"in/{self.counts['odd']}/"
        for key, body in ODD.items():
            with suppress(BotoCoreError, ClientError, OSError):
                self._s3.put_object(
                    Bucket=UPLOADS, Key=place + key.removeprefix("in/"), Body=body
                )
        self.over.wait(10)

    def _proxy(self, endpoint: str) -> None:
        async def pass_on() -> None:
            async with proxied(endpoint) as proxy:
                proxy.plan = lambda _asked: Fault.EXPIRED if self._expired else None
                self._ready.put(proxy.address)
                await asyncio.Event().wait()

        asyncio.run(pass_on())

    def _webhook(self) -> str:
        moments = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                moments.counts["told"] += 1
                if moments.is_hanging():
                    moments.over.wait(60)
                    return
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"


class Soak:
    """One run, from the first upload to the audit."""

    def __init__(
        self, home: Path, options: argparse.Namespace, chance: random.Random
    ) -> None:
        self.home, self.options, self.chance = home, options, chance
        self.ports = [free_port() for _ in range(options.services)]
        self.postman = Postman(random.Random(chance.random()), self.ports)
        self.server = Server(home / "weed", self.postman.endpoint)
        self.services: list[subprocess.Popen[bytes] | None] = [None] * options.services
        self.kills: Counter[str] = Counter()
        self.over = threading.Event()
        (home / "scratch").mkdir()
        (home / "soak.toml").write_text(PROFILE)
        self.environ = {
            **marking(os.environ, home.name),
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "TRANSCODE_S3_ENDPOINT_URL": self.server.endpoint,
            "TRANSCODE_S3_REGION": "us-east-1",
            "TRANSCODE_S3_PATH_STYLE": "true",
            "TRANSCODE_LEASE_SECONDS": str(LEASE_SECONDS),
            # Kills are this run's business, and no sign of a poisonous upload.
            "TRANSCODE_TRIES": "50",
            "TRANSCODE_SCRATCH": str(home / "scratch"),
        }

        self.moments: Moments | None = None
        self.put_at: dict[int, float] = {}
        self.uploaded = threading.Event()
        self.ended_at = 0.0

    def _have_moments(self) -> None:
        chance = random.Random(self.chance.random())
        self.moments = Moments(self.home, self.server.endpoint, chance)
        self.environ |= {
            "TRANSCODE_S3_ENDPOINT_URL": self.moments.endpoint,
            "TRANSCODE_SCRATCH": str(self.moments.disk),
            "TRANSCODE_ON_SUCCESS": self.moments.hook,
            "TRANSCODE_WEBHOOK_SECRET": f"whsec_{b64encode(bytes(32)).decode()}",
        }

    def command(self, *words: str) -> list[str]:
        return [
            *(sys.executable, "-m", "transcode", *words, "--to", f"s3://{RESULTS}/out"),
            *("--profile", str(self.home / "soak.toml")),
        ]

    def run(self) -> int:
        self.server.start()
        for name in (UPLOADS, RESULTS):
            client(self.server.endpoint).create_bucket(Bucket=name)
        if self.options.moments:
            self._have_moments()
        for number in range(self.options.services):
            self._start(number)
        started = time.monotonic()
        bodies = clips(self.home)
        threads = [
            threading.Thread(target=self._upload, args=(bodies,), daemon=True),
            threading.Thread(target=self._kill, daemon=True),
        ]
        for thread in threads:
            thread.start()
        self._wait_for_results(started)
        self.over.set()
        for thread in threads:
            thread.join()
        self._end_services()
        self.ended_at = time.time()
        if self.moments is not None:
            self.moments.over.set()
            print(f"moments: {dict(self.moments.counts)}", flush=True)
        swept = self._sweep()
        took = time.monotonic() - started
        print(f"uploads to quiet: {took:.0f} s; kills: {dict(self.kills)}")
        print(f"events: {dict(self.postman.counts)}; sweeps: {swept}", flush=True)
        s3 = client(self.server.endpoint)
        broken = audit(s3, self.options.uploads)
        if self.moments is not None:
            broken |= self._say_who_waited(s3)
        return broken

    def stop(self) -> None:
        self.over.set()
        for service in self.services:
            if service is not None:
                service.kill()
        if self.moments is not None:
            self.moments.close()
        self.server.kill()

    def _upload(self, bodies: list[bytes]) -> None:
        def put(number: int) -> None:
            # A `free` box makes the object unlike every other; players skip it.
            text = f"upload {number}".encode()
            box = (8 + len(text)).to_bytes(4, "big") + b"free" + text
            body = bodies[number % len(bodies)] + box
            while True:
                try:
                    s3.put_object(Bucket=UPLOADS, Key=f"in/{number:05d}.mp4", Body=body)
                except (BotoCoreError, ClientError, OSError):
                    time.sleep(1)
                else:
                    return

        s3 = client(self.server.endpoint)
        for key, body in ODD.items() if self.options.moments else ():
            s3.put_object(Bucket=UPLOADS, Key=key, Body=body)
        if self.options.moments:
            for number in range(self.options.uploads):
                self._wait_for_room()
                put(number)
                self.put_at[number] = time.time()
        else:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(put, range(self.options.uploads)))
        self.uploaded.set()
        print("everything is uploaded", flush=True)

    def _wait_for_room(self) -> None:
        """Until few enough uploads are on their way that none waits for its turn."""
        while not self.over.is_set():
            late = time.time() - _LOST_SECONDS
            coming = {n for n, at in self.put_at.items() if at > late}
            if len(coming) >= self.options.outstanding:
                with suppress(BotoCoreError, ClientError, OSError):
                    coming -= self._there(coming)
            if len(coming) < self.options.outstanding:
                return
            self.over.wait(1)

    def _start(self, number: int) -> None:
        log = (self.home / f"service{number}.log").open("ab")
        self.services[number] = subprocess.Popen(
            self.command("serve", "--port", str(self.ports[number]))
            if self.options.by == "serve"
            else self.command("watch", f"s3://{UPLOADS}/in"),
            env=self.environ,
            stdout=log,
            stderr=log,
        )

    def _kill(self) -> None:
        """End something at random every few seconds; start services and server anew."""
        done = 0
        restarts = [
            self.options.kills * (n + 1) // (self.options.restarts + 1)
            for n in range(self.options.restarts)
        ]
        while not self.over.is_set():
            self.over.wait(self.chance.expovariate(1 / self.options.every))
            for number, service in enumerate(self.services):
                if service is not None and service.poll() is not None:
                    self._start(number)
            if done >= self.options.kills:
                continue
            if restarts and done >= restarts[0]:
                del restarts[0]
                self.kills["server"] += 1
                self.server.kill()
                self.server.start()
            kind = self.chance.choices(("service", "worker", "encoder"), (2, 2, 1))[0]
            victims = self._victims(kind)
            if victims:
                try:
                    os.kill(self.chance.choice(victims), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.kills[kind] += 1
                done += 1

    def _victims(self, kind: str) -> list[int]:
        services = [s.pid for s in self.services if s and s.poll() is None]
        if kind == "service":
            return services
        wanted = b"transcode.invoke.worker" if kind == "worker" else b"ffmpeg"
        return marked(self.home.name, wanted)

    def _say_who_waited(self, s3: Any) -> int:
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=RESULTS, Prefix="out/"
        )
        done = {
            number: entry["LastModified"].timestamp()
            for page in pages
            for entry in page.get("Contents", ())
            if entry["Key"].endswith("/manifest.json")
            and (number := number_of(entry["Key"])) is not None
        }
        spans = self.moments.spans if self.moments else []
        lines, broken = waits(self.put_at, done, spans, until=self.ended_at)
        for line in (*lines, *(f"BROKEN {it}" for it in broken)):
            print(line, flush=True)
        return int(bool(broken))

    def _there(self, numbers: Iterable[int]) -> set[int]:
        """Those of *numbers* whose result is there; nothing else is listed for it."""
        s3 = client(self.server.endpoint)
        asked = {"Bucket": RESULTS, "Delimiter": "/"}
        return {
            it
            for it in numbers
            if "CommonPrefixes" in s3.list_objects_v2(Prefix=f"out/{it:05d}.", **asked)
        }

    def _manifests(self) -> list[str]:
        found = []
        pages = client(self.server.endpoint).get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=RESULTS, Prefix="out/", Delimiter="/"):
            found += [p["Prefix"] for p in page.get("CommonPrefixes", ())]
        return [prefix for prefix in found if not prefix.startswith("out/.")]

    def _wait_for_results(self, started: float) -> None:
        """Until nearly all that was told of is there; the sweep finds the rest."""
        before, still = -1, 0
        while time.monotonic() - started < self.options.minutes * 60:
            self.over.wait(10)
            try:
                count = len(self._manifests())
            except (BotoCoreError, ClientError, OSError):
                continue
            killed = sum(self.kills.values())
            took = time.monotonic() - started
            print(f"{took:5.0f} s: {count} results, {killed} kills", flush=True)
            # What was dropped, or told to a service that died, is the sweep's to find.
            still = still + 1 if count == before else 0
            before = count
            all_there = count >= self.options.uploads
            if not self.uploaded.is_set():
                still = 0
            if killed >= self.options.kills and (all_there or still >= _STILL):
                return
        print("gave up waiting", flush=True)

    def _end_services(self) -> None:
        for service in self.services:
            if service is not None and service.poll() is None:
                service.terminate()
        for service in self.services:
            if service is not None:
                service.wait()

    def _sweep(self) -> list[dict[str, Any]]:
        swept = []
        deadline = time.monotonic() + _SWEEP_SECONDS
        while time.monotonic() < deadline:
            argv = [*self.command("sweep", f"s3://{UPLOADS}/in"), "--json"]
            done = subprocess.run(
                argv, env=self.environ, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                print(done.stderr[-2000:], flush=True)
            found = json.loads(done.stdout) if done.returncode == 0 else {"left": -1}
            swept.append(found)
            print(f"sweep: {found}", flush=True)
            if found["left"] == 0 and not found["ended"] and not found["uploads_taken"]:
                break
            if found.get("ended"):
                # A first sweep alone may take as long, where the machine is busy.
                deadline = time.monotonic() + _SWEEP_SECONDS
            if found["left"]:
                time.sleep(LEASE_SECONDS)
        return swept


def clips(home: Path) -> list[bytes]:
    """A few short real encodes; uploads differ by a box of their own number."""
    ffmpeg = subprocess.run(
        [
            sys.executable,
            "-c",
            "import imageio_ffmpeg as i;print(i.get_ffmpeg_exe())",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    made = []
    for number, rate in enumerate((10, 12, 15)):
        path = home / f"clip{number}.mp4"
        argv = [
            *(ffmpeg, "-v", "error", "-f", "lavfi"),
            *("-i", f"testsrc2=size=160x120:rate={rate}:duration=1"),
            *("-f", "lavfi", "-i", f"sine=frequency={300 + number}:duration=1"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-g", "10"),
            *("-c:a", "aac", str(path)),
        ]
        subprocess.run(argv, check=True)
        made.append(path.read_bytes())
    return made


def number_of(key: str) -> int | None:
    """Of the honest upload that a result's *key* is of."""
    match = re.match(r"out/(\d{5})\.", key)
    return int(match[1]) if match else None


_FEW = 8
"""Uploads of which a median says something."""
_LONGER = 2.0
_GRAIN_SECONDS = 3.0
"""A store's times are whole seconds, and so are our looks."""


def waits(
    put: Mapping[int, float],
    done: Mapping[int, float],
    spans: Sequence[Span],
    *,
    until: float,
) -> tuple[list[str], list[str]]:
    """
    How long honest uploads took in each kind of moment, beside those in none, and
    what is wrong with that.

    A full disk and a key that has expired are waited for, by all. Nobody waits for
    another's webhook or for what is no film. Left out is what only sweeps found, after
    *until*.
    """
    took: dict[str, list[float]] = defaultdict(list)
    for number, began in put.items():
        ended = done.get(number, until)
        if ended >= until:
            continue
        met = {it.kind for it in spans if it.began < ended and began < it.ended}
        for kind in met or {"none"}:
            took[kind].append(ended - began)
    lines = [
        f"honest uploads in {kind:9}: {len(them):4}, median {median(them):5.1f} s, "
        f"longest {max(them):5.1f} s"
        for kind, them in sorted(took.items())
    ]
    calm = took["none"]
    broken = []
    for kind in ("hanging", "odd"):
        them = took[kind]
        if len(calm) < _FEW or len(them) < _FEW:
            continue
        allowed = _LONGER * median(calm) + _GRAIN_SECONDS
        if median(them) > allowed:
            broken.append(
                f"in {kind} moments an upload took {median(them):.1f} s, in others "
                f"{median(calm):.1f} s"
            )
    return lines, broken


def audit(s3: Any, uploads: int) -> int:
    """
    Look every promise up in the store; 0 where none of them is broken.

    *uploads*: how many lay in the bucket of uploads.
    """
    objects = {
        entry["Key"]: entry["Size"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=RESULTS)
        for entry in page.get("Contents", ())
    }
    manifests = [
        key for key in objects if re.fullmatch(r"out/[^./][^/]*/manifest\.json", key)
    ]
    broken: list[str] = []
    named = set(manifests)
    sources: Counter[str] = Counter()
    useful, spent = Decimal(0), Decimal(0)
    lost = least = 0
    for key in manifests:
        manifest = json.loads(s3.get_object(Bucket=RESULTS, Key=key)["Body"].read())
        sources[manifest["source"]["uri"]] += 1
        if manifest["status"] != "succeeded" or not manifest["verification"]["passed"]:
            broken.append(f"{key}: {manifest['status']}")
        attempts = [a for t in manifest["tasks"] for a in t["attempts"]]
        lost += sum(a["outcome"] != "succeeded" for a in attempts)
        paid = [
            Decimal(a["cost"]["amount"])
            for a in attempts
            if a["outcome"] == "succeeded"
        ]
        useful += sum(paid)
        spent += sum(Decimal(a["cost"]["amount"]) for a in attempts)
        tasks = len(manifest["tasks"])
        least += tasks
        done = Counter(
            number
            for number, task in enumerate(manifest["tasks"])
            for it in task["attempts"]
            if it["outcome"] == "succeeded"
        )
        if sorted(done.elements()) != list(range(tasks)):
            broken.append(f"{key}: of {tasks} tasks succeeded {dict(done)}")
        shown = manifest.get("page")
        for output in (*manifest["outputs"], *([] if shown is None else [shown])):
            name = output["uri"].removeprefix(f"s3://{RESULTS}/")
            named.add(name)
            if name not in objects:
                broken.append(f"{key}: {name} is missing")
                continue
            body = s3.get_object(Bucket=RESULTS, Key=name)["Body"].read()
            if hashlib.sha256(body).hexdigest() != output["sha256"]:
                broken.append(f"{key}: {name} is not what was made")
    wanted = {f"s3://{UPLOADS}/in/{n:05d}.mp4" for n in range(uploads)}
    ends = _ends(s3, objects)
    broken += [
        f"no result: {uri}: {'; '.join(ends.get(uri, ['no job']))}"
        for uri in sorted(wanted - set(sources))
    ]
    broken += [f"a result of {uri!r}" for uri in set(sources) - wanted]
    broken += [f"{n} results: {uri}" for uri, n in sources.items() if n != 1]
    orphans = [
        key
        for key in objects
        if key not in named and not key.startswith("out/.transcode/")
    ]
    broken += [f"orphan: {key}" for key in orphans]
    open_jobs = [key for key in objects if key.startswith("out/.transcode/open/")]
    broken += [f"still open: {key}" for key in open_jobs]
    ledger, succeeded = _ledger(s3, objects)
    twice = sum(count - 1 for count in succeeded.values() if count > 1)
    work = sum(ledger[o] for o in ("succeeded",))
    print(
        f"{len(sources)} of {len(wanted)} uploads have a result; {lost} attempts "
        f"lost to kills; ledger {dict(ledger)}"
    )
    print(
        f"finished work done twice: {twice}; billed for finished work "
        f"{work / max(least, 1):.4f} x the minimum; lost work on the bill: "
        f"{(spent - useful) / (useful or 1):.3f} x the useful"
    )
    for line in broken[:20]:
        print(f"BROKEN {line}")
    print(f"{len(broken)} promises broken", flush=True)
    return 1 if broken or work > 1.02 * least else 0


def _ledger(s3: Any, objects: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """How attempts ended, and how many of each task succeeded, as the ledger says."""
    ledger: Counter[str] = Counter()
    succeeded: Counter[str] = Counter()
    for key in objects:
        if key.startswith("out/.transcode/ledger/"):
            record = json.loads(s3.get_object(Bucket=RESULTS, Key=key)["Body"].read())
            if record["kind"] == "function":
                continue  # what a call took beside its work
            outcome = record["attempt"]["outcome"]
            ledger[outcome] += 1
            task = f"{record['job_id']} {record['task_id']}"
            succeeded[task] += outcome == "succeeded"
    return ledger, succeeded


def _ends(s3: Any, objects: Iterable[str]) -> dict[str, list[str]]:
    """Source → how its job's tries ended, as the job's records say."""
    said: dict[str, list[str]] = {}
    jobs: dict[str, str] = {}
    for key in sorted(objects, key=lambda it: "/endings/" in it):
        match = re.fullmatch(
            r"out/\.transcode/jobs/([^/]+)/(submission|endings/\d+)\.json", key
        )
        if match is None:
            continue
        record = json.loads(s3.get_object(Bucket=RESULTS, Key=key)["Body"].read())
        if match[2] == "submission":
            jobs[match[1]] = record["source"]["uri"]
            said[jobs[match[1]]] = []
        else:
            failure = record["failure"] or {}
            told = (record["kind"], failure.get("type"), failure.get("message"))
            said[jobs[match[1]]].append(" ".join(str(it) for it in told if it))
    return said


if __name__ == "__main__":
    sys.exit(main())
