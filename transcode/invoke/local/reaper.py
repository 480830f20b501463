"""Cleaning up after a process that had no chance to: kill -9, power, a bug."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_LOCK = ".owner"

# Told by lines on stdin: what to end (`session PID`, `group DIRECTORY`) and what to
# remove (`remove PATH`; `vanish PATH`: again a while later, as somebody else may still
# write there), `forget LINE`, and `done` on a normal end. End of file without
# `done` means that the parent is dead: then it acts. A shell, because it starts in a
# millisecond and needs half a megabyte, and this one lives as long as the engine.
_SCRIPT = r"""
trap '' HUP INT TERM
while IFS= read -r line; do
  case $line in
    done) exit 0 ;;
    'forget '*)
      for known do
        shift
        [ "$known" = "${line#forget }" ] || set -- "$@" "$known"
      done ;;
    *) set -- "$@" "$line" ;;
  esac
done
tries=0
while [ "$tries" -lt 200 ]; do
  tries=$((tries + 1)) alive=
  for known do
    case $known in
      'session '*)
        # True of the dead too, until init takes note: not to be waited for for long.
        kill -9 "-${known#session }" 2>/dev/null && [ "$tries" -lt 10 ] && alive=1 ;;
      'group '*)
        [ -r "${known#group }/cgroup.procs" ] || continue
        while read -r pid; do
          alive=1
          kill -9 "$pid" 2>/dev/null
        done <"${known#group }/cgroup.procs" ;;
    esac
  done
  [ -n "$alive" ] || break
  sleep 0.02 || sleep 1
done
for known do
  case $known in
    'remove '*) rm -rf -- "${known#remove }" ;;
    'vanish '*)
      rm -rf -- "${known#vanish }"
      sleep 5
      rm -rf -- "${known#vanish }" ;;
    'group '*) [ ! -d "${known#group }" ] || rmdir "${known#group }" ;;
  esac
done
"""


_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Of our environment it gets nothing: it lives as long as we do, for all to read."""


class Reaper:
    """
    A shell in its own session that outlives us by as long as it takes to clean up.

    When this process dies without `close`, whatever the reason, the reaper kills the
    sessions and groups it knows and removes their directories and the paths it was
    told, within a fraction of a second. What it does not survive itself (the machine
    stops) is found by `sweep` at the next start.
    """

    def __init__(self) -> None:
        reader, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "transcode-reaper"],
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": _PATH},
                start_new_session=True,
            )
        finally:
            os.close(reader)

    def remove(self, path: Path) -> None:
        """Remove this file or folder if we die."""
        self._say(f"remove {path.absolute()}")

    def vanish(self, path: Path) -> None:
        """Likewise, and once more when whoever else writes there has ended, too."""
        self._say(f"vanish {path.absolute()}")

    def spare(self, path: Path) -> None:
        """It has gone, or is somebody else's to remove."""
        self._say(f"forget remove {path.absolute()}")

    def end(self, session: int, directories: Sequence[Path]) -> None:
        """If we die, end the processes of the session and what is in these groups."""
        for directory in directories:
            self._say(f"group {directory}")
        self._say(f"session {session}")

    def forget(self, session: int, directories: Sequence[Path]) -> None:
        """They have ended; their numbers and names may come to mean others."""
        self._say(f"forget session {session}")
        for directory in directories:
            self._say(f"forget group {directory}")

    def close(self) -> None:
        """A normal end: it does nothing more."""
        self._say("done")
        os.close(self._pipe)
        self._process.wait()

    def _say(self, line: str) -> None:
        # A path with a line break would be read as two orders. Ours have none; one of
        # a caller's is left to `sweep`.
        if "\n" in line:
            return
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, os.fsencode(f"{line}\n"))


class ScratchLock:
    """
    A new private folder that is ours as long as we live: a locked file says so.

    The kernel drops the lock when its holder dies, so that `sweep` can tell a folder
    in use from one left behind, whoever made it and whatever became of its pid.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        # Locked before it gets the name that `sweep` looks for.
        new = Path(tempfile.mkdtemp(prefix=f".new-{prefix}", dir=parent))
        self._lock = os.open(new / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = new.rename(new.with_name(new.name.removeprefix(".new-"))).absolute()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def sweep(parent: Path, prefix: str) -> tuple[Path, ...]:
    """Remove folders that a dead process claimed under `prefix`; says which."""
    gone = []
    for folder in sorted(parent.glob(f"{prefix}*")):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # not claimed by us, not ours to remove, or just removed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder)
        finally:
            os.close(lock)
    return tuple(gone)
