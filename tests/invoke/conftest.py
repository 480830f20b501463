"""A task that costs nothing to describe, an engine whose worker is a script."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import (
    FilePackaging,
    Interval,
    Media,
    Money,
    Recipe,
    Source,
    Spec,
    Task,
    Usage,
)
from transcode.invoke.local.cgroup import ROOT, Group
from transcode.invoke.local.engine import LocalEngine
from transcode.platforms.platform import Machine, Platform, parse_platform
from transcode.settings import Settings

MISBEHAVE = Path(__file__).with_name("misbehave.py")
PLATFORMS = Path(__file__).resolve().parents[2] / "profiles" / "platforms"
MACHINE = Machine(milli_cpus=2000, memory_mib=4096, scratch_mib=1000)


@pytest.fixture
def anyio_backend() -> str:
    """The command line runs on asyncio; so do its tests."""
    return "asyncio"


@pytest.fixture(scope="session")
def platform() -> Platform:
    """One that throttles."""
    path = PLATFORMS / "functiongraph.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


def made(
    memory_mib: int = 512,
    milli_cpus: int = 1000,
    uri: str = "in.mp4",
    **spec: Any,
) -> Task:
    """A task in a given spec, of a source."""
    return Task(
        task_id=spec.pop("task_id", "t1"),
        job_id="0" * 32,
        source=Source(uri=uri, bytes=1, etag=None, location="/in.mp4"),
        media=Media(container="mp4", format_name="mov", duration_seconds=2.0),
        recipe=Recipe(video_index=None, packaging=FilePackaging(files=())),
        spec=Spec(memory_mib=memory_mib, milli_cpus=milli_cpus, **spec),
        predicted=Usage(wall_seconds=1.0, cpu_seconds=1.0, peak_memory_bytes=1),
        predicted_wall=Interval(low=0.5, high=2.0),
        predicted_cost=Money(amount=Decimal("0.001"), currency="CNY"),
    )


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Task]:
    """`made`."""
    return made


@pytest.fixture
def make_engine(tmp_path: Path, platform: Platform) -> Callable[..., LocalEngine]:
    """An engine whose worker does what is asked of `misbehave.py`."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def make(
        what: str,
        *,
        cgroup_root: Path = ROOT,
        machine: Machine = MACHINE,
        kept_mib: int = 0,
    ) -> LocalEngine:
        return LocalEngine(
            machine,
            platform,
            Settings(scratch=str(scratch)),
            worker=(sys.executable, "-S", str(MISBEHAVE), what),
            cgroup_root=cgroup_root,
            kept_mib=kept_mib,
        )

    return make


@pytest.fixture
def cgroups() -> None:
    """Needs control groups that may be made; skips where the process may not."""
    group = Group.create("permitted")
    limited = group is not None and group.limit_memory(2**30) and group.limit_cpu(1000)
    if group is not None:
        group.remove()
    if not limited:
        pytest.skip("no control group may be made here: needs root or a delegation")


@pytest.fixture
def no_cgroups(tmp_path: Path) -> Path:
    """A root under which no control group can be made, as for an ordinary user."""
    root = tmp_path / "no-cgroups"
    for controller in ("memory", "cpu", "cpuacct"):
        (root / controller).mkdir(parents=True)
    return root


@pytest.fixture
def left_alive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], set[int]]:
    """
    Every process that stems from this test, whoever its parent is now.

    Told by a mark in the environment, which children inherit and cannot lose by
    accident.
    """
    marked = f"{os.environ['PATH']}:{tmp_path}"
    monkeypatch.setenv("PATH", marked)
    mark = f"PATH={marked}".encode()

    def found() -> set[int]:
        pids = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    pids.add(int(entry.name))
        return pids

    return found
