"""Results and bill → destination: the manifest last, and only after verification."""

from __future__ import annotations

from .announce import Announcer
from .manifest import Ending, Status, failed, refused, succeeded
from .naming import folder_name
from .notices import Notice, compose
from .senders import Senders, check
from .targets import Target, parse_target, parse_targets
from .tell import Patience, tell, told_digest

__all__ = [
    "Announcer",
    "Ending",
    "Notice",
    "Patience",
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
