"""The command that measures: `bench`, with one file for each question."""

# ruff: noqa: F401, I001 - imported to be registered, in the order that --help has

from __future__ import annotations

from . import throughput
from . import overhead
from . import peers
from . import quality
from . import chunks
from . import accuracy
from . import frontier
from . import simulate
from .registry import bench

__all__ = ["bench"]
