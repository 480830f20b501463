"""What became of several sources: one document, or a table and the reasons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import click

from ...contract import Manifest
from ...jobs.several import RunEnd
from ...units import duration, one_line, place, printable, rounded, shortened, table
from ..columns import columns
from ..failure import evidence, paragraph
from .progress_state import source_name
from .result import partial_line, result_text

_STATUS = {2: "rejected", 3: "rejected", 5: "rejected", 130: "cancelled"}


def tell_end(end: RunEnd, *, as_json: bool, quiet: bool) -> None:
    """The answer about one source that was run alone; its failure was raised."""
    manifest = end.manifest
    assert manifest is not None  # noqa: S101  see above
    if manifest.partial is not None and (as_json or quiet):
        click.echo(partial_line(manifest.partial), err=True)
    if as_json:
        click.echo(manifest.to_json(indent=2))
    elif not quiet:
        click.echo(result_text(manifest, already=end.already, width=columns()))


def tell_ends(ends: Sequence[RunEnd], *, as_json: bool, quiet: bool) -> None:
    """
    The answer on stdout, why something failed on stderr.

    With `--verbose`, whose place is at the edge, every result is shown whole.
    """
    verbose = _is_verbose()
    for end in ends:
        if end.error is not None:
            why = f"transcode: {source_name(end.source)}: {paragraph(end.error)}"
            click.echo(printable(one_line(why)), err=True)
            if verbose:
                click.echo(printable(evidence(end.error)), err=True)
        elif end.manifest is not None and end.manifest.partial is not None:
            line = partial_line(end.manifest.partial)
            click.echo(f"{one_line(source_name(end.source))}: {line}", err=True)
    if as_json:
        click.echo(ends_json(ends))
    elif not quiet:
        if verbose:
            for end in ends:
                if end.manifest is not None:
                    text = result_text(
                        end.manifest, already=end.already, width=columns()
                    )
                    click.echo(f"{text}\n")
        click.echo(ends_text(ends))


def ends_text(ends: Sequence[RunEnd]) -> str:
    """A line for each source, at most 60 columns, and where the results are."""
    rows = [_row(end) for end in ends]
    head = ("source", "status", "job", "took", "cost")
    done = sum(end.error is None for end in ends)
    folders = [
        (_short(end.source), place(end.manifest.location))
        for end in ends
        if end.manifest is not None and end.manifest.location
    ]
    blocks = [f"Done: {done} of {len(ends)} sources\n" + table(rows, head=head)]
    if folders:
        blocks.append("Where to look\n" + table(folders))
    total = ", ".join(f"{rounded(amount)} {name}" for name, amount in _spent(ends))
    blocks.append(f"Total {total or 'nothing'}")
    return printable("\n\n".join(blocks))


def ends_json(ends: Sequence[RunEnd]) -> str:
    """
    `jobs`: for each source, in the order given, what it alone would have printed, and
    as `asked` how it was named.
    """
    worst = max(end.exit_code for end in ends)
    document = {
        "schema": "transcode/runs/1",
        "status": "succeeded" if worst == 0 else "failed",
        "jobs": [{"asked": end.source, **_document(end)} for end in ends],
        "cost": [
            {"amount": format(amount, "f"), "currency": name}
            for name, amount in _spent(ends)
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _document(end: RunEnd) -> dict[str, Any]:
    manifest = _manifest(end)
    if manifest is not None:
        found: dict[str, Any] = json.loads(manifest.to_json())
        return found
    assert end.error is not None  # noqa: S101  a source has ended one way or the other
    return {
        "status": _STATUS.get(end.exit_code, "failed"),
        "error": end.error.describe().model_dump(mode="json"),
    }


def _manifest(end: RunEnd) -> Manifest | None:
    """Of the result, or of the failure, where it had one."""
    if end.error is not None:
        return end.error.manifest
    return end.manifest


def _row(end: RunEnd) -> tuple[str, ...]:
    name = _short(end.source)
    manifest = _manifest(end)
    if manifest is None:
        return name, _STATUS.get(end.exit_code, "failed"), "", "", ""
    wall = manifest.wall_seconds
    return (
        name,
        "there before" if end.already else manifest.status,
        manifest.job_id[:12],
        "" if wall is None or end.already else duration(wall),
        "" if end.already else f"{rounded(manifest.cost.amount)}",
    )


_NAME_LENGTH = 18


def _short(source: str) -> str:
    return shortened(source_name(source), _NAME_LENGTH)


def _spent(ends: Sequence[RunEnd]) -> list[tuple[str, Decimal]]:
    """Now, by currency: what was there before cost nothing."""
    found: dict[str, Decimal] = {}
    for end in ends:
        manifest = _manifest(end)
        if manifest is not None and not end.already:
            cost = manifest.cost
            found[cost.currency] = found.get(cost.currency, Decimal(0)) + cost.amount
    return sorted(found.items())


def _is_verbose() -> bool:
    # The option keeps its value to itself: what it says is read at the edge.
    source = click.get_current_context().get_parameter_source("verbose")
    return source is click.core.ParameterSource.COMMANDLINE
