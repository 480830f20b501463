"""Results and bill → destination: the manifest last, and only after verification."""

from __future__ import annotations

from .manifest import Ending, Status, failed, refused, succeeded
from .naming import folder_name

__all__ = ["Ending", "Status", "failed", "folder_name", "refused", "succeeded"]
