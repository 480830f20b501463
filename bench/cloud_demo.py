"""
A platform on this machine: uploads of several sizes, each done by calls of its own.

Starts an S3 server and the emulator of FunctionGraph (`fronts/functiongraph.py`), puts
videos there, tells the function of each as an OBS trigger would, and prints every call
with the memory it had and its bill; then does the same in one fixed memory that all of
them fit, as a function is set up by hand. No account, nothing but loopback:

    make cloud-demo
"""

from __future__ import annotations

import argparse
import json
import os
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
from transcode.work.toolchain import find_ffmpeg

URN = f"urn:fss:cn-north-4:{'0123456789abcdef' * 2}:function:default:transcode:latest"
KEY, SECRET = "demo", "demo-secret"
BUCKET = "demo"
CLIPS = (("phone", "426x240", 6), ("talk", "1280x720", 6), ("film", "1920x1080", 4))
UPLOAD_MIB = 512
PATIENCE_SECONDS = 240.0


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
    until = time.monotonic() + 60
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
        else:
            return client


def made(folder: Path, name: str, size: str, seconds: int) -> Path:
    """A moving picture with a tone."""
    path = folder / f"{name}.mp4"
    argv = [find_ffmpeg(Settings()), "-v", "error", "-f", "lavfi"]
    argv += ["-i", f"testsrc2=size={size}:rate=25:duration={seconds}", "-f", "lavfi"]
    argv += ["-i", f"sine=frequency=440:duration={seconds}", "-pix_fmt", "yuv420p"]
    subprocess.run([*argv, "-c:v", "libx264", "-c:a", "aac", str(path)], check=True)
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
        """Until each has a result, and every call has returned."""
        for key in keys:
            self.front.take({}, event(key))
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            found = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.to}/")
            names = [it["Key"] for it in found.get("Contents", ())]
            done = sum(name.endswith("/manifest.json") for name in names)
            if done >= len(keys) and len(self.ended) == len(self.front.calls):
                return
            with self._news:
                self._news.wait(0.5)
        raise SystemExit(f"After {PATIENCE_SECONDS:g} s not every upload has a result.")

    @property
    def cost(self) -> Decimal:
        return sum((Decimal(call.cost) for call in self.ended), Decimal(0))

    def show(self, console: Console) -> None:
        table = Table("call", "memory", "vCPU", "seconds", "cost", box=None)
        for call in self.ended:
            what = json.loads(call.body).get("records", "")
            table.add_row(
                what.rpartition("/")[2] or "upload",
                f"{call.memory_mib} MiB",
                f"{call.milli_cpus / 1000:g}",
                f"{call.seconds:.2f}" + (" (cold)" if call.cold else ""),
                call.cost,
            )
        console.print(table)
        console.print(f"{self.cost:f} {self.ended[0].currency} in all\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="preview")
    parser.add_argument("files", nargs="*", type=Path, help="videos; by default, three")
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="cloud-demo-") as name:
        folder = Path(name)
        with storage(folder) as address:
            client = opened(address)
            files = given.files or [made(folder, *clip) for clip in CLIPS]
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
    part = chosen.cost / fixed.cost
    console.print(f"Chosen for each: {part:.0%} of the cost of the fixed one.")


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
