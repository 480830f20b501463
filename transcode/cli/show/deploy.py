"""What stands on a platform, as a table for a person."""

from __future__ import annotations

from ...deploy.report import DeployFinding, DeployReport, Standing
from ...units import plural, printable, table

_SIGNS: dict[Standing, str] = {
    "as_wanted": "",
    "missing": "+",
    "different": "~",
    "superfluous": "-",
    "unknown": "?",
}


def report_text(report: DeployReport, *, may_apply: bool) -> str:
    """
    A line for each thing that differs, and a last one that says what that means.

    *may_apply*: whether `--yes` would change it.
    """
    shown = [one for one in report.findings if one.standing != "as_wanted"]
    lines = []
    if shown:
        rows = [_row(one) for one in shown]
        head = ("", "what", "found", "wanted")
        lines += [table(rows, head=head), ""]
        lines += [f"{one.what}: {one.advice}" for one in shown if one.advice]
    return printable("\n".join([*lines, _verdict(report, may_apply=may_apply)]))


def _row(one: DeployFinding) -> tuple[str, ...]:
    return _SIGNS[one.standing], one.what, one.found or "–", one.wanted or "–"


def _verdict(report: DeployReport, *, may_apply: bool) -> str:
    count, looked = len(report.drifted), len(report.findings)
    if report.applied:
        return (
            f"Done: {plural(count, 'thing')} changed."
            if count
            else f"Nothing to change: all {looked} are as wanted."
        )
    if not count:
        return f"Nothing to change: all {looked} are as wanted."
    last = " `--yes` does it." if may_apply else ""
    return f"{plural(count, 'thing')} of {looked} to change.{last}"
