"""
A platform on this machine: uploads of six sizes, each done by calls of its own.

Starts an S3 server and the emulator of FunctionGraph (`fronts/functiongraph.py`), puts
videos there, tells the function of each as an OBS trigger would, and prints every call
with the memory that was asked for it, what the kernel held it to, and its bill; then
does the same in one fixed memory that all of them fit, as a function is set up by hand.
Uploads come one after another, so that calls do not share this machine's cores. No
account, nothing but loopback:

    make cloud-demo
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.table import Table

from bench.fronts.functiongraph import Call, Front, serve
from transcode.platforms.huawei_signing import Keys
from transcode.settings import Settings
from transcode.units import rounded
from transcode.work.toolchain import find_ffmpeg

URN = f"urn:fss:cn-north-4:{'0123456789abcdef' * 2}:function:default:transcode:latest"
KEY, SECRET = "demo", "demo-secret"
BUCKET = "demo"
CLIPS = {
    "240p": "426x240",
    "480p": "854x480",
    "720p": "1280x720",
    "1080p": "1920x1080",
    "1440p": "2560x1440",
    "2160p": "3840x2160",
}
CLIP_SECONDS = 2
UPLOAD_MIB = 1024
"""One vCPU: less is no cheaper, since planning is computing."""
PATIENCE_SECONDS = 900.0


@contextmanager
def storage(folder: Path) -> Iterator[str]:
    """A real S3 server; its address."""
    ports = {name: free_port() for name in ("s3", "master", "volume", "filer")}
    identity = {
        "name": KEY,
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    (folder / "store").mkdir()
    weed = Path(sys.executable).with_name("weed")
    argv = [str(weed), "server", "-s3", f"-dir={folder / 'store'}", "-ip=127.0.0.1"]
    argv += [f"-s3.config={config}", "-volume.max=20"]
    for name, port in ports.items():
        argv += [f"-{name}.port={port}", f"-{name}.port.grpc={free_port()}"]
    with subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield f"http://127.0.0.1:{ports['s3']}"
        finally:
            process.kill()


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def opened(address: str) -> Any:
    """The bucket's client, once there is a bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
        else:
            return client


def made(folder: Path, name: str, size: str) -> Path:
    """A moving picture with a tone."""
    path = folder / f"{name}.mp4"
    argv = [find_ffmpeg(Settings()), "-v", "error", "-f", "lavfi", "-i"]
    argv += [f"testsrc2=size={size}:rate=25:duration={CLIP_SECONDS}", "-f", "lavfi"]
    argv += ["-i", f"sine=frequency=440:duration={CLIP_SECONDS}", "-c:a", "aac"]
    argv += ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*argv, str(path)], check=True)
    return path


def event(key: str) -> bytes:
    """As an OBS trigger tells of a new object."""
    told = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 1, "eTag": "-"}}
    record = {
        "eventVersion": "2.0",
        "eventSource": "OBS",
        "eventRegion": "cn-north-4",
        "eventTime": "2026-11-28T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": told,
    }
    return json.dumps({"Records": [record]}).encode()


class Pass:
    """The uploads told of once, on a platform of their own."""

    def __init__(self, folder: Path, address: str, to: str, profile: str) -> None:
        self.to = to
        self.ended: list[Call] = []
        self._news = threading.Condition()
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "TRANSCODE_S3_ENDPOINT_URL": address,
            "TRANSCODE_S3_REGION": "us-east-1",
            "TRANSCODE_S3_PATH_STYLE": "1",
            "TRANSCODE_TO": f"s3://{BUCKET}/{to}",
            "TRANSCODE_SOURCES": f"s3://{BUCKET}/uploads/",
            "TRANSCODE_PROFILE": profile,
        }
        keys = Keys("AK", "SK")
        self.front = Front(environment, folder, keys, UPLOAD_MIB, heard=self._heard)

    def in_a_memory_for_each(self, address: str) -> None:
        """The function knows its own name: it plans, and starts others."""
        self.front.environment |= {
            "TRANSCODE_FUNCTIONGRAPH_FUNCTION": f"functiongraph+{address}/{URN}",
            "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
            "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
        }

    def in_one_memory(self, memory_mib: int) -> None:
        """As a function is set up by hand: an upload's call does it all."""
        self.front.dynamic, self.front.memory_mib = False, memory_mib

    def _heard(self, call: Call) -> None:
        with self._news:
            self.ended.append(call)
            self._news.notify_all()

    def tell_of(self, client: Any, keys: list[str]) -> None:
        """One after another, each until it has a result and every call has returned."""
        until = time.monotonic() + PATIENCE_SECONDS
        for number, key in enumerate(keys, 1):
            self.front.take({}, event(key))
            while self._results(client) < number or not self._all_ended:
                if time.monotonic() > until:
                    raise SystemExit(
                        f"After {PATIENCE_SECONDS:g} s not every upload has a result."
                    )
                with self._news:
                    self._news.wait(0.5)

    def _results(self, client: Any) -> int:
        found = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.to}/")
        names = [it["Key"] for it in found.get("Contents", ())]
        return sum(name.endswith("/manifest.json") for name in names)

    @property
    def _all_ended(self) -> bool:
        return len(self.ended) == len(self.front.calls)

    @property
    def cost(self) -> Decimal:
        return sum((Decimal(call.cost) for call in self.ended), Decimal(0))

    @property
    def seconds(self) -> float:
        """From each upload to its last call's end, together."""
        uploads = [it for it in self.ended if not is_task(it)]
        ends = {name_of(it): it.ended for it in sorted(self.ended, key=_when)}
        return sum(ends[name_of(it)] - it.asked for it in uploads)

    def show(self, console: Console) -> None:
        table = Table("call", box=None)
        for name in ("asked for", "kernel holds", "vCPU", "billed ms", "", "cost"):
            table.add_column(name, justify="right")
        for call in self.ended:
            group = "–" if call.limit_mib is None else f"{call.limit_mib} MiB"
            table.add_row(
                f"{name_of(call)} {'task' if is_task(call) else 'upload'}",
                f"{call.memory_mib} MiB" if is_task(call) else "–",
                group,
                f"{call.milli_cpus / 1000:g}",
                str(call.billed_milliseconds),
                "cold" if call.cold else "",
                rounded(Decimal(call.cost)),
            )
        console.print(table)
        console.print(
            f"{rounded(self.cost)} {self.ended[0].currency} in all, "
            f"{self.seconds:.1f} s from uploads to results\n"
        )

    def seen(self) -> Iterator[str]:
        """What was to be seen of tasks in a memory of their own."""
        tasks = [it for it in self.ended if is_task(it)]
        uploads = {name_of(it): it for it in self.ended if not is_task(it)}
        memories = sorted({it.memory_mib for it in tasks})
        held = sum(it.limit_mib == it.memory_mib for it in tasks)
        longest = max(it.billed_milliseconds for it in uploads.values())
        after = max(uploads[name_of(it)].ended - it.asked for it in tasks)
        yield (
            f"{len(memories)} different memories; in {held} of {len(tasks)} tasks the "
            "kernel's limit is what was asked for."
        )
        yield f"An upload's call is billed {longest} ms at most."
        yield (
            "No call waits for another: an upload's was over "
            f"{max(after, 0):.2f} s after it had started its task, at the most."
        )


def is_task(call: Call) -> bool:
    return bool(json.loads(call.body).get("transcode") == "task")


def name_of(call: Call) -> str:
    """The upload that it is about, without its suffix."""
    told = json.loads(call.body)
    if is_task(call):
        return str(told["records"]).partition("/invocations/")[2].partition(".")[0]
    key: str = told["Records"][0]["s3"]["object"]["key"]
    return Path(key).stem


def _when(call: Call) -> float:
    return call.ended


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="mp4")
    parser.add_argument("files", nargs="*", type=Path, help="videos; by default, six")
    given = parser.parse_args()
    # Ended by somebody, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console()
    with tempfile.TemporaryDirectory(prefix="cloud-demo-") as name:
        folder = Path(name)
        with storage(folder) as address:
            client = opened(address)
            files = given.files or [made(folder, *it) for it in CLIPS.items()]
            keys = [f"uploads/{file.name}" for file in files]
            for file, key in zip(files, keys, strict=True):
                client.upload_file(str(file), BUCKET, key)
            console.print(f"{len(keys)} uploads; each task in a memory chosen for it:")
            chosen = Pass(folder, address, "results", given.profile)
            with answering(chosen.front) as front:
                chosen.in_a_memory_for_each(front)
                chosen.tell_of(client, keys)
            chosen.show(console)
            most = max(call.memory_mib for call in chosen.ended)
            console.print(f"The same in one memory that all of them fit, {most} MiB:")
            fixed = Pass(folder, address, "fixed", given.profile)
            with answering(fixed.front):
                fixed.in_one_memory(most)
                fixed.tell_of(client, keys)
            fixed.show(console)
    for line in chosen.seen():
        console.print(line, highlight=False)
    part = chosen.cost / fixed.cost
    console.print(
        f"Chosen for each: {part:.0%} of the cost of the fixed one, "
        f"{chosen.seconds / fixed.seconds:.0%} of its time."
    )


@contextmanager
def answering(front: Front) -> Iterator[str]:
    """Its address, for as long as the block."""
    server = serve(front)
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        front.close()


if __name__ == "__main__":
    main()
