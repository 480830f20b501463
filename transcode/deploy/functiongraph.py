"""What stands on FunctionGraph beside what the settings ask for; bringing it there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..deliver import check
from ..wiring import Wiring
from .functiongraph_api import FunctionManagement
from .functiongraph_state import (
    DeployedFunction,
    findings_of,
    kept_environment,
    secret_environment,
    steps_to,
    wanted_of,
)
from .report import DeployFinding, DeployReport


async def look(wiring: Wiring) -> DeployReport:
    """Read only; raises `SettingsError`, or `DeliveryError` where nobody answers."""
    findings: list[DeployFinding] = []
    async with _managed(wiring) as functions:
        for management, wanted in functions:
            findings += findings_of(wanted, await management.found())
    return DeployReport(target="functiongraph", findings=tuple(findings))


async def apply(wiring: Wiring) -> DeployReport:
    """
    Change what is not as it is wanted, and say what it was. Steps that were done stay
    done when a later one fails: applied again, the rest is.

    Raises as `look`.
    """
    findings: list[DeployFinding] = []
    secrets = secret_environment(wiring.settings)
    async with _managed(wiring) as functions:
        for management, wanted in functions:
            found = await management.found()
            kept = kept_environment(found)
            for step in steps_to(wanted, found):
                await management.take(step, kept, secrets)
            findings += findings_of(wanted, found)
    return DeployReport(target="functiongraph", findings=tuple(findings), applied=True)


@asynccontextmanager
async def _managed(
    wiring: Wiring,
) -> AsyncIterator[list[tuple[FunctionManagement, DeployedFunction]]]:
    """Each function's API beside what the function is to be."""
    functions = wiring.graph_functions
    targets = [target for _, target in functions]
    check(targets, wiring.settings)
    region = targets[0].urn.split(":")[2]
    wanted = wanted_of(wiring.settings, [one for one, _ in functions], region)
    async with wiring.senders() as senders:
        calls = await senders.function_calls()
        managed = [FunctionManagement(calls, target) for target in targets]
        yield list(zip(managed, wanted, strict=True))
