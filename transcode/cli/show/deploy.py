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


_MOST_CHARACTERS = 44
"""Of a value in a table; `--json` has it whole."""


def report_text(report: DeployReport, *, may_apply: bool) -> str:
    """
    A line for each thing that differs, and a last one that says what that means.

    *may_apply*: whether `--yes` would change it.
    """
    shown = [one for one in report.findings if one.standing != "as_wanted"]
    lines: list[str] = []
    if shown:
        head = ("", "what", "found", "wanted")
        lines += [table([_row(one) for one in shown], head=head), ""]
        lines += [f"{one.what}: {one.advice}" for one in shown if one.advice]
    return printable("\n".join([*lines, _verdict(report, may_apply=may_apply)]))


def _row(one: DeployFinding) -> tuple[str, ...]:
    return _SIGNS[one.standing], one.what, _short(one.found), _short(one.wanted)


def _short(text: str | None) -> str:
    if text is None:
        return "–"
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _verdict(report: DeployReport, *, may_apply: bool) -> str:
    count, looked = len(report.drifted), len(report.findings)
    unseen = sum(one.standing == "unknown" for one in report.findings)
    but = f", {unseen} cannot be seen" if unseen else ""
    if not count:
        return f"Nothing to change: {looked - unseen} as wanted{but}."
    if report.applied:
        return f"Done: {plural(count, 'thing')} of {looked} changed{but}."
    last = " `--yes` does it." if may_apply else ""
    return f"{plural(count, 'thing')} of {looked} to change{but}.{last}"
