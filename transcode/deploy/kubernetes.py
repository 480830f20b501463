"""What stands in a Kubernetes cluster, beside what the engine `kubernetes` needs."""

from __future__ import annotations

from ..errors import UsageError
from ..wiring import Wiring
from .report import DeployReport


async def look(wiring: Wiring) -> DeployReport:  # noqa: ARG001 - as all of them
    """Read only; raises `SettingsError`, or `DeliveryError` where nobody answers."""
    raise UsageError("What stands in a Kubernetes cluster cannot be looked at yet.")
