"""Results and bill → destination: the manifest last, and only after verification."""

from __future__ import annotations

from .layout import folder_name
from .manifest import RunEnding, Status, failed, refused, succeeded
from .message import Notice, compose
from .notify import Announcer, RetryClock, tell, told_digest
from .senders import Senders, check
from .targets import Target, parse_target, parse_targets

__all__ = [
    "Announcer",
    "Notice",
    "RetryClock",
    "RunEnding",
    "Senders",
    "Status",
    "Target",
    "check",
    "compose",
    "failed",
    "folder_name",
    "parse_target",
    "parse_targets",
    "refused",
    "succeeded",
    "tell",
    "told_digest",
]
