"""A small parent that runs one attempt and says so, to be killed by a test."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from transcode.contract import Task
from transcode.invoke.local import LocalEngine
from transcode.platforms import Machine, parse_platform
from transcode.settings import Settings


async def main() -> None:
    platform, scratch, staging, cgroup_root, *worker = sys.argv[1:]
    engine = LocalEngine(
        Machine(milli_cpus=2000, memory_mib=4096, scratch_mib=1000),
        parse_platform(Path(platform).read_text(encoding="utf-8"), origin=platform),
        Settings(scratch=scratch),
        worker=worker,
        cgroup_root=Path(cgroup_root),
    )
    async with engine:
        engine.guard(Path(staging).parent)
        await engine.attempt(
            Task.from_json(sys.stdin.readline()),
            number=1,
            staging=Path(staging),
            on_progress=lambda _progress: print("working", flush=True),
        )


anyio.run(main)
