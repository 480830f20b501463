"""Transcode video on elastic functions, each invocation in a spec chosen for it."""

from __future__ import annotations

__version__ = "0.1.0"
