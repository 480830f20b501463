"""Whole jobs on a real S3 server: what goes wrong there is said well."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import anyio
import pytest

from transcode.contract import Manifest
from transcode.errors import (
    DestinationUnwritable,
    ObjectChanged,
    SourceNotFound,
    SourceUnreadable,
    StoreError,
    TranscodeError,
)
from transcode.hooks import Planned
from transcode.pipeline import run
from transcode.platforms.requests import RECORDS
from transcode.request import Request
from transcode.settings import Settings
from transcode.store.counting import counting
from transcode.store.open import bucket
from transcode.wiring import wire

pytestmark = pytest.mark.anyio

MakeClip = Callable[..., Path]


async def put(address: str, settings: Settings, clip: Path, key: str) -> str:
    """An upload; its address."""
    async with bucket(address, settings) as store:
        await store.upload(key, clip)
        return store.uri(key)


async def left(address: str, settings: Settings) -> list[str]:
    """What a reader of the destination could find."""
    async with bucket(f"{address}/out", settings) as store:
        return [entry.key async for entry in store.entries()]


async def perform(
    source: str,
    to: str,
    settings: Settings,
    asked: Mapping[str, str] = MappingProxyType({}),
    **more: Any,
) -> Manifest:
    """One job, as the command line runs it."""
    wished = {"source": source, "profile": "preview", "to": to, **asked}
    request = Request.model_validate(wished)
    return await run(request, wire(settings), **more)


async def fail(error: type[TranscodeError], *args: Any, **more: Any) -> TranscodeError:
    """The error of a job that has to fail with it, in one paragraph."""
    with pytest.raises(error) as caught:
        await perform(*args, **more)
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value


@pytest.mark.parametrize("profile", ["preview", "hls"])
async def test_a_job_reads_and_writes_s3(
    s3_address: str,
    s3_settings: Settings,
    make_clip: MakeClip,
    faults: ModuleType,
    profile: str,
) -> None:
    """
    The bytes that the manifest counts went over the wire, and little more.

    What a source's index makes ffmpeg skip is not fetched. Every request is counted,
    but for those of ffmpeg and of the probe.
    """
    clip = make_clip("in.mp4")
    source = await put(s3_address, s3_settings, clip, "in.mp4")
    async with faults.proxied(s3_settings.s3_endpoint_url) as proxy:
        proxied = s3_settings.model_copy(
            update={"s3_endpoint_url": f"http://{proxy.address}"}
        )

        # Whose platform has a store knows how often that is asked before it is.
        asked = {"profile": profile, "platform": "functiongraph"}
        with counting() as tally:
            manifest = await perform(source, f"{s3_address}/out", proxied, asked)

        went = [
            it
            for it in proxy.asked
            if not it.operation.startswith("DELETE")
            and (it.operation, it.path[-7:]) != ("GET", "/in.mp4")
        ]
        sent = sum(
            size
            for asked, size in proxy.sent
            if asked.path.endswith("/in.mp4") and asked.operation == "GET"
        )
    (attempt,) = (a for task in manifest.tasks for a in task.attempts)
    assert manifest.media is not None
    assert attempt.measured is not None
    counted = (attempt.measured.read_bytes or 0) + (manifest.media.probe_bytes or 0)
    assert clip.stat().st_size <= counted <= sent
    requests = attempt.measured.store
    assert requests is not None
    assert requests.counted
    pages = [] if manifest.page is None else [manifest.page]
    assert (profile == "hls") == bool(pages)
    assert requests.puts == len(manifest.outputs) + len(pages)
    # So many were in the price, and those of a call that nobody had to start.
    foreseen = attempt.predicted.store
    assert foreseen is not None
    assert foreseen.puts == requests.puts + RECORDS.puts
    assert tally.puts + tally.gets == len(went)
    named = [(it.uri, it.bytes) for it in manifest.outputs]
    for uri, size in [*named, *[(it.uri, it.bytes) for it in pages]]:
        key = uri.removeprefix(f"{s3_address}/out/")
        async with bucket(f"{s3_address}/out", s3_settings) as store:
            assert (await store.head(key)).bytes == size


async def test_a_source_overwritten_while_working(
    s3_address: str, s3_settings: Settings, make_clip: MakeClip
) -> None:
    """What was planned for is read, or nothing is published."""
    clip = make_clip("in.mp4")
    other = make_clip("other.mp4", 3)
    source = await put(s3_address, s3_settings, clip, "in.mp4")

    def overwrite(event: object) -> None:
        if isinstance(event, Planned):
            _now(put, s3_address, s3_settings, other, "in.mp4")

    error = await fail(
        ObjectChanged, source, f"{s3_address}/out", s3_settings, listen=overwrite
    )

    assert "changed while it was being transcoded" in error.message
    assert error.exit_code == 4
    assert await left(s3_address, s3_settings) == []


async def test_a_source_deleted_while_working(
    s3_address: str, s3_settings: Settings, make_clip: MakeClip
) -> None:
    """Told apart from one that was never there."""
    source = await put(s3_address, s3_settings, make_clip("in.mp4"), "in.mp4")

    async def delete() -> None:
        async with bucket(s3_address, s3_settings) as store:
            await store.delete("in.mp4")

    def at_once(event: object) -> None:
        if isinstance(event, Planned):
            _now(delete)

    error = await fail(
        ObjectChanged, source, f"{s3_address}/out", s3_settings, listen=at_once
    )

    assert "deleted while it was being transcoded" in error.message
    assert error.exit_code == 4
    assert await left(s3_address, s3_settings) == []


def _now(call: Callable[..., Any], *args: Any) -> None:
    """From within a listener, which cannot wait: in a loop of its own."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            anyio.run(call, *args)
        except BaseException as exc:  # noqa: BLE001  raised again below
            failed.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


async def test_wrong_settings_are_said_before_anything_is_paid(
    s3_address: str,
    s3_settings: Settings,
    s3_reader: dict[str, str],
    make_clip: MakeClip,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Credentials, bucket, permission and endpoint: exit code 2, but for the last."""
    clip = make_clip("in.mp4")
    source = await put(s3_address, s3_settings, clip, "in.mp4")
    to = f"{s3_address}/out"

    missing = await fail(SourceNotFound, f"{s3_address}/none.mp4", to, s3_settings)
    assert "none.mp4" in missing.message
    no_bucket = await fail(
        DestinationUnwritable, str(clip), "s3://no-such-bucket/x", s3_settings
    )
    assert "bucket" in no_bucket.message
    down = s3_settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"})
    unreachable = await fail(StoreError, source, to, down)
    assert "cannot be reached" in unreachable.message
    for name, value in s3_reader.items():
        monkeypatch.setenv(name, value)
    denied = await fail(DestinationUnwritable, source, to, s3_settings)
    assert "Nothing can be written" in denied.message
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    wrong = await fail(SourceUnreadable, source, to, s3_settings)
    assert "may not be read" in wrong.message

    codes = [e.exit_code for e in (missing, no_bucket, denied, wrong, unreachable)]
    assert codes == [2, 2, 2, 2, 4]


async def test_a_store_that_fails_while_publishing(
    s3_address: str, s3_settings: Settings, make_clip: MakeClip, faults: ModuleType
) -> None:
    """Nothing half-made stays; the failure's manifest has the bill."""
    source = await put(s3_address, s3_settings, make_clip("in.mp4"), "in.mp4")
    async with faults.proxied(s3_settings.s3_endpoint_url) as proxy:
        proxied = s3_settings.model_copy(
            update={"s3_endpoint_url": f"http://{proxy.address}"}
        )
        proxy.plan = lambda asked: (
            faults.Fault.SLOW_DOWN
            if asked.operation == "PUT" and asked.path.endswith(".jpg")
            else None
        )

        error = await fail(StoreError, source, f"{s3_address}/out", proxied)

    assert error.manifest is not None
    assert error.manifest.cost.amount > 0
    assert await left(s3_address, s3_settings) == []


async def test_a_large_source_is_not_copied(
    s3_address: str, s3_settings: Settings, make_clip: MakeClip
) -> None:
    """60 MB: probed within its budget, and scratch holds results only."""
    raw = ("-c:v", "rawvideo", "-pix_fmt", "yuv420p")
    clip = make_clip("large.mkv", 2, size="1280x720", extra=raw)
    size = clip.stat().st_size
    assert size > 50 * 2**20
    source = await put(s3_address, s3_settings, clip, "large.mkv")

    manifest = await perform(source, f"{s3_address}/out", s3_settings)

    (attempt,) = (a for task in manifest.tasks for a in task.attempts)
    assert manifest.media is not None
    assert attempt.measured is not None
    assert 0 < (manifest.media.probe_bytes or 0) <= size // 100
    assert (attempt.measured.read_bytes or 0) >= size * 0.9
    assert (attempt.measured.scratch_bytes or size) < size / 20
