"""What stands on FunctionGraph beside what the settings ask for; bringing it there."""

from __future__ import annotations

from ..errors import UsageError
from ..wiring import Wiring
from .report import DeployReport


async def look(wiring: Wiring) -> DeployReport:  # noqa: ARG001 - as all of them
    """Read only; raises `SettingsError`, or `DeliveryError` where nobody answers."""
    raise UsageError("What stands on FunctionGraph cannot be looked at yet.")


async def apply(wiring: Wiring) -> DeployReport:
    """Change what is not as it is wanted; raises as `look`."""
    return await look(wiring)
