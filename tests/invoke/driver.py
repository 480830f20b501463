"""A small parent that runs one attempt and says so, to be killed by a test."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from transcode.contract import Progress, Task
from transcode.invoke.local.engine import LocalEngine
from transcode.invoke.observer import AttemptObserver
from transcode.platforms.platform import Machine, Platform, parse_platform
from transcode.settings import Settings


class Saying(AttemptObserver):
    """Says on standard output that it works."""

    def progressed(self, progress: Progress) -> None:
        sys.stdout.write("working\n")
        sys.stdout.flush()


async def main(platform: Platform) -> None:
    scratch, staging, cgroup_root, *worker = sys.argv[2:]
    engine = LocalEngine(
        Machine(milli_cpus=2000, memory_mib=4096, scratch_mib=1000),
        platform,
        Settings(scratch=scratch),
        worker=worker,
        cgroup_root=Path(cgroup_root),
    )
    async with engine:
        with engine.guard(Path(staging).with_name("guarded")):
            await engine.attempt(
                Task.from_json(sys.stdin.readline()),
                number=1,
                staging=Path(staging),
                observer=Saying(),
            )


anyio.run(
    main, parse_platform(Path(sys.argv[1]).read_text(encoding="utf-8"), origin="given")
)
