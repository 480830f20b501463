"""What stands in a Kubernetes cluster, beside what the engine `kubernetes` needs."""

from __future__ import annotations

from ..wiring import Wiring
from .report import DeployFinding, DeployReport, Standing

RIGHTS = (
    ("create", "batch", "jobs"),
    ("get", "batch", "jobs"),
    ("delete", "batch", "jobs"),
    ("list", "", "pods"),
)
"""All that the engine asks of the API; deploy/kubernetes/rbac.yaml gives no more."""


async def look(wiring: Wiring) -> DeployReport:
    """
    Read only: a review of each right, and whether what Jobs name is there.

    Raises `SettingsError` where no cluster can be reached, or no image is named.
    """
    setup = wiring.job_setup
    findings: list[DeployFinding] = []
    async with wiring.kubernetes_cluster() as cluster:
        place = f"namespace {cluster.namespace}"
        for verb, group, resource in RIGHTS:
            may = await cluster.may(verb, group, resource)
            findings.append(
                DeployFinding(
                    what=f"{place}: may {verb} {resource}",
                    standing="as_wanted" if may else "missing",
                    wanted="yes",
                    found="yes" if may else "no",
                    advice=None if may else "deploy/kubernetes/rbac.yaml gives it.",
                )
            )
        named = (
            ("serviceaccounts", "service account", setup.service_account),
            ("secrets", "secret", setup.secret),
        )
        for kind, what, name in named:
            if name is not None:
                there = await cluster.has(kind, name)
                findings.append(_named(f"{place}: {what} {name}", there))
    return DeployReport(target="kubernetes", findings=tuple(findings))


def _named(what: str, there: bool | None) -> DeployFinding:  # noqa: FBT001  an answer
    """Of what Jobs name; not to be allowed to look is as it should be."""
    standings: dict[bool | None, Standing] = {
        True: "as_wanted",
        False: "missing",
        None: "unknown",
    }
    return DeployFinding(
        what=what,
        standing=standings[there],
        wanted="to be there",
        advice="Make it, or unset the setting that names it."
        if there is False
        else None,
    )
