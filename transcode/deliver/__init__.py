"""Results and bill → destination: the manifest last, and only after verification."""

from __future__ import annotations

from ..lazy import exports

TYPE_CHECKING = False  # as type checkers know it, without the price of `typing`
if TYPE_CHECKING:
    from .layout import folder_name
    from .manifest import RunEnding, Status, failed, refused, succeeded
    from .message import Notice, compose
    from .notify import Announcer, RetryClock, tell, told_digest
    from .senders import Senders, check
    from .targets import Target, parse_target, parse_targets

_HOMES = {
    "layout": ("folder_name",),
    "manifest": (
        "RunEnding",
        "Status",
        "failed",
        "refused",
        "succeeded",
    ),
    "message": (
        "Notice",
        "compose",
    ),
    "notify": (
        "Announcer",
        "RetryClock",
        "tell",
        "told_digest",
    ),
    "senders": (
        "Senders",
        "check",
    ),
    "targets": (
        "Target",
        "parse_target",
        "parse_targets",
    ),
}
"""Module → what of it is imported from here, when it is first asked for."""

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


__getattr__, __dir__ = exports(__name__, _HOMES)
