"""Segments leave for S3 while others are made, and are seen with the manifest only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import anyio
import pytest

from tests.conftest import manifest_of
from transcode.settings import Settings
from transcode.store.destination import Destination, provenance
from transcode.store.open import bucket, destination
from transcode.store.staging import Staged, staged

pytestmark = pytest.mark.anyio

MARKS = provenance("0" * 32, "hls")
MANIFEST = manifest_of()


@dataclass
class Watched:
    """A destination behind a proxy that tells of each upload."""

    target: Destination
    address: str
    settings: Settings
    proxied: Settings
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
        found = Watched(
            destination(s3_address, proxied), s3_address, s3_settings, proxied
        )
        proxy.pause = found.pause
        yield found


@asynccontextmanager
async def work(watched: Watched) -> AsyncIterator[Staged]:
    """A worker that makes three segments; the block begins when the second has left."""
    place = watched.target.place("job", "encode.1")
    watched.puts.clear()
    async with staged(place, watched.proxied, marks=MARKS) as files:
        await _make(watched, files)
        yield files


async def _make(watched: Watched, files: Staged) -> None:
    folder = files.folder / "video"
    await anyio.Path(folder).mkdir(parents=True)
    watched.awaited = "00002.m4s"
    async with files.sending():
        for number in (1, 2, 3):
            path = anyio.Path(folder / f"0000{number}.m4s")
            await path.write_bytes(f"{number}".encode())
        await anyio.Path(folder / "init.mp4").write_bytes(b"init")
        with anyio.fail_after(30):
            await watched.came.wait()


async def test_segments_leave_while_others_are_made(watched: Watched) -> None:
    """What has a successor left before the end, and nothing else; none is visible."""
    async with work(watched) as files:
        assert {"00001.m4s", "00002.m4s"} == set(watched.puts)
        assert await watched.target.find("job") is None
        await files.keep()
    await watched.target.publish("job", MANIFEST, made=["encode.1"])
    await watched.target.discard("job")

    assert watched.puts.count("00001.m4s") == 1
    assert await watched.target.find("job") == MANIFEST
    assert await watched.content() == {
        "0001.encode.1/video/00001.m4s": b"1",
        "0001.encode.1/video/00002.m4s": b"2",
        "0001.encode.1/video/00003.m4s": b"3",
        "0001.encode.1/video/init.mp4": b"init",
    }


async def test_what_changed_after_it_left_is_sent_again(watched: Watched) -> None:
    """And what is no part of the result is removed: another attempt made it."""
    async with work(watched) as files:
        await anyio.Path(files.folder / "video/00001.m4s").write_bytes(b"anew")
        await anyio.Path(files.folder / "video/00002.m4s").unlink()
        await files.keep()

    assert await watched.content() == {
        "0001.encode.1/video/00001.m4s": b"anew",
        "0001.encode.1/video/00003.m4s": b"3",
        "0001.encode.1/video/init.mp4": b"init",
    }


async def test_what_left_for_nothing_is_removed(watched: Watched) -> None:
    """An attempt that failed leaves nothing."""
    async with work(watched):
        assert await watched.content() != {}

    assert await watched.content() == {}


async def test_what_was_kept_for_nothing_is_removed(watched: Watched) -> None:
    """A job that was never published leaves nothing."""
    async with work(watched) as files:
        await files.keep()
    assert await watched.content() != {}

    await watched.target.discard("job")

    assert await watched.content() == {}


async def test_an_error_of_the_work_comes_out_as_itself(watched: Watched) -> None:
    """Not in a group of one."""
    with pytest.raises(ArithmeticError):
        async with work(watched) as files, files.sending():
            raise ArithmeticError
