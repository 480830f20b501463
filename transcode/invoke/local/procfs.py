"""What /proc tells about one session's processes, where there is no control group."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_SESSION, _UTIME, _CSTIME, _EXIT_CODE = 3, 11, 15, 49
"""Positions in /proc/<pid>/stat counted after the command's name; proc(5)."""


class Tree:
    """
    Every process of the session that `leader` leads, orphans included.

    Told apart by session and not by parent: a child whose parent died belongs to init.
    What left the session by itself (`setsid`) is not seen.
    """

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self._cpu_seconds = 0.0

    def pids(self) -> frozenset[int]:
        """Everything alive in the session; a zombie is not."""
        return frozenset(pid for pid, state, _ in self._members() if state not in "ZX")

    def cpu_seconds(self) -> float:
        """
        The most CPU time seen so far: of the living and the children they waited for.

        Ask often and once more before the leader is reaped: an orphan's time is lost
        with it, so that this is a lower bound.
        """
        now = sum(seconds for _, _, seconds in self._members())
        self._cpu_seconds = max(self._cpu_seconds, now)
        return self._cpu_seconds

    def anonymous_bytes(self) -> int:
        """Anonymous and shared memory in use now; pages shared by two count twice."""
        total = 0
        for pid in self.pids():
            for line in _text(_PROC / str(pid) / "status").splitlines():
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) * 1024
        return total

    def moved_bytes(self) -> tuple[int, int] | None:
        """
        Bytes read and written by the leader and the children it waited for.

        As system calls count them, pipes included; readable until it is reaped.
        """
        fields = dict(
            line.split(": ", 1)
            for line in _text(_PROC / str(self.leader) / "io").splitlines()
        )
        if "rchar" not in fields or "wchar" not in fields:
            return None
        return int(fields["rchar"]), int(fields["wchar"])

    def kill(self) -> bool:
        """SIGKILL everything in the session; True once nothing is left."""
        left = self.pids()
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def _members(self) -> list[tuple[int, str, float]]:
        members = []
        for entry in _PROC.iterdir():
            if not entry.name.isdigit():
                continue
            # The command's name may hold spaces and brackets: the last one closes it.
            fields = _text(entry / "stat").rpartition(")")[2].split()
            if len(fields) > _CSTIME and int(fields[_SESSION]) == self.leader:
                ticks = sum(int(field) for field in fields[_UTIME:_CSTIME])
                members.append((int(entry.name), fields[0], ticks / _TICKS))
        return members


def exit_code(pid: int) -> int | None:
    """
    Of a zombie, whoever its parent is: its status, or less than 0 the signal that ended
    it; None where it was reaped.
    """
    fields = _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    if len(fields) <= _EXIT_CODE:
        return None
    return os.waitstatus_to_exitcode(int(fields[_EXIT_CODE]))


def _text(path: Path) -> str:
    # Gone between listing and reading is ordinary here.
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
