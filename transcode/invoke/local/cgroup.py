"""One control group per attempt, on cgroup v1 and v2 alike."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

Version = Literal["cgroup-v1", "cgroup-v2"]

ROOT = Path("/sys/fs/cgroup")
PREFIX = "transcode-"
_PERIOD_US = 100_000
"""The kernel's default CFS period; a quota may not be below 1000 µs of it."""
_V1 = ("memory", "cpu", "cpuacct", "pids")


class Group:
    """
    What the kernel lets us create, for whatever controllers it lets us.

    A v1 machine has one directory per controller and may grant some of them only; v2
    has one for all. Every method answers for the controllers that are there; what is
    not there is `None` or False, never a guess.
    """

    def __init__(self, version: Version, directories: Mapping[str, Path]) -> None:
        self.version: Version = version
        self._directories = dict(directories)

    @classmethod
    def create(cls, name: str, *, root: Path = ROOT) -> Self | None:
        """
        A new, unlimited group `transcode-<pid>-<name>`; None where none may be made.

        It lies inside our own group, so that limits already set on us go on holding.
        """
        leaf = f"{PREFIX}{os.getpid()}-{name}"
        own = _own_groups()
        if (root / "cgroup.controllers").exists():
            return cls._create_v2(leaf, root=root, own=own.get("", "/"))
        directories: dict[str, Path] = {}
        for controller in _V1:
            parent = _existing(root / controller, own.get(controller, "/"))
            if parent is None:
                continue
            place = parent.resolve() / leaf
            # cpu and cpuacct are often one hierarchy, mounted once.
            if place in directories.values() or _mkdir(place):
                directories[controller] = place
        group = cls("cgroup-v1", directories)
        return group if group._usable() else None

    @classmethod
    def _create_v2(cls, leaf: str, *, root: Path, own: str) -> Self | None:
        # A group that holds processes may not delegate (EBUSY), save the real root.
        # Its siblings' parent usually delegates already (systemd does).
        here = _existing(root, own)
        parents = () if here is None else (here, here.parent, root)
        for parent in parents:
            if not parent.is_relative_to(root):
                continue
            for controller in ("memory", "cpu", "pids"):
                _write(parent / "cgroup.subtree_control", f"+{controller}")
            granted = _read(parent / "cgroup.subtree_control").split()
            if "memory" not in granted or not _mkdir(parent / leaf):
                continue
            # CPU time is counted in every v2 group, controller or not.
            roles = [*granted, "cpuacct"]
            group = cls("cgroup-v2", dict.fromkeys(roles, parent / leaf))
            if group._usable():
                return group
        return None

    def _usable(self) -> bool:
        if self._directories and all(
            os.access(path / "cgroup.procs", os.W_OK) for path in self.directories
        ):
            return True
        self.remove()
        return False

    @property
    def directories(self) -> tuple[Path, ...]:
        """Every directory of the group, each once."""
        return tuple(dict.fromkeys(self._directories.values()))

    def add(self, pid: int) -> bool:
        """Put a process in, its future children with it; False where refused."""
        done = [_write(d / "cgroup.procs", str(pid)) for d in self.directories]
        return all(done)

    def limit_memory(self, limit_bytes: int) -> bool:
        """
        Hold everything in the group under `limit_bytes`, swap included.

        False where the kernel will not: no controller, or more is in use already.
        """
        where = self._directories.get("memory")
        if where is None:
            return False
        if self.version == "cgroup-v2":
            _write(where / "memory.swap.max", "0")
            _write(where / "memory.oom.group", "1")
            return _write(where / "memory.max", str(limit_bytes))
        held = _write(where / "memory.limit_in_bytes", str(limit_bytes))
        # Only where swap is accounted; must not be below the limit set just now.
        _write(where / "memory.memsw.limit_in_bytes", str(limit_bytes))
        return held

    def limit_tasks(self, count: int) -> bool:
        """Hold processes and threads in the group to *count*; False as above."""
        where = self._directories.get("pids")
        return where is not None and _write(where / "pids.max", str(count))

    def limit_cpu(self, milli_cpus: int) -> bool:
        """Throttle the group to that many thousandths of one CPU."""
        where = self._directories.get("cpu")
        if where is None:
            return False
        quota = milli_cpus * _PERIOD_US // 1000
        if self.version == "cgroup-v2":
            return _write(where / "cpu.max", f"{quota} {_PERIOD_US}")
        return _write(where / "cpu.cfs_period_us", str(_PERIOD_US)) and _write(
            where / "cpu.cfs_quota_us", str(quota)
        )

    def cpu_seconds(self) -> float | None:
        """CPU time of everything that ever ran in the group, dead children included."""
        where = self._directories.get("cpuacct")
        if where is None:
            return None
        if self.version == "cgroup-v2":
            usage = _fields(where / "cpu.stat").get("usage_usec")
            return None if usage is None else usage / 1e6
        text = _read(where / "cpuacct.usage").strip()
        return int(text) / 1e9 if text.isdigit() else None

    def anonymous_bytes(self) -> int | None:
        """
        Anonymous and shared memory in use now.

        Not the group's `max_usage_in_bytes`: that counts page cache, which a limit
        squeezes out before it kills, so it always reaches the limit on large files.
        """
        where = self._directories.get("memory")
        if where is None:
            return None
        fields = _fields(where / "memory.stat")
        names = (
            ("anon", "shmem")
            if self.version == "cgroup-v2"
            else ("total_rss", "total_shmem")
        )
        found = [fields[name] for name in names if name in fields]
        return sum(found) if found else None

    def oom_kills(self) -> int:
        """How many processes in the group the kernel killed for memory."""
        where = self._directories.get("memory")
        if where is None:
            return 0
        name = "events" if self.version == "cgroup-v2" else "oom_control"
        return _fields(where / f"memory.{name}").get("oom_kill", 0)

    def pids(self) -> frozenset[int]:
        """Everything alive in the group."""
        texts = (_read(path / "cgroup.procs") for path in self.directories)
        return frozenset(int(pid) for text in texts for pid in text.split())

    def kill(self) -> bool:
        """SIGKILL everything in the group; True once nothing is left."""
        if self.version == "cgroup-v2":
            for path in self.directories:
                _write(path / "cgroup.kill", "1")
        left = self.pids()
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def remove(self) -> bool:
        """Remove the directories; False while something still runs inside."""
        done = [_rmdir(path) for path in self.directories]
        return all(done)


def sweep(*, root: Path = ROOT) -> tuple[Path, ...]:
    """Remove empty groups whose owner is dead; says which."""
    own = _own_groups()
    homes = [root, *(root / name for name in _V1)]
    homes += [root / name / own.get(name, "/").strip("/") for name in (*_V1, "")]
    found = {path.resolve() for home in homes for path in home.glob(f"{PREFIX}*")}
    gone = []
    for path in sorted(found):
        owner = path.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists() and _rmdir(path):
            gone.append(path)
    return tuple(gone)


def _own_groups() -> dict[str, str]:
    """Controller → our own group's path; the v2 hierarchy under the empty name."""
    groups: dict[str, str] = {}
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    return groups


def _existing(mount: Path, path: str) -> Path | None:
    # In a container the file may name the host's path, which is not mounted here.
    inside = mount / path.strip("/")
    if inside.is_dir():
        return inside
    return mount if mount.is_dir() else None


def _mkdir(path: Path) -> bool:
    try:
        path.mkdir()
    except OSError:
        return False
    return True


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write(path: Path, text: str) -> bool:
    # Without O_CREAT: in a folder that is no cgroup this must fail, not make a file.
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, text.encode("ascii"))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _fields(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in _read(path).splitlines())
    return {
        pair[0]: int(pair[1])
        for pair in pairs
        if len(pair) == 2 and pair[1].isdigit()  # noqa: PLR2004
    }
