"""Every store operation × every fault of the network: as if nothing had happened."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from transcode.errors import ObjectExists, StoreError
from transcode.retry import RetryPolicy
from transcode.settings import Settings
from transcode.store import s3_multipart
from transcode.store.s3_bucket import S3Bucket
from transcode.store.s3_client import StoreTimeouts

pytestmark = pytest.mark.anyio

SOON = RetryPolicy(
    0.02, maximum_interval_seconds=0.05, maximum_attempts=6, jitter=(0, 1)
)
QUICK = StoreTimeouts(retry=SOON)
PART = 5 * 2**20
"""S3 takes no smaller one, but the last."""
BIG = b"0123456789" * (PART // 10 + 1000)
HOUR = timedelta(hours=1)


async def _stream() -> AsyncIterator[bytes]:
    yield BIG


async def _listing(store: S3Bucket) -> list[tuple[str, int, str]]:
    return [(e.key, e.bytes, e.etag) async for e in store.entries()]


async def _head(store: S3Bucket) -> object:
    entry = await store.head("old")
    return entry.bytes, entry.etag, dict(entry.metadata)


async def _read(store: S3Bucket) -> object:
    return (await store.read("old"))[0]


async def _create(store: S3Bucket) -> object:
    return (await store.create("new", b"created", metadata={"a": "b"})).bytes


async def _create_taken(store: S3Bucket) -> object:
    try:
        await store.create("old", b"x")
    except ObjectExists:
        return "taken"
    return "created"


async def _put(store: S3Bucket) -> object:
    return (await store.put("old", b"replaced")).bytes


async def _upload(store: S3Bucket) -> object:
    done = await store.upload("big", _stream(), metadata={"a": "b"}, only_new=True)
    return done.bytes


async def _copy(store: S3Bucket) -> object:
    return (await store.copy("old", "copied")).bytes


async def _delete(store: S3Bucket) -> object:
    await store.delete("old")
    return None


async def _entries(store: S3Bucket) -> object:
    return await _listing(store)


async def _now(store: S3Bucket) -> object:
    return (await store.now()).tzinfo


async def _conditional(store: S3Bucket) -> object:
    return await store.is_conditional()


Call = Callable[[S3Bucket], Awaitable[object]]
CALLS: dict[str, Call] = {
    "head": _head,
    "read": _read,
    "create": _create,
    "create what exists": _create_taken,
    "put": _put,
    "upload in parts": _upload,
    "copy": _copy,
    "delete": _delete,
    "list": _entries,
    "clock": _now,
    "is conditional": _conditional,
}


async def _content(store: S3Bucket) -> dict[str, str]:
    return {
        key: hashlib.sha256((await store.read(key))[0]).hexdigest()
        for key, _, _ in await _listing(store)
    }


@pytest.mark.parametrize("name", CALLS)
async def test_a_fault_changes_nothing(
    name: str,
    s3_address: str,
    s3_settings: Settings,
    faults: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Result and content of the store are those of a run without faults.

    Each fault hits each request of the call in turn, the call's first attempt only.
    """
    monkeypatch.setattr(s3_multipart, "PART_BYTES", PART)
    async with AsyncExitStack() as stack:
        proxy: Any = await stack.enter_async_context(
            faults.proxied(s3_settings.s3_endpoint_url)
        )
        proxied = s3_settings.model_copy(
            update={"s3_endpoint_url": f"http://{proxy.address}"}
        )

        async def run(place: str, plan: Any = None) -> tuple[object, object, int]:
            address = f"{s3_address}/{place}"
            async with S3Bucket.open(address, s3_settings) as direct:
                await direct.put("old", BIG[:9_999], metadata={"was": "here"})
                async with S3Bucket.open(address, proxied, timeouts=QUICK) as store:
                    begun = len(proxy.asked)
                    proxy.plan = plan or (lambda _asked: None)
                    result = await CALLS[name](store)
                    proxy.plan = lambda _asked: None
                    asked = len(proxy.asked) - begun
                assert await direct.collect(older_than=-HOUR) <= 1
                return result, await _content(direct), asked

        result, content, requests = await run("none")
        assert requests > 0
        for number in range(requests):
            for fault in faults.Fault:
                if fault in (
                    faults.Fault.TRICKLE,
                    faults.Fault.FLIP_REPLY,
                    faults.Fault.EXPIRED,
                ):
                    continue
                begun = len(proxy.asked)
                hit = begun + number
                outcome = await run(
                    f"{number}-{fault}".replace(" ", "-"),
                    lambda asked, hit=hit, fault=fault: (
                        fault if asked.number == hit else None
                    ),
                )
                assert (name, fault, result, content) == (name, fault, *outcome[:2])


async def test_a_flipped_byte_is_not_read(
    s3_address: str, s3_settings: Settings, faults: ModuleType
) -> None:
    """A whole read is compared with the checksum written beside it."""
    async with faults.proxied(s3_settings.s3_endpoint_url) as proxy:
        proxied = s3_settings.model_copy(
            update={"s3_endpoint_url": f"http://{proxy.address}"}
        )
        async with S3Bucket.open(s3_address, proxied, timeouts=QUICK) as store:
            await store.put("key", BIG)
            bad = {len(proxy.asked), len(proxy.asked) + 1}
            proxy.plan = lambda asked: (
                faults.Fault.FLIP_REPLY if asked.number in bad else None
            )

            assert (await store.read("key"))[0] == BIG
            assert proxy.done == [faults.Fault.FLIP_REPLY] * 2


async def test_a_fault_that_does_not_pass_is_said(
    s3_address: str, s3_settings: Settings, faults: ModuleType
) -> None:
    """After a bounded number of tries, as an error of ours."""
    async with faults.proxied(s3_settings.s3_endpoint_url) as proxy:
        proxied = s3_settings.model_copy(
            update={"s3_endpoint_url": f"http://{proxy.address}"}
        )
        for fault in faults.Fault:
            if fault in (
                faults.Fault.TRICKLE,
                faults.Fault.FLIP_REPLY,
                faults.Fault.EXPIRED,
            ):
                continue
            proxy.plan = lambda asked, fault=fault: (
                fault if asked.operation == "PUT" else None
            )
            begun = len(proxy.asked)
            async with S3Bucket.open(s3_address, proxied, timeouts=QUICK) as store:
                if fault in (faults.Fault.CUT_AFTER, faults.Fault.ERROR_AFTER):
                    # It did its work: looking finds it at once.
                    await store.create(str(fault), b"x")
                elif fault is not faults.Fault.CUT_IN_REPLY:
                    with pytest.raises(StoreError):
                        await store.create(str(fault), b"x")
            asked = [one for one in proxy.asked[begun:] if one.operation == "PUT"]
            # aiohttp repeats a PUT by itself where a connection that was in use broke.
            assert len(asked) <= 2 * (SOON.maximum_attempts or 0)


async def test_a_slow_store_is_waited_for(
    s3_address: str, s3_settings: Settings, faults: ModuleType
) -> None:
    """10 KB/s is slow, not broken: what counts is that something arrives."""
    async with faults.proxied(s3_settings.s3_endpoint_url) as proxy:
        proxied = s3_settings.model_copy(
            update={"s3_endpoint_url": f"http://{proxy.address}"}
        )
        # Less than the whole takes, and much more than between two pieces of it.
        timeouts = StoreTimeouts(
            read_seconds=3, retry=RetryPolicy(0, maximum_attempts=1)
        )
        async with S3Bucket.open(s3_address, proxied, timeouts=timeouts) as store:
            await store.put("key", BIG[:40_000])
            proxy.plan = lambda _asked: faults.Fault.TRICKLE

            assert (await store.read("key"))[0] == BIG[:40_000]
