"""The rig of all attacks, and the tasks of honest uploads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.conftest import MakeClip
from transcode.contract import Task
from transcode.pipeline import admit
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

from .rig import Rig, rigged


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def rig(
    make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory, ffmpeg: str
) -> Iterator[Rig]:
    clip = make_clip("bait", 1, "64x64", audio=False)
    with rigged(tmp_path_factory.mktemp("rig"), clip, ffmpeg) as rig:
        yield rig


@pytest.fixture(scope="session")
def honest(make_clip: MakeClip, ffmpeg: str) -> dict[str, Task]:
    """A planned `preview` task by the container that its upload has."""
    tasks = {}
    wiring = wire(Settings())
    for suffix in ("mp4", "ts", "avi"):
        clip = make_clip(f"honest.{suffix}", 1, "64x64")

        async def plan(path: Path = clip) -> Task:
            plan = await admit(Request(source=str(path), profile="preview"), wiring)
            return plan.tasks[0].task

        tasks[suffix] = anyio.run(plan)
    return tasks
