"""The commands that ask what would have been: `reprice` and `advise`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from ..options import (
    PLATFORM,
    PROFILE,
    Duration,
    Text,
    days_options,
    output_options,
    state_option,
)
from ..policy import Optimize, Policy
from .info import wiring

# Imported late, as in `commands`.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from ...contract.job import LedgerRecord
    from ...platforms.platform import Platform


_OPTIMIZE: dict[str, Optimize] = {
    "": "balanced",
    "balanced": "balanced",
    "cost": "cost",
    "time": "time",
}


class PolicyType(click.ParamType):  # type: ignore[type-arg]  # since click 8.4
    """`same`, `fixed:MIB`, `choose`, `choose:cost`, `choose:time`."""

    name = "POLICY"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Policy:
        if isinstance(value, Policy):
            return value
        kind, _, rest = str(value).partition(":")
        if kind == "same" and not rest:
            return Policy("same")
        if kind == "fixed" and rest.isdecimal() and int(rest):
            return Policy("fixed", int(rest))
        if kind == "choose" and rest in _OPTIMIZE:
            return Policy("choose", optimize=_OPTIMIZE[rest])
        return self.fail(
            f"{value!r} is no policy; write same, fixed:4096 for one spec of 4096 MiB, "
            "or choose, choose:cost or choose:time for one that is chosen each time.",
            param,
            ctx,
        )


@click.command(short_help="What would the same work have cost otherwise?")
@state_option
@click.option(
    "--platform",
    type=PLATFORM,
    help="At whose prices; by default those of the platform it ran on.",
)
@click.option(
    "--policy",
    type=PolicyType(),
    default="same",
    show_default=True,
    help="same, fixed:MIB, choose, choose:cost or choose:time.",
)
@click.option(
    "--by",
    type=click.Choice(["day", "month", "profile", "platform", "engine"]),
    default="profile",
    show_default=True,
    help="What to group by.",
)
@days_options
@output_options
def reprice(  # noqa: PLR0913 - one argument per option
    *,
    to: str,
    platform: str | None,
    policy: Policy,
    by: str,
    since: date | None,
    until: date | None,
    as_json: bool,
) -> None:
    """
    Say what the work in the ledger would have cost by another price table, on another
    platform, or in other specs.

    Where an attempt ran in just that spec, its measured time is billed; elsewhere its
    time is predicted, and corrected by how far the prediction was off where it did
    run. How many figures are which is always said.

    \b
    Examples:
      transcode reprice --since 2026-10 --until 2026-10 --policy fixed:4096
      transcode reprice --platform ./next-year.toml
      transcode reprice --platform aws-lambda --policy choose:cost
    """
    from ...ledger import reprice as prices
    from ...ledger import totals
    from ..columns import columns
    from ..show.what_if import repriced_json, repriced_text
    from ..state import ask_index
    from ..what_if import predictor, specs

    wired = wiring()
    chosen = None if platform is None else wired.catalog.platform(platform)
    group = getattr(totals, f"by_{by}")

    def platform_of(record: LedgerRecord) -> Platform:
        return chosen or wired.catalog.platform(record.platform.name)

    records = ask_index(to, lambda index: list(index.records(since, until)))
    if policy.kind == "same" and chosen is None:
        found = prices.same(records, platform_of, group)
    else:
        found = prices.by_policy(
            records,
            platform=platform_of,
            spec_of=specs(policy, wired, platform_of),
            predict=predictor(wired),
            group=group,
        )
    rows = prices.compare(found)
    reasons = sorted({one.why for one in found if one.after is None})
    if as_json:
        click.echo(repriced_json(rows, reasons, by=by))
    else:
        click.echo(repriced_text(rows, reasons, by=by, width=columns()))


@click.command(short_help="Which fixed spec, reserved instances, how many?")
@click.argument("samples", nargs=-1, type=Text("SAMPLE"))
@state_option
@click.option(
    "--platform",
    type=PLATFORM,
    default="functiongraph",
    show_default=True,
    help="On whose specs and prices.",
)
@click.option(
    "--profile",
    type=PROFILE,
    default="hls",
    show_default=True,
    help="What is made of the samples.",
)
@click.option(
    "--deadline", type=Duration(), help="The longest that any one task may take."
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Executions that one instance takes at once.",
)
@click.option(
    "--calls",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Connections that one execution holds to a shared service.",
)
@click.option(
    "--connection-limit",
    type=click.IntRange(min=1),
    help="Connections that the service takes in all; for the size of a pool.",
)
@click.option(
    "--max-instances",
    type=click.IntRange(min=1),
    default=400,
    show_default=True,
    help="Instances that the function may have.",
)
@days_options
@output_options
def advise(  # noqa: PLR0913 - one argument per option
    *,
    samples: tuple[str, ...],
    to: str,
    platform: str,
    profile: str,
    deadline: float | None,
    concurrency: int,
    calls: int,
    connection_limit: int | None,
    max_instances: int,
    since: date | None,
    until: date | None,
    as_json: bool,
) -> None:
    """
    Say which single spec would be best and what it loses against a choice for every
    call, whether reserved instances would pay, and how many instances it takes.

    From the ledger at --to; or from SAMPLES, files or folders of files, which are
    probed and not encoded. Samples say nothing of arrivals.

    \b
    Examples:
      transcode advise --since 2026-10
      transcode advise samples/ --platform aws-lambda --deadline 5m
      transcode advise --calls 2 --concurrency 5 --connection-limit 30000
    """
    from ...ledger import advise as fixed
    from ...ledger import arrivals
    from ...wiring import own_mib_on
    from ..columns import columns
    from ..show.what_if import Advice, advice_json, advice_text
    from ..state import ask_index
    from ..what_if import cases_of_records, cases_of_samples

    wired = wiring()
    chosen = wired.catalog.platform(platform)
    records: list[LedgerRecord] = []
    if samples:
        cases, left_out = cases_of_samples(wired, samples, profile, platform)
    else:
        records = ask_index(to, lambda index: list(index.records(since, until)))
        cases, left_out = cases_of_records(wired, records, chosen)
    own = own_mib_on(chosen)
    rows = fixed.fixed_specs(cases, chosen, deadline_seconds=deadline, own_mib=own)
    seen = arrivals.load(arrivals.spans(records))
    spec = rows[-1].spec if rows else None
    advice = Advice(
        platform=chosen,
        own_mib=own,
        fixed=rows,
        left_out=left_out,
        load=seen,
        reserve=arrivals.reserve(seen, chosen, spec) if seen and spec else (),
        concurrency=concurrency,
        pool=None
        if connection_limit is None
        else arrivals.pool(
            concurrency=concurrency,
            calls=calls,
            connection_limit=connection_limit,
            max_instances=max_instances,
        ),
    )
    told = advice_json(advice) if as_json else advice_text(advice, width=columns())
    click.echo(told)
