"""
What a sweep asks of the store, by how many uploads are finished, open and new.

    python bench/stress/sweeps.py http://127.0.0.1:8333 --finished 10000

The server is any that speaks S3 and takes the keys of the environment
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY). Finished uploads are put there as the end of
a job leaves them, open ones as another worker holds them, new ones are no media, so
that each is a whole job and ends at once. Every request of one `transcode sweep` is
counted by a proxy in between.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.stress.faults import proxied
from transcode.contract import ProfileRef, Source, SourceRecord
from transcode.contract.job import Claim, Submission
from transcode.request import Request, job_of, profile_of
from transcode.settings import Settings
from transcode.store.bucket import Bucket
from transcode.store.open import bucket
from transcode.wiring import Wiring, wire

PROFILE = "mp4"
AT_ONCE = 24
BODY = b"Dear diary, today I was renamed.\n" * 8


@dataclass(frozen=True)
class Figures:
    """Requests of one sweep."""

    finished: int
    open: int
    new: int
    requests: int
    by_operation: dict[str, int]


async def prepare(  # noqa: PLR0913 - how many of each, and where
    store: Bucket, address: str, wiring: Wiring, *, finished: int, opened: int, new: int
) -> None:
    """Put uploads into `in/`, and beside them what jobs have left in `out/`."""
    limit = anyio.CapacityLimiter(AT_ONCE)
    request = Request(source="", profile=PROFILE, to=f"{address}/out")
    profile = profile_of(request, wiring)

    async def put(number: int) -> None:
        async with limit:
            key = f"in/{number:06d}.mp4"
            entry = await store.put(key, BODY + str(number).encode())
            if number >= finished + opened:
                return
            source = Source(
                uri=store.uri(key), bytes=entry.bytes, etag=entry.etag, location=key
            )
            job, folder = job_of(source, profile, request)
            if number < finished:
                await store.put(f"out/{folder}/manifest.json", b"{}")
                await store.put(f"out/.transcode/over/{job}.succeeded", b"")
                return
            submission = Submission(
                job_id=job,
                folder=folder,
                source=SourceRecord(
                    uri=source.uri, bytes=source.bytes, etag=source.etag, version=None
                ),
                profile=ProfileRef(name=profile.name, digest=profile.digest),
                to=request.to,
                submitted_at=entry.modified,
            )
            claim = Claim(job_id=job, number=1, owner="another", lease_seconds=3600)
            state = f"out/.transcode/jobs/{job}"
            await store.put(f"out/.transcode/open/{job}", b"")
            body = submission.to_json().encode()
            await store.put(f"{state}/submission.json", body)
            body = claim.to_json().encode()
            await store.put(f"{state}/claims/000001.json", body)

    async with anyio.create_task_group() as group:
        for number in range(finished + opened + new):
            group.start_soon(put, number)


async def sweep(address: str, endpoint: str) -> tuple[int, Counter[str], Any]:
    """One, through a proxy that counts: requests, by operation, what it said."""
    where = urlsplit(endpoint).netloc
    counted: Counter[str] = Counter()
    async with proxied(f"http://{where}") as proxy:

        def count(asked: Any) -> None:
            counted[asked.operation.split()[0]] += 1

        proxy.plan = count
        environ = os.environ | {
            "TRANSCODE_S3_ENDPOINT_URL": f"http://{proxy.address}",
            "TRANSCODE_S3_REGION": "us-east-1",
            "TRANSCODE_S3_PATH_STYLE": "1",
        }
        argv = [sys.executable, "-m", "transcode", "sweep", f"{address}/in"]
        argv += ["--to", f"{address}/out", "--profile", PROFILE, "--json"]
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await process.communicate()
    if process.returncode:
        sys.exit(f"the sweep ended with {process.returncode}")
    return counted.total(), counted, json.loads(out)


async def measure(
    endpoint: str, name: str, *, finished: int, opened: int, new: int
) -> tuple[Figures, Figures]:
    """A sweep over all of it, and an idle one right after."""
    settings = Settings(
        s3_endpoint_url=endpoint, s3_region="us-east-1", s3_path_style=True
    )
    address = f"s3://{name}/{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory() as scratch:
        wiring = wire(settings.model_copy(update={"scratch": scratch}))
        async with bucket(address, settings) as store:
            await prepare(
                store, address, wiring, finished=finished, opened=opened, new=new
            )
    both = []
    for number in (new, 0):
        requests, counted, swept = await sweep(address, endpoint)
        if swept["uploads_taken"] != number or swept["left"] != opened:
            sys.exit(f"it did something else: {swept}")
        both.append(
            Figures(finished + new - number, opened, number, requests, dict(counted))
        )
    return both[0], both[1]


def main() -> None:
    """Print a line for each sweep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint")
    parser.add_argument("--bucket", default="sweeps", help="exists already")
    parser.add_argument("--finished", type=int, default=10_000)
    parser.add_argument("--open", type=int, default=100)
    parser.add_argument("--new", type=int, default=10)
    given = parser.parse_args()

    async def all_of_it() -> tuple[Figures, ...]:
        return await measure(
            given.endpoint,
            given.bucket,
            finished=given.finished,
            opened=given.open,
            new=given.new,
        )

    for it in anyio.run(all_of_it):
        print(
            f"{it.finished} finished, {it.open} open, {it.new} new: "
            f"{it.requests} requests {it.by_operation}"
        )


if __name__ == "__main__":
    main()
