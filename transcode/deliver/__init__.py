"""Results and bill → destination: the manifest last, and only after verification."""

from __future__ import annotations

from .manifest import failed, succeeded
from .naming import folder_name

__all__ = ["failed", "folder_name", "succeeded"]
