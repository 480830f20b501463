"""What this machine has: cores, memory and free scratch, limits of our own groups
included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .platform import Machine

_OWN_BYTES = 128 * 2**20
"""Of a limit that we share with our workers, for this process: 100 MiB with S3's client
loaded, measured, and some to grow."""
_ROOT = Path("/")


def this_machine(scratch: Path) -> Machine:
    """Read it from the kernel; `scratch` is the folder whose free space counts."""
    free, whole = scratch_mib(scratch)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        milli_cpus=min(
            [len(os.sched_getaffinity(0)) * 1000, *_given(milli_cpus_allowed())]
        ),
        memory_mib=memory_for_work(total, memory_bytes_allowed()) // 2**20,
        scratch_mib=free,
        scratch_total_mib=whole,
    )


def scratch_mib(scratch: Path) -> tuple[int, int]:
    """MiB that are free to us where *scratch* lies, now, and how large the disk is."""
    space = os.statvfs(scratch)
    free, whole = space.f_bavail, space.f_blocks
    return free * space.f_frsize // 2**20, whole * space.f_frsize // 2**20


def memory_for_work(total: int, allowed: int | None) -> int:
    """
    Bytes that attempts can have of a machine's *total*, where our own control group
    and those above it are *allowed* so much: this process lives in there, too.
    """
    if allowed is None or allowed >= total:
        return total
    return max(allowed - _OWN_BYTES, allowed // 2)


def memory_bytes_allowed(root: Path = _ROOT) -> int | None:
    """
    The least limit of our control group and all above it; None where there is none.

    Version 2: `memory.max` and `memory.high`, beyond which a group hardly moves;
    version 1: `memory.limit_in_bytes`, which says 2^63 less a page for none.
    """
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    found = [
        int(text)
        for folder in _own_folders("memory", root)
        for name in names
        if (text := _read(folder / name).strip()).isdecimal() and int(text) > 0
    ]
    return min(found, default=None)


def milli_cpus_allowed(root: Path = _ROOT) -> int | None:
    """The least quota of our control group and all above it, in milli-CPUs."""
    found = []
    for folder in _own_folders("cpu", root):
        quota = _read(folder / "cpu.max").split() or [
            _read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")
        ]
        if len(quota) == 2 and all(one.isdecimal() for one in quota):  # noqa: PLR2004
            most, period = map(int, quota)
            if period > 0:
                found.append(max(1, most * 1000 // period))
    return min(found, default=None)


def _given(value: int | None) -> tuple[int, ...]:
    return () if value is None else (value,)


def _own_folders(controller: str, root: Path) -> Iterator[Path]:
    """Our own group's folder and all above it, as far as they are mounted here."""
    groups: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        groups.update(dict.fromkeys(names.split(","), path))
    for kind, options, top, place in _mounts(root):
        name = "" if kind == "cgroup2" else controller
        if kind == "cgroup2" or (kind == "cgroup" and controller in options):
            folder = root / place.strip("/")
            yield folder
            for part in _below(groups.get(name, "/"), top):
                folder /= part
                yield folder


def _below(group: str, top: str) -> tuple[str, ...]:
    """The way from a mount, whose own root in the hierarchy is *top*, to our group."""
    # In a container the file may name the host's path: what is mounted is ours then.
    try:
        parts = PurePosixPath(group).relative_to(top).parts
    except ValueError:
        return ()
    return () if ".." in parts else parts


def _mounts(root: Path) -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    """Type, options, root and place of each mount; see proc(5), mountinfo."""
    for line in _read(root / "proc/self/mountinfo").splitlines():
        mount, _, file_system = line.partition(" - ")
        fields, what = mount.split(" "), file_system.split(" ")
        if len(fields) > 5 and len(what) > 2:  # noqa: PLR2004
            yield what[0], tuple(what[2].split(",")), fields[3], fields[4]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
