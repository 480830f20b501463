"""What this machine has: cores, memory and free scratch, container limits included."""

from __future__ import annotations

import os
from pathlib import Path

from .platform import Machine

_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
_QUOTAS = (
    ("/sys/fs/cgroup/cpu.max", None),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


def this_machine(scratch: Path) -> Machine:
    """Read it from the kernel; `scratch` is the folder whose free space counts."""
    space = os.statvfs(scratch)
    return Machine(
        milli_cpus=_milli_cpus(),
        memory_mib=_memory_bytes() // 2**20,
        scratch_mib=space.f_bavail * space.f_frsize // 2**20,
    )


def _milli_cpus() -> int:
    cores = len(os.sched_getaffinity(0)) * 1000
    for quota_file, period_file in _QUOTAS:
        quota = _read(quota_file).split()
        if period_file is not None:
            quota += _read(period_file).split()
        if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():  # noqa: PLR2004
            return min(cores, int(quota[0]) * 1000 // int(quota[1]))
    return cores


def _memory_bytes() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (_read(path).strip() for path in _LIMITS)
    return min([total, *(int(limit) for limit in limits if limit.isdigit())])


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""
