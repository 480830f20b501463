"""The command that learns from what ran: `calibrate --from-ledger`."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import days_options, output_options, state_option
from .info import wiring

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...contract.job import LedgerRecord
    from ...plan.coefficients import Accuracy, Experience
    from ...plan.refit import Observation


@click.command(short_help="Learn from the jobs that ran how long the next will take.")
@click.option(
    "--from-ledger",
    is_flag=True,
    required=True,
    help="From what attempts at --to took. (bench/calibrate.py measures anew.)",
)
@state_option
@days_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the coefficients here instead of on stdout.",
)
@output_options
def calibrate(  # noqa: PLR0913 - one argument per option
    *,
    from_ledger: bool,  # noqa: ARG001 - there is no other way yet
    to: str,
    since: date | None,
    until: date | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """
    Fit the model's predictions to the tasks that succeeded at --to.

    Learned are a factor on CPU time and memory for each encoder and preset, and the
    speed of each platform's vCPUs; the errors before and after are measured on files
    that the fit has not seen, and a fit that tells them worse is refused.
    TRANSCODE_COEFFICIENTS=FILE puts the result to use.

    \b
    Examples:
      transcode calibrate --from-ledger --to out --out learned.toml
      TRANSCODE_COEFFICIENTS=learned.toml transcode plan clip.mov
    """
    from ...errors import DestinationUnwritable
    from ...plan.coefficients import coefficients_text
    from ...plan.refit import learn, refuse_worse
    from ..state import ask_index

    seen = ask_index(to, lambda index: _seen(index.records(since, until)))
    today = datetime.now(UTC).date()
    found = learn(seen, wiring().coefficients, origin=to, today=today)
    learned = found.learned
    assert learned is not None  # noqa: S101  that is what it is called for
    refuse_worse(learned)
    text = coefficients_text(found)
    if out is not None:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise DestinationUnwritable(
                f"{str(out)!r} cannot be written: {exc.strerror}.", path=str(out)
            ) from exc
    if as_json:
        document = learned.model_dump(mode="json")
        click.echo(json.dumps({"schema": "transcode/learned/1", **document}, indent=2))
        return
    if out is None:
        click.echo(text, nl=False)
    click.echo(_report(learned, out), err=out is None)


def _seen(records: Iterable[LedgerRecord]) -> list[Observation]:
    from ...contract import OutcomeKind
    from ...media.timeline import made
    from ...plan.refit import Observation

    return [
        Observation(
            source=record.source.uri,
            day=record.recorded_at.date(),
            platform=record.platform.name,
            media=made(record.media, record.recipe),
            recipe=record.recipe,
            spec=record.attempt.spec,
            measured=record.attempt.measured,
        )
        for record in records
        if record.attempt.outcome is OutcomeKind.SUCCEEDED
        and record.attempt.measured is not None
        and record.media is not None
        and record.recipe is not None
    ]


def _report(learned: Experience, out: Path | None) -> str:
    days = f"between {learned.first} and {learned.last}"
    from ...units import plural

    lines = [f"Learned from {plural(learned.records, 'task')} {days}."]
    for name, one in learned.encode.items():
        lines.append(
            f"  {name}: CPU time × {one.cpu:.2f}, memory × {one.memory:.2f} "
            f"({plural(one.records, 'task')})"
        )
    for name, where in learned.platform.items():
        lines.append(
            f"  {name}: CPU time × {where.cpu:.2f}, wall time × {where.wall:.2f} "
            f"beside it ({plural(where.records, 'task')})"
        )
    if learned.before is None or learned.after is None:
        lines.append("No file was left to check it on: all tasks were of one or two.")
    else:
        count = plural(learned.after.records, "task")
        lines.append(f"On {count} of files that the fit has not seen:")
        lines.append(f"  before: {_accuracy(learned.before)}")
        lines.append(f"  after:  {_accuracy(learned.after)}")
    if out is not None:
        lines.append(f"Use it with TRANSCODE_COEFFICIENTS={out}")
    return "\n".join(lines)


def _accuracy(one: Accuracy) -> str:
    return (
        f"median error {one.wall_error:.0%} of wall and {one.cpu_error:.0%} of CPU "
        f"time, {one.inside:.0%} inside the interval, {one.memory_under:.0%} above "
        "the memory given"
    )
