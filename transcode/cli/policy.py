"""Which spec a past task would have been given."""

from __future__ import annotations

from typing import Literal, NamedTuple

Optimize = Literal["cost", "time", "balanced"]


class Policy(NamedTuple):
    """Which spec a task would have been given."""

    kind: Literal["same", "fixed", "choose"]
    memory_mib: int = 0
    optimize: Optimize = "balanced"
