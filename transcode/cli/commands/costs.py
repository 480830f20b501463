"""The command that adds up what was spent: `costs`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ..options import Duration, days_options, output_options, state_option
from .info import wiring

# Imported late, as in `commands`.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from ...ledger.entering import Entries
    from ...ledger.index import Index
    from ...ledger.reconcile import Reconciled
    from ...ledger.statement import Statement, Used
    from ...platforms.price import ReservedInstance
    from ...store.bucket import Bucket


class Held(NamedTuple):
    """Instances held ready, as the command line names them."""

    memory_mib: int
    held_seconds: float
    busy_seconds: float | None
    instances: int


class HeldType(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """`MIB:TIME`, `MIB:TIME:BUSY` with idle mode, and `xN` for several of them."""

    name = "MIB:TIME[:BUSY][xN]"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Held:
        if isinstance(value, Held):
            return value
        text, _, times = str(value).partition("x")
        memory, *spans = text.split(":")
        if (
            not memory.isdecimal()
            or len(spans) not in (1, 2)
            or not (times or "1").isdecimal()
        ):
            self.fail(
                f"{value!r} is no reserved instance; write 1024:12h for 1024 MiB held "
                "for 12 hours, 1024:12h:3h if it was busy for three of them in idle "
                "mode, and x2 behind it for two.",
                param,
                ctx,
            )
        seconds = [Duration().convert(span, param, ctx) for span in spans]
        busy = seconds[1] if len(seconds) > 1 else None
        return Held(int(memory), seconds[0], busy, int(times or "1"))


@click.command(short_help="Add up what was spent, by whatever you want to know.")
@state_option
@click.option(
    "--by",
    default="day",
    show_default=True,
    metavar="GROUP",
    help="day, month, profile, platform, engine, function or tag:KEY.",
)
@days_options
@click.option(
    "--statement",
    "as_statement",
    is_flag=True,
    help="Months as the platforms bill them: free tier, requests, each function.",
)
@click.option(
    "--reserved",
    type=HeldType(),
    multiple=True,
    help="With --statement: an instance that was held ready besides.",
)
@click.option(
    "--flow-nodes",
    type=click.IntRange(min=0),
    default=0,
    help="With --statement: node executions of function flows in that month.",
)
@click.option(
    "--reconcile",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="List where the platform counts otherwise: in a bill as --statement --csv "
    "writes it, or in a log of its invocations; without FILE, in logs entered before.",
)
@click.option(
    "--enter",
    "enters",
    is_flag=True,
    help="With --reconcile LOG: from now on bill these invocations as it says.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values on stdout.")
@output_options
def costs(  # noqa: PLR0913 - one argument per option
    *,
    to: str,
    by: str,
    since: date | None,
    until: date | None,
    as_statement: bool,
    reserved: tuple[Held, ...],
    flow_nodes: int,
    reconcile: str | None,
    enters: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """
    Add up what the attempts of all jobs at --to cost, the failed ones too.

    Amounts are at list price and exact, one total for each currency; currencies are
    never added. `predicted` is what the attempts that succeeded were expected to cost.

    \b
    Examples:
      transcode costs --by month
      transcode costs --by tag:customer --since 2026-10 --until 2026-10
      transcode costs --by profile --csv > costs.csv
      transcode costs --statement --since 2026-10 --until 2026-10
      transcode costs --reconcile bill.csv
      transcode costs --reconcile lambda.log --enter
    """
    from ...ledger.drift import LAST, drift
    from ..columns import columns
    from ..show import costs as show
    from ..state import ask_index

    if sum((as_csv, as_json)) > 1:
        raise click.UsageError("--csv and --json exclude each other.")
    if (reserved or flow_nodes) and not as_statement:
        raise click.UsageError("--reserved and --flow-nodes belong to --statement.")
    if enters and reconcile in (None, "-"):
        raise click.UsageError(
            "--enter belongs to --reconcile LOG, the platform's log of its invocations."
        )
    if reconcile is not None:
        checks, entered = _reconcile(to, since, until, reconcile, enters=enters)
        click.echo(
            show.reconciled_json(checks, entered)
            if as_json
            else show.reconciled_csv(checks)
            if as_csv
            else show.reconciled_text(checks, entered)
        )
    elif as_statement:
        used = ask_index(to, lambda index: index.used(since, until))
        made = _statements(used, reserved, flow_nodes)
        click.echo(
            show.statements_json(made)
            if as_json
            else show.statements_csv(made)
            if as_csv
            else show.statements_text(made)
        )
    else:
        found, drifted = ask_index(
            to,
            lambda index: (index.totals(by, since, until), drift(index.latest(LAST))),
        )
        if drifted is not None and drifted.is_drift:
            click.echo(
                f"transcode: predictions drift: {drifted.sentence}. `transcode "
                f"calibrate --from-ledger --to {to}` learns from them.",
                err=True,
            )
        click.echo(
            show.costs_json(found, by=by, since=since, until=until)
            if as_json
            else show.costs_csv(found, by=by)
            if as_csv
            else show.costs_text(found, by=by, width=columns())
        )


def _statements(
    used: Sequence[Used], reserved: Sequence[Held], flow_nodes: int
) -> list[Statement]:
    from ...ledger.statement import month_statement

    wired = wiring()
    months = sorted({(one.month, one.platform) for one in used})
    if (reserved or flow_nodes) and len(months) != 1:
        raise click.UsageError(
            "--reserved and --flow-nodes belong to one month of one platform, and here "
            f"are {len(months)}; choose one by --since and --until."
        )
    made = []
    for month, name in months:
        platform = wired.catalog.platform(name)
        held = [_instance(name, one) for one in reserved]
        made.append(
            month_statement(platform, month, used, reserved=held, flow_nodes=flow_nodes)
        )
    return made


def _instance(platform: str, held: Held) -> ReservedInstance:
    from ...platforms.platform import spec_for_memory
    from ...platforms.price import ReservedInstance

    return ReservedInstance(
        spec=spec_for_memory(wiring().catalog.platform(platform), held.memory_mib),
        held_seconds=held.held_seconds,
        busy_seconds=held.busy_seconds or 0.0,
        idle_mode=held.busy_seconds is not None,
        instances=held.instances,
    )


def _reconcile(
    to: str, since: date | None, until: date | None, file: str, *, enters: bool
) -> tuple[dict[str, Reconciled], Entries | None]:
    """The checks, as things stood before, and what was entered."""
    from ...errors import SourceUnreadable, UsageError
    from ...ledger.entering import entries_of
    from ...ledger.log import append
    from ...ledger.reconcile import with_bill, with_log, with_reports
    from ..state import ask

    text = None
    if file != "-":
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise SourceUnreadable(
                f"{file!r} cannot be read: {exc}.", file=file
            ) from exc

    async def question(
        index: Index, store: Bucket
    ) -> tuple[dict[str, Reconciled], Entries | None]:
        checks = {"attempts": with_reports(index.records(since, until))}
        logged = None if text is None else with_log(text, index.records(since, until))
        if logged is not None:
            checks["log"] = logged
        elif text is not None:
            made = _statements(index.used(since, until), (), 0)
            checks["bill"] = with_bill(text, made, origin=file)
        if not enters:
            return checks, None
        # Of all days: a call may be entered in parts, on either side of midnight.
        entries = entries_of(
            text or "",
            index.records(),
            lambda it: wiring().catalog.platform(it.platform.name),
        )
        if entries is None:
            raise UsageError(
                f"{file!r} tells of no invocation: --enter takes a platform's log "
                "(Lambda's REPORT lines, FunctionGraph's 'Finish invoke request').",
                file=file,
            )
        for record in entries.records:
            await append(store, record)
        return checks, entries

    return ask(to, question)
