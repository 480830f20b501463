"""HTTP: events and submissions in, jobs done in the same process, metrics out."""

from __future__ import annotations

from .server import serve

__all__ = ["serve"]
