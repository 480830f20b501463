"""What was found on a platform, beside what is wanted there."""

from __future__ import annotations

from typing import Literal

from ..contract import Value

Standing = Literal["as_wanted", "missing", "different", "superfluous", "unknown"]
"""`unknown`: the platform does not show it, so that nothing is said of it."""


class DeployFinding(Value):
    """One thing that has to be there, and how it is."""

    what: str
    """`function transcode: memory`."""
    standing: Standing
    wanted: str | None = None
    """In words for a person; never a secret."""
    found: str | None = None
    advice: str | None = None
    """What to do, where no command of ours does it."""


class DeployReport(Value):
    """All that was looked at, in the order in which it would be set up."""

    target: str
    findings: tuple[DeployFinding, ...]
    applied: bool = False
    """Whether what was missing or different has been changed since."""

    @property
    def drifted(self) -> tuple[DeployFinding, ...]:
        """What is not as it is wanted."""
        fine = {"as_wanted", "unknown"}
        return tuple(one for one in self.findings if one.standing not in fine)
