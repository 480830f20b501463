"""What a worker gives up when its children are done: what is left reads results."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from .fence import Fence, Permissions, shortfall

_WHO = "the process that reads back what was made"


def seal(folders: Sequence[Path]) -> tuple[str, ...]:
    """
    Keep *folders* and the libraries; no address, socket, program or other file.

    For good, so that only a process that ends with its task may call it, in its one
    thread. Raises nothing; answers sentences on what this kernel does not hold.
    """
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208  names alone
        # Landlock and filters bind the calling thread and those it starts.
        return (f"Nothing confined {_WHO}: another thread of it is running.",)
    standard = sysconfig.get_path("stdlib")
    # Modules that are first used from here on are still to be read.
    code = {standard, str(Path(__file__).parents[1]), *filter(os.path.isabs, sys.path)}
    may = Permissions(reads=(*code,), writes=tuple(map(str, folders)), watched=True)
    with Fence(may) as fence:
        return shortfall(fence.enter(), _WHO)
