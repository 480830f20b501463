"""What a Ray cluster has, beside what the engine `ray` needs of it."""

from __future__ import annotations

import anyio

from ..errors import SettingsError
from ..platforms.platform import Machine
from ..wiring import Wiring
from .report import DeployFinding, DeployReport

_LEAST = Machine(milli_cpus=1000, memory_mib=512, scratch_mib=0)
"""Below that few encodes fit; the same line as `transcode doctor` draws."""


async def look(wiring: Wiring) -> DeployReport:
    """
    Ask the cluster of TRANSCODE_RAY_ADDRESS; nothing is started and nothing is changed.

    Raises `SettingsError` where none is named or answers.
    """
    if wiring.settings.ray_address is None:
        raise SettingsError(
            "TRANSCODE_RAY_ADDRESS is not set: name the cluster that is to be looked "
            "at (host:6379). Without one, `--engine ray` starts one on this machine.",
            setting="TRANSCODE_RAY_ADDRESS",
        )
    found = await anyio.to_thread.run_sync(wiring.machine_of, "ray")
    return DeployReport(target="ray", findings=_compared(found))


def _compared(found: Machine) -> tuple[DeployFinding, ...]:
    rows = (
        ("vCPU", found.milli_cpus / 1000, _LEAST.milli_cpus / 1000),
        ("MiB", found.memory_mib, _LEAST.memory_mib),
    )
    return tuple(
        DeployFinding(
            what=f"largest node: {'memory' if unit == 'MiB' else 'processors'}",
            standing="as_wanted" if has >= least else "different",
            wanted=f"at least {least:g} {unit}",
            found=f"{has:g} {unit}",
            advice=None if has >= least else "Start a larger node.",
        )
        for unit, has, least in rows
    )
