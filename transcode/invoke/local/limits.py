"""What one attempt is confined in: a control group, or the next best thing."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import cgroup
from .procfs import Tree

if TYPE_CHECKING:
    # `early` is to stay light.
    from ...contract import Spec
    from ...platforms.platform import Machine

MIB = 2**20
_MOST_TASKS = 4096
"""Processes and threads of one attempt: six renditions on 128 cores take a third."""
_DATA_SLACK = 256 * MIB


@dataclass(frozen=True, slots=True)
class Reading:
    """What the kernel says has been used up to now."""

    cpu_seconds: float
    anonymous_bytes: int
    out_of_memory: bool
    """The kernel killed something for memory, or the watched limit was passed."""


class ProcessLimits:
    """
    Limits and counters of one worker process and everything it starts.

    Memory and CPU are held by cgroup v1 or v2 where the process may; otherwise memory
    is watched (every sample, the tree is killed when it is over) behind a loose
    RLIMIT_DATA, and CPU is held by affinity to whole cores.
    """

    def __init__(self, pid: int, name: str, *, root: Path) -> None:
        self.tree = Tree(pid)
        self.group = cgroup.Group.create(name, root=root)
        if self.group is not None and not self.group.add(pid):
            self.group.remove()
            self.group = None
        if self.group is not None:
            # Nothing that an upload persuades of it takes the machine's numbers.
            self.group.limit_tasks(_MOST_TASKS)
        self._watched_bytes: int | None = None

    @property
    def directories(self) -> tuple[Path, ...]:
        """The control group's directories; none without one."""
        return () if self.group is None else self.group.directories

    def limit(
        self,
        spec: Spec,
        machine: Machine,
        *,
        throttled: bool,
        turn: int,
        kept_mib: int = 0,
    ) -> Mapping[str, str]:
        """
        Hold the box to `spec`; says what holds what.

        `machine`: the spec is no less than the machine, so nothing needs holding.
        `unthrottled`: the platform holds no CPU down. `none`: nothing holds it.
        `turn` spreads attempts over cores where affinity holds them. `kept_mib` of
        the memory are not the attempt's, at most half of it.
        """
        cpu = self._limit_cpu(spec, machine, turn=turn) if throttled else "unthrottled"
        return {
            "memory": self._limit_memory(spec, machine, kept_mib),
            "cpu": cpu,
            "time": "none" if spec.time_limit_seconds is None else "engine",
        }

    def _limit_memory(self, spec: Spec, machine: Machine, kept_mib: int) -> str:
        limit = max(spec.memory_mib - kept_mib, spec.memory_mib // 2) * MIB
        if spec.memory_mib >= machine.memory_mib and not kept_mib:
            return "machine"
        if self.group is not None and self.group.limit_memory(limit):
            return self.group.version
        self._watched_bytes = limit
        # Per process and in address space: thread stacks and malloc arenas count
        # before they are touched. So it is loose, and only stops a runaway that is
        # faster than the samples.
        loose = 2 * limit + _DATA_SLACK
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self.tree.leader, resource.RLIMIT_DATA, (loose, loose))
        return "watch+rlimit"

    def _limit_cpu(self, spec: Spec, machine: Machine, *, turn: int) -> str:
        if spec.milli_cpus >= machine.milli_cpus:
            return "machine"
        if self.group is not None and self.group.limit_cpu(spec.milli_cpus):
            return self.group.version
        cores = sorted(os.sched_getaffinity(0))
        wanted = -(-spec.milli_cpus // 1000)
        if wanted >= len(cores):
            return "none"
        first = turn * wanted
        held = {cores[(first + offset) % len(cores)] for offset in range(wanted)}
        for pid in self.tree.pids():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(pid, held)
        return "affinity"

    def read(self) -> Reading:
        """Counters and verdict as of now; cheap enough for twenty times a second."""
        group = self.group
        cpu = None if group is None else group.cpu_seconds()
        anonymous = None if group is None else group.anonymous_bytes()
        if anonymous is None:
            anonymous = self.tree.anonymous_bytes()
        over = self._watched_bytes is not None and anonymous > self._watched_bytes
        return Reading(
            cpu_seconds=self.tree.cpu_seconds() if cpu is None else cpu,
            anonymous_bytes=anonymous,
            out_of_memory=over or (group is not None and group.oom_kills() > 0),
        )

    def kill(self) -> bool:
        """SIGKILL everything inside; True once nothing is left."""
        return self.tree.kill() if self.group is None else self.group.kill()

    def remove(self) -> bool:
        """Remove the control group; False while something still runs inside."""
        return self.group is None or self.group.remove()
