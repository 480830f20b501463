"""What a failed command says: one paragraph, and the evidence on request."""

from __future__ import annotations

from collections.abc import Mapping

from ..contract import Manifest
from ..errors import TranscodeError
from ..units import one_line, rounded


def known(exc: BaseException) -> TranscodeError | None:
    """
    The error of ours that *exc* is or, as a group of a task's children, contains.

    None when it holds none: then it is a bug.
    """
    if isinstance(exc, TranscodeError):
        return exc
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            found = known(inner)
            if found is not None:
                return found
    return None


def paragraph(error: TranscodeError) -> str:
    """The error as one paragraph, with what was spent before it happened."""
    text = one_line(" ".join(error.message.split()))
    if not text.endswith((".", "!", "?")):
        text += "."
    manifest = getattr(error, "manifest", None)
    if isinstance(manifest, Manifest) and manifest.cost.amount:
        tries = sum(len(task.attempts) for task in manifest.tasks)
        paid = f"{rounded(manifest.cost.amount)} {manifest.cost.currency}"
        text += f" Spent on {tries} attempt{'s' * (tries != 1)}: {paid}."
    return text


def evidence(error: TranscodeError) -> str:
    """What the error carries beside its sentence, for `--verbose`."""
    lines = [f"  {type(error).__name__}"]
    lines += _lines(error.evidence)
    return "\n".join(lines)


def _lines(values: Mapping[str, object]) -> list[str]:
    lines = []
    for name, value in values.items():
        shown = value if isinstance(value, str) else repr(value)
        first, *rest = shown.splitlines() or [""]
        lines.append(f"  {name}: {one_line(first)}")
        lines += [f"    {one_line(line)}" for line in rest]
    return lines
