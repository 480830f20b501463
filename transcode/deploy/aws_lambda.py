"""What stands on AWS Lambda, beside what the engine `aws-lambda` needs there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..contract import Spec
from ..errors import DestinationRefused
from ..invoke.aws_lambda import name_of
from ..platforms.platform import Platform, lattice, scratch_for
from ..wiring import Wiring
from .report import DeployFinding, DeployReport, Standing

if TYPE_CHECKING:
    from ..deliver.aws_lambda import LambdaCalls, LambdaConfiguration

_ENGINE = "aws-lambda"
_TEMPLATE = "deploy/aws-lambda/template.yaml sets it."
_NOT_THERE = 404


async def look(wiring: Wiring) -> DeployReport:
    """
    Read only: two requests for each function.

    Raises `SettingsError`, or `DeliveryError` where nobody answers or may be asked.
    """
    platform = wiring.platform_of(_ENGINE, wiring.settings.platform)
    prefix = wiring.task_functions
    findings: list[DeployFinding] = []
    async with wiring.senders() as senders:
        calls = await senders.lambda_calls()
        findings += await _uploads(calls, prefix)
        for spec in lattice(platform):
            findings += await _tasks(calls, prefix, platform, spec)
    return DeployReport(target=_ENGINE, findings=tuple(findings))


async def _uploads(calls: LambdaCalls, prefix: str) -> list[DeployFinding]:
    """Of the function that uploads start; without it, somebody has to wait."""
    found = await _asked(calls, prefix)
    if isinstance(found, DeployFinding):
        return [found]
    return list(_variables(prefix, found, prefix))


async def _tasks(
    calls: LambdaCalls, prefix: str, platform: Platform, spec: Spec
) -> list[DeployFinding]:
    name = name_of(prefix, spec.memory_mib)
    found = await _asked(calls, name)
    if isinstance(found, DeployFinding):
        return [found]
    return [
        *compared(name, platform, spec.memory_mib, found),
        *_variables(name, found, prefix),
    ]


def compared(
    name: str, platform: Platform, memory_mib: int, found: LambdaConfiguration
) -> Iterator[DeployFinding]:
    """How a function for tasks of this size is set up; pure."""
    scratch = scratch_for(platform, 0, memory_mib=memory_mib) or 0
    limit = platform.limits.time_limit_seconds or 0
    rows: tuple[tuple[str, bool, str, str], ...] = (
        (
            "memory",
            found.memory_mib == memory_mib,
            f"{memory_mib} MB",
            f"{found.memory_mib} MB",
        ),
        (
            "/tmp",  # noqa: S108  as they call it
            found.scratch_mib >= scratch,
            f"at least {scratch} MB",
            f"{found.scratch_mib} MB",
        ),
        (
            "timeout",
            found.time_limit_seconds >= limit,
            f"{limit} s",
            f"{found.time_limit_seconds} s",
        ),
        (
            "asynchronous retries",
            found.retries == 0,
            "0",
            str(found.retries),
        ),
        (
            "package",
            found.image,
            "an image",
            "an image" if found.image else "a zip",
        ),
    )
    for what, fine, wanted, had in rows:
        yield _finding(
            f"function {name}: {what}",
            "as_wanted" if fine else "different",
            wanted,
            had,
        )


def _variables(
    name: str, found: LambdaConfiguration, prefix: str
) -> Iterator[DeployFinding]:
    """By name: their values may be secret."""
    for variable, wanted in (
        ("TRANSCODE_TO", "set"),
        ("TRANSCODE_LAMBDA_FUNCTION", prefix),
    ):
        there = variable in found.variables
        standing: Standing = "as_wanted" if there else "missing"
        yield _finding(f"function {name}: {variable}", standing, wanted, None)


async def _asked(calls: LambdaCalls, name: str) -> LambdaConfiguration | DeployFinding:
    try:
        return await calls.look(name)
    except DestinationRefused as exc:
        if exc.evidence.get("status") == _NOT_THERE:
            return _finding(f"function {name}", "missing", "a function", None)
        raise


def _finding(
    what: str, standing: Standing, wanted: str, found: str | None
) -> DeployFinding:
    return DeployFinding(
        what=what,
        standing=standing,
        wanted=wanted,
        found=found,
        advice=None if standing == "as_wanted" else _TEMPLATE,
    )
