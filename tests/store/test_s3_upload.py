"""Segments leave for S3 while others are made, and are seen with the manifest only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from tests.conftest import manifest_of
from transcode.settings import Settings
from transcode.store.destination import Destination, provenance
from transcode.store.open import bucket, destination

pytestmark = pytest.mark.anyio

MARKS = provenance("0" * 32, "hls")
MANIFEST = manifest_of()


@dataclass
class Watched:
    """A destination behind a proxy that tells of each upload."""

    target: Destination
    address: str
    settings: Settings
    puts: list[str] = field(default_factory=list)
    awaited: str = ""
    came: anyio.Event = field(default_factory=anyio.Event)

    async def pause(self, asked: Any) -> None:
        name = asked.path.rpartition("/")[2]
        if asked.operation != "PUT":
            return
        self.puts.append(name)
        if name == self.awaited:
            self.came.set()

    async def content(self) -> dict[str, bytes]:
        """Everything a reader could find, but for the manifest."""
        async with bucket(f"{self.address}/job", self.settings) as store:
            return {
                entry.key: (await store.read(entry.key))[0]
                async for entry in store.entries()
                if entry.key != "manifest.json"
            }


@pytest.fixture
async def watched(
    s3_address: str, s3_settings: Settings, faults: ModuleType, anyio_backend: str
) -> AsyncIterator[Watched]:
    assert anyio_backend
    async with faults.proxied(s3_settings.s3_endpoint_url) as proxy:
        proxied = s3_settings.model_copy(
            update={"s3_endpoint_url": f"http://{proxy.address}"}
        )
        found = Watched(destination(s3_address, proxied), s3_address, s3_settings)
        proxy.pause = found.pause
        yield found


async def work(watched: Watched, staging: Path) -> Path:
    """A worker that makes three segments; returns when the second has left."""
    folder = staging / "encode.1" / "video"
    await anyio.Path(folder).mkdir(parents=True)
    watched.awaited = "00002.m4s"
    async with watched.target.sending("job", staging, marks=MARKS):
        for number in (1, 2, 3):
            path = anyio.Path(folder / f"0000{number}.m4s")
            await path.write_bytes(f"{number}".encode())
        await anyio.Path(folder / "init.mp4").write_bytes(b"init")
        with anyio.fail_after(30):
            await watched.came.wait()
    return staging / "encode.1"


async def test_segments_leave_while_others_are_made(watched: Watched) -> None:
    """What has a successor left before the end, and nothing else; none is visible."""
    staging = await watched.target.prepare("job")
    watched.puts.clear()
    folder = await work(watched, staging)

    assert {"00001.m4s", "00002.m4s"} == set(watched.puts)
    assert await watched.target.find("job") is None
    await watched.target.publish("job", folder, MANIFEST)
    await watched.target.discard(staging)

    assert watched.puts.count("00001.m4s") == 1
    assert await watched.target.find("job") == MANIFEST
    assert await watched.content() == {
        "0001/video/00001.m4s": b"1",
        "0001/video/00002.m4s": b"2",
        "0001/video/00003.m4s": b"3",
        "0001/video/init.mp4": b"init",
    }


async def test_what_changed_after_it_left_is_sent_again(watched: Watched) -> None:
    """And what is no part of the result is removed: another attempt made it."""
    staging = await watched.target.prepare("job")
    folder = await work(watched, staging)
    await anyio.Path(folder / "video/00001.m4s").write_bytes(b"anew")
    await anyio.Path(folder / "video/00002.m4s").unlink()

    await watched.target.publish("job", folder, MANIFEST)
    await watched.target.discard(staging)

    assert await watched.content() == {
        "0001/video/00001.m4s": b"anew",
        "0001/video/00003.m4s": b"3",
        "0001/video/init.mp4": b"init",
    }


async def test_what_left_for_nothing_is_removed(watched: Watched) -> None:
    """A job that failed leaves nothing."""
    staging = await watched.target.prepare("job")
    await work(watched, staging)

    await watched.target.discard(staging)

    assert await watched.content() == {}


async def test_an_error_of_the_work_comes_out_as_itself(watched: Watched) -> None:
    """Not in a group of one."""
    staging = await watched.target.prepare("job")

    with pytest.raises(ArithmeticError):
        async with watched.target.sending("job", staging, marks=MARKS):
            raise ArithmeticError
    await watched.target.discard(staging)
