"""A process that is killed between any two requests of a job; the next finishes it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from transcode.contract import Manifest, OutcomeKind
from transcode.contract.job import LedgerRecord
from transcode.settings import Settings
from transcode.store.bucket import Bucket
from transcode.store.open import bucket

pytestmark = pytest.mark.anyio

LEASE = 2


def environment(endpoint: str) -> dict[str, str]:
    """What a process needs to reach the store there."""
    return os.environ | {
        "TRANSCODE_S3_ENDPOINT_URL": endpoint,
        "TRANSCODE_S3_REGION": "us-east-1",
        "TRANSCODE_S3_PATH_STYLE": "true",
        "TRANSCODE_LEASE_SECONDS": str(LEASE),
    }


@asynccontextmanager
async def sweeping(address: str, endpoint: str) -> AsyncIterator[Any]:
    """`transcode sweep` as a process."""
    argv = [sys.executable, "-m", "transcode", "sweep", f"{address}/in", "--json"]
    argv += ["--to", f"{address}/out", "--profile", "mp4"]
    async with await anyio.open_process(argv, env=environment(endpoint)) as process:
        yield process


async def sweep(address: str, endpoint: str) -> dict[str, Any]:
    """One round, to its end."""
    async with sweeping(address, endpoint) as process:
        text = b"".join([part async for part in process.stdout])
        assert 0 == await process.wait(), text
    found: dict[str, Any] = json.loads(text)
    return found


async def finish(address: str, endpoint: str) -> None:
    """Rounds until nothing is left, with a pause of the lease of whoever is gone."""
    for _ in range(10):
        swept = await sweep(address, endpoint)
        if swept["left"] == 0:
            return
        await anyio.sleep(LEASE / 2)
    pytest.fail(f"never done: {swept}")


async def judge(out: Bucket) -> tuple[int, int]:
    """One result, whole and alone; claims and attempts that it took."""
    objects = {entry.key: entry async for entry in out.entries()}
    (manifest_key,) = [key for key in objects if key.endswith("/manifest.json")]
    body, _ = await out.read(manifest_key)
    manifest = Manifest.from_json(body)
    assert "succeeded" == manifest.status
    named = {o.uri.removeprefix(out.uri()): o.sha256 for o in manifest.outputs}
    results = {key for key in objects if not key.startswith(".transcode/")}
    assert results == {*named, manifest_key}
    for key, digest in named.items():
        assert digest == hashlib.sha256((await out.read(key))[0]).hexdigest()
    assert [] == [key for key in objects if key.startswith(".transcode/open/")]
    claims = [key for key in objects if "/claims/" in key]
    attempts = [key for key in objects if "/attempts/" in key]
    ledger = [key for key in objects if key.startswith(".transcode/ledger/")]
    names = Counter(key.rpartition("/")[2].split(".", 1)[1] for key in ledger)
    assert len(attempts) == len(ledger) == len(names)
    made = OutcomeKind.SUCCEEDED
    shown = [a.outcome for task in manifest.tasks for a in task.attempts]
    billed = [
        LedgerRecord.from_json((await out.read(key))[0]).attempt.outcome
        for key in ledger
    ]
    assert (1, 1) == (shown.count(made), billed.count(made))
    return len(claims), len(attempts)


@pytest.mark.parametrize(
    ("number", "arrives"),
    [(5, False), (8, True), (12, True), (14, False)],
)
async def test_a_killed_job_is_finished_by_the_next_sweep(  # noqa: PLR0917
    number: int,
    arrives: bool,  # noqa: FBT001 - a parameter of a test
    s3_address: str,
    s3_settings: Settings,
    faults: ModuleType,
    make_clip: Any,
) -> None:
    """Killed at a write, which arrives or not: one result, each attempt billed once."""
    clip = make_clip("killed", seconds=1, audio=False)
    endpoint = s3_settings.s3_endpoint_url
    assert endpoint is not None
    async with bucket(s3_address, s3_settings) as store:
        await store.upload("in/a.mp4", Path(clip))
    async with faults.proxied(endpoint) as proxy:
        writes = 0

        def plan(asked: Any) -> Any:
            nonlocal writes
            if asked.operation.startswith("GET") or asked.operation == "HEAD":
                return None
            writes += 1
            if writes != number:
                return None
            process.send_signal(signal.SIGKILL)
            return None if arrives else faults.Fault.CUT_BEFORE

        proxy.plan = plan
        async with sweeping(s3_address, f"http://{proxy.address}") as process:
            assert -signal.SIGKILL == await process.wait()
    await finish(s3_address, endpoint)

    async with bucket(f"{s3_address}/out", s3_settings) as out:
        claims, attempts = await judge(out)
    assert claims <= 2
    assert attempts <= 2


@pytest.mark.parametrize(("how", "down"), [("REFUSE", (8, 30)), ("EXPIRED", (12, 40))])
async def test_a_watch_outlives_a_store_that_is_down(  # noqa: PLR0917
    how: str,
    down: tuple[int, int],
    s3_address: str,
    s3_settings: Settings,
    faults: ModuleType,
    make_clip: Any,
) -> None:
    """
    Or a key that has expired for a while: it asks again by itself, and what was in work
    comes to its end. No upload is rejected for it.
    """
    endpoint = s3_settings.s3_endpoint_url
    assert endpoint is not None
    clip = make_clip("killed", seconds=1, audio=False)
    async with (
        bucket(s3_address, s3_settings) as store,
        faults.proxied(endpoint) as proxy,
    ):
        await store.upload("in/a.mp4", Path(clip))
        hit = range(*down)
        fault = faults.Fault[how]
        proxy.plan = lambda asked: fault if asked.number in hit else None
        argv = [sys.executable, "-m", "transcode", "watch", f"{s3_address}/in"]
        argv += ["--to", f"{s3_address}/out", "--profile", "mp4", "--every", "1s"]
        env = environment(f"http://{proxy.address}")
        async with await anyio.open_process(argv, env=env, stderr=None) as process:
            with anyio.fail_after(120):
                while not [e async for e in store.entries("out/.transcode/ledger/")]:
                    assert process.returncode is None
                    await anyio.sleep(0.2)
                while [e async for e in store.entries("out/.transcode/open/")]:
                    assert process.returncode is None
                    await anyio.sleep(0.2)
            process.terminate()
            assert 0 == await process.wait()

    assert len(proxy.done) == len(hit)
    async with bucket(f"{s3_address}/out", s3_settings) as out:
        await judge(out)


@pytest.mark.parametrize("expires", [14, 45])
async def test_a_sweep_whose_key_expires_rejects_nothing(
    expires: int,
    s3_address: str,
    s3_settings: Settings,
    faults: ModuleType,
    make_clip: Any,
) -> None:
    """
    For the rest of that sweep, wherever it is by then; the next one with a good key
    goes on.
    """
    endpoint = s3_settings.s3_endpoint_url
    assert endpoint is not None
    clip = make_clip("killed", seconds=1, audio=False)
    async with (
        bucket(s3_address, s3_settings) as store,
        faults.proxied(endpoint) as proxy,
    ):
        await store.upload("in/a.mp4", Path(clip))
        expired = faults.Fault.EXPIRED
        proxy.plan = lambda asked: expired if asked.number >= expires else None
        async with sweeping(s3_address, f"http://{proxy.address}") as process:
            assert await process.wait() in {0, 2, 4}
        assert proxy.done
        over = [entry.key async for entry in store.entries("out/.transcode/over/")]
        assert [] == [key for key in over if not key.endswith(".succeeded")]
    await finish(s3_address, endpoint)

    async with bucket(f"{s3_address}/out", s3_settings) as out:
        await judge(out)


async def test_what_is_published_is_billed_as_such(
    s3_address: str,
    s3_settings: Settings,
    faults: ModuleType,
    make_clip: Any,
) -> None:
    """
    Whatever comes after: a key that expires when results were to be seen, before that
    was written down. Two of 2,000 were billed as lost.
    """
    endpoint = s3_settings.s3_endpoint_url
    assert endpoint is not None
    clip = make_clip("killed", seconds=1, audio=False)
    async with (
        bucket(s3_address, s3_settings) as store,
        faults.proxied(endpoint) as proxy,
    ):
        await store.upload("in/a.mp4", Path(clip))
        after = 0

        def plan(asked: Any) -> Any:
            nonlocal after
            if asked.operation == "PUT" and asked.path.endswith("/manifest.json"):
                after = 1
                return None
            after += bool(after)
            return faults.Fault.EXPIRED if after == 2 else None

        proxy.plan = plan
        async with sweeping(s3_address, f"http://{proxy.address}") as process:
            assert await process.wait() in {0, 2, 4}
        assert proxy.done
    await finish(s3_address, endpoint)

    async with bucket(f"{s3_address}/out", s3_settings) as out:
        assert (1, 1) == await judge(out)
