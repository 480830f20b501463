"""Two tries at one job, each held up at any point: results never mix."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from types import ModuleType
from typing import Any

import anyio
import pytest

from tests.conftest import manifest_of
from transcode.contract import (
    Manifest,
    Output,
)
from transcode.errors import ObjectExists
from transcode.settings import Settings
from transcode.store.destination import Destination
from transcode.store.open import bucket, destination
from transcode.store.staging import staged

pytestmark = pytest.mark.anyio

FILES = ("a.m4s", "b.m4s")


class Publisher:
    """One try, whose requests can be held up."""

    target: Destination

    def __init__(self, settings: Settings, proxy: Any, token: str, stop: int) -> None:
        self.settings = settings
        self.proxy = proxy
        self.token = token
        self.stop = stop
        """How many requests of publishing pass before it is held up."""
        self.stopped = anyio.Event()
        self.go_on = anyio.Event()
        self.ended = anyio.Event()
        self.lost = False
        self.begun = False
        proxy.pause = self._pause

    async def publish(self, folder: str) -> None:
        self.begun = True
        self.stop += len(self.proxy.asked)
        place = self.target.place(folder, "encode.1", token=self.token)
        try:
            async with staged(place, self.settings, marks={}) as files:
                for name in FILES:
                    path = anyio.Path(files.folder / name)
                    await path.write_text(f"{name} of {self.token}")
                await files.keep()
            await self.target.publish(
                folder,
                self._manifest(folder),
                made=["encode.1"],
                token=self.token,
            )
        except ObjectExists:
            self.lost = True
        await self.target.discard(folder, token=self.token)
        self.stopped.set()
        self.ended.set()

    async def _pause(self, asked: Any) -> None:
        if self.begun and asked.number == self.stop:
            self.stopped.set()
            await self.go_on.wait()

    def _manifest(self, folder: str) -> Manifest:
        return manifest_of(
            outputs=tuple(
                Output(
                    uri=self.target.uri(
                        folder, name, name="encode.1", token=self.token
                    ),
                    kind="segment",
                    made_by="encoded",
                    bytes=len(f"{name} of {self.token}"),
                    sha256=hashlib.sha256(
                        f"{name} of {self.token}".encode()
                    ).hexdigest(),
                )
                for name in FILES
            )
        )


@pytest.mark.parametrize("first_stops", range(4))
@pytest.mark.parametrize("second_stops", [0, 2])
async def test_two_tries_never_mix(
    first_stops: int,
    second_stops: int,
    s3_address: str,
    s3_settings: Settings,
    faults: ModuleType,
) -> None:
    """
    The first is held up at one request, the second at another; then the first goes
    on. The manifest has the checksums of what it names, and the loser's are gone.
    """
    async with AsyncExitStack() as stack:
        tries = []
        for token, stop in (("0001", first_stops), ("0002", second_stops)):
            proxy = await stack.enter_async_context(
                faults.proxied(s3_settings.s3_endpoint_url)
            )
            settings = s3_settings.model_copy(
                update={"s3_endpoint_url": f"http://{proxy.address}"}
            )
            one = Publisher(settings, proxy, token, stop)
            one.target = destination(s3_address, settings)
            tries.append(one)
        async with anyio.create_task_group() as group:
            for one in tries:
                await one.target.prepare("job", token=one.token)
                group.start_soon(one.publish, "job")
                await one.stopped.wait()
            for one in tries:
                one.go_on.set()
                await one.ended.wait()

    manifest = await destination(s3_address, s3_settings).find("job")
    assert manifest is not None
    async with bucket(s3_address, s3_settings) as store:
        seen = {
            store.uri(entry.key): hashlib.sha256(
                (await store.read(entry.key))[0]
            ).hexdigest()
            async for entry in store.entries("job/")
            if not entry.key.endswith("manifest.json")
        }
    assert {out.uri: out.sha256 for out in manifest.outputs} == seen
    assert sorted(one.lost for one in tries) == [False, True]
