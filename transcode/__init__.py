"""
Transcode video on elastic functions, each invocation in a spec chosen for it.

What is public stands in `__all__`; docs/library.md says what it does. All of it comes
when it is first asked for: imports are billed at every cold start.
"""

from __future__ import annotations

import sys

from .lazy import exports
from .version import __version__

TYPE_CHECKING = False  # as type checkers know it, without the price of `typing`
if TYPE_CHECKING:
    from .contract import Manifest, Media, Plan
    from .contract.job import JobReport
    from .errors import (
        Cancelled,
        DeliveryError,
        MediaError,
        PlanError,
        StoreError,
        TranscodeError,
        UsageError,
        WorkError,
    )
    from .hooks import Event
    from .library import (
        Options,
        plan,
        plan_async,
        probe,
        probe_async,
        report,
        report_async,
        run,
        run_async,
        submit,
        submit_async,
    )
    from .settings import Settings

_HOMES = {
    "contract": ("Manifest", "Media", "Plan"),
    "contract.job": ("JobReport",),
    "errors": (
        *("Cancelled", "DeliveryError", "MediaError", "PlanError", "StoreError"),
        *("TranscodeError", "UsageError", "WorkError"),
    ),
    "hooks": ("Event",),
    "library": (
        *("Options", "plan", "plan_async", "probe", "probe_async", "report"),
        *("report_async", "run", "run_async", "submit", "submit_async"),
    ),
    "settings": ("Settings",),
}
"""Module → what of it is public."""

__all__ = [
    "Cancelled",
    "DeliveryError",
    "Event",
    "JobReport",
    "Manifest",
    "Media",
    "MediaError",
    "Options",
    "Plan",
    "PlanError",
    "Settings",
    "StoreError",
    "TranscodeError",
    "UsageError",
    "WorkError",
    "__version__",
    "plan",
    "plan_async",
    "probe",
    "probe_async",
    "report",
    "report_async",
    "run",
    "run_async",
    "submit",
    "submit_async",
]


__getattr__, __dir__ = exports(__name__, _HOMES)


class _Package(type(sys)):  # type: ignore[misc]  # without importing `types`
    """
    Two of the stages have the names of what they do, and so have two functions here.

    Importing a package within another one sets it as an attribute of that; without
    this, `transcode.probe` would be a function until somebody probes.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, type(sys))):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
