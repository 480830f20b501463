"""Every command: its words, its options, and the one call it makes."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...version import __version__
from ..edit_options import treatment, treatment_options
from ..options import (
    ExchangeRate,
    Text,
    engine_option,
    output_options,
    planning_options,
    source_argument,
)
from .info import wiring

# Everything beyond click is imported by the command that needs it: `--help`, shell
# completion and a mistyped option should not wait for the media stack.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from ...request import Request


_HERE = ("run", "plan", "probe")
_HOMES = {
    **dict.fromkeys(("submit", "watch"), "submit"),
    "serve": "serve",
    **dict.fromkeys(("sweep", "cancel", "retry"), "submit"),
    **dict.fromkeys(("jobs", "show"), "jobs"),
    "play": "play",
    "costs": "costs",
    **dict.fromkeys(("reprice", "advise"), "what_if"),
    "calibrate": "calibrate",
    "bench": "bench",
    **dict.fromkeys(("profiles", "platforms", "doctor"), "info"),
    "config": "config",
    "deploy": "deploy",
    "completion": "info",
}
"""Command → the module beside this one that has it, loaded when it is asked for."""


class InOrder(click.Group):
    """Lists commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*_HERE, *_HOMES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = _HOMES.get(cmd_name)
        if home is not None and cmd_name not in self.commands:
            module = import_module(f".{home}", __package__)
            self.add_command(getattr(module, cmd_name))
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
)
@click.version_option(__version__, "--version", message="transcode %(version)s")
def transcode() -> None:
    """
    Make streamable renditions of a video, each step in a resource spec chosen for
    it, at a price known before it is spent.

    \b
    Begin with one of these:
      transcode run clip.mov                  HLS + DASH into ./transcoded
      transcode run clip.mov --profile mp4    one MP4 that plays everywhere
      transcode plan clip.mov                 what would be done, and its cost
      transcode probe clip.mov                what is in the file
      transcode doctor                        can this machine do it?

    \b
    SOURCE is a path, file://, s3://bucket/key or http(s)://.
    Exit codes: 0 done, 2 wrong request, 3 the media was rejected, 4 the work
    failed, 5 no plan fits, 130 interrupted.
    """


@transcode.command(short_help="Make the renditions, verify them, print the bill.")
@click.argument("sources", type=Text("SOURCE"), nargs=-1)
@click.option(
    "--plan",
    "kept",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Do what `transcode plan --out FILE` has shown, or say what has changed.",
)
@click.option(
    "--to",
    type=Text("URI"),
    default="transcoded",
    show_default=True,
    help="Folder or s3://bucket/prefix that receives the results.",
)
@planning_options
@treatment_options
@engine_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@output_options
def run(  # noqa: PLR0913 - one argument per option
    *,
    sources: tuple[str, ...],
    kept: Path | None,
    to: str,
    profile: str,
    platform: str | None,
    engine: str,
    deadline: float | None,
    budget: Decimal | None,
    memory_mib: int | None,
    optimize: str,
    chunks: int | None,
    target_vmaf: float | None,
    target_xpsnr: float | None,
    sample: str,
    accept_partial: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """
    Make the renditions of SOURCE, verify them, and print the bill.

    Results become visible all at once and only after they were verified; running the
    same again finds them and does nothing. Ctrl-C leaves nothing behind.

    Several sources are worked on side by side; one that fails stops none of the others,
    and the exit code is the highest of theirs. --deadline and --budget are each one's.

    \b
    Examples:
      transcode run clip.mov
      transcode run *.mov --profile mp4
      transcode run clip.mov --profile mp4 --to /srv/videos
      transcode run clip.mov --start 1:30 --end 1:45.5 --watermark logo.png
      transcode run clip.mov --platform functiongraph --budget 0.05
      transcode run clip.mov --json --quiet > manifest.json
      transcode plan clip.mov --out plan.json && transcode run --plan plan.json
    """
    from dataclasses import replace

    from ... import hooks
    from ...jobs.several import run_one, run_several
    from ...signals import run_to_the_end
    from ...units import one_line
    from ..show.progress import watching
    from ..show.several import tell_end, tell_ends

    shown = None
    if kept is not None:
        from ..kept_plan import read

        shown = read(kept)
        _refuse_beside_a_plan()
        requests = [shown.request.model_copy(update={"to": to})]
    elif not sources:
        raise click.UsageError("Give a SOURCE, or --plan FILE.")
    else:
        request = _request(
            source=sources[0],
            profile=profile,
            to=to,
            platform=platform,
            engine=engine,
            deadline_seconds=deadline,
            budget=budget,
            memory_mib=memory_mib,
            optimize=optimize,
            chunks=chunks,
            target_vmaf=target_vmaf,
            target_xpsnr=target_xpsnr,
            sample=sample,
            accept_partial=accept_partial,
        )
        requests = [
            request.model_copy(update={"source": one}) for one in dict.fromkeys(sources)
        ]
    wired = wiring()
    if shown is not None:
        wired = replace(wired, pace=shown.pace)
    several = len(sources) > 1
    with watching(quiet=quiet, several=several) as show:

        def listen(event: hooks.Event) -> None:
            if shown is not None and isinstance(event, hooks.Planned):
                from ..kept_plan import refuse_change

                refuse_change(shown.plan, event.plan)
            show(event)
            if isinstance(event, hooks.Unrecorded):
                click.echo(
                    one_line(f"Not in the ledger: {event.error.message}"), err=True
                )

        if several:
            ends = run_to_the_end(lambda: run_several(requests, wired, listen=listen))
        else:
            ends = run_to_the_end(lambda: run_one(requests[0], wired, listen=listen))
    if several:
        tell_ends(ends, as_json=as_json, quiet=quiet)
        click.get_current_context().exit(max(it.exit_code for it in ends))
    tell_end(ends[0], as_json=as_json, quiet=quiet)


@transcode.command(short_help="Show what would be done, why, and its cost.")
@source_argument
@planning_options
@treatment_options
@engine_option
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Draw cost against time of every spec here; .svg and .pdf work, too.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the plan here, for `transcode run --plan FILE`.",
)
@click.option(
    "--rate",
    "rates",
    type=ExchangeRate(),
    multiple=True,
    help="What one of another currency is worth in the plan's, to rank platforms "
    "across currencies: CNY=0.14. May be repeated.",
)
@output_options
def plan(  # noqa: PLR0913 - one argument per option
    *,
    source: str,
    profile: str,
    platform: str | None,
    engine: str,
    deadline: float | None,
    budget: Decimal | None,
    memory_mib: int | None,
    optimize: str,
    chunks: int | None,
    target_vmaf: float | None,
    target_xpsnr: float | None,
    sample: str,
    accept_partial: bool,
    plot: Path | None,
    out: Path | None,
    rates: tuple[tuple[str, Decimal], ...],
    as_json: bool,
) -> None:
    """
    Show what `run` would do with SOURCE, in which spec, why, and what it would cost.

    Nothing is encoded, and nothing is written but what --plot and --out name.

    \b
    Examples:
      transcode plan clip.mov
      transcode plan clip.mov --platform functiongraph --deadline 5m
      transcode plan clip.mov --platform aws-lambda --optimize cost --json
      transcode plan clip.mov --engine aws-lambda
      transcode plan clip.mov --platform functiongraph --plot frontier.png
      transcode plan clip.mov --rate CNY=0.14
    """
    from ... import pipeline
    from ...plan.ranking import ranked
    from ...signals import run_to_the_end
    from ..columns import columns
    from ..show.plan import explain
    from ..show.ranking import ranking_text

    request = _request(
        source=source,
        profile=profile,
        platform=platform,
        engine=engine,
        deadline_seconds=deadline,
        budget=budget,
        memory_mib=memory_mib,
        optimize=optimize,
        chunks=chunks,
        target_vmaf=target_vmaf,
        target_xpsnr=target_xpsnr,
        sample=sample,
        accept_partial=accept_partial,
    )
    wired = wiring()
    made = run_to_the_end(lambda: pipeline.admit(request, wired))
    if out is not None:
        from ..kept_plan import keep

        keep(request, made, out, pace=wired.coefficients.pace)
    if plot is not None:
        from ..show.plot import draw

        draw(made, plot)
    found = ranked(made, dict(rates), wired.coefficients)
    if as_json:
        click.echo(made.model_copy(update={"ranking": found}).to_json(indent=2))
    else:
        wide = columns()
        told = ranking_text(found, dict(rates), wired.coefficients, width=wide)
        click.echo(f"{explain(made, width=wide).rstrip()}\n\n{told}".rstrip())


@transcode.command(short_help="Show what is in a file.")
@source_argument
@output_options
def probe(*, source: str, as_json: bool) -> None:
    """
    Show what is in SOURCE: streams, sizes, rates, colours, keyframes.

    Nothing is decoded and only a little of the file is read, in a process of its own
    that has no access to anything else.

    \b
    Examples:
      transcode probe clip.mov
      transcode probe https://example.org/clip.mp4 --json
    """
    from ... import pipeline
    from ...signals import run_to_the_end
    from ..show.media import media_text

    wired = wiring()
    found, media = run_to_the_end(lambda: pipeline.probe_source(source, wired))
    click.echo(media.to_json(indent=2) if as_json else media_text(found.uri, media))


_BESIDE_A_PLAN = ("kept", "to", "quiet", "as_json", "verbose", "version")


def _refuse_beside_a_plan() -> None:
    """What the plan already says cannot be said once more."""
    context = click.get_current_context()
    given = [
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name not in _BESIDE_A_PLAN
        and parameter.name is not None
        and context.get_parameter_source(parameter.name)
        is click.core.ParameterSource.COMMANDLINE
    ]
    given = ["SOURCE" if name == "sources" else name for name in given]
    if given:
        raise click.UsageError(
            f"The plan says all of that already; leave out {', '.join(given)}."
        )


def _request(  # noqa: PLR0913 - one argument per option
    *,
    source: str,
    profile: str,
    to: str = "transcoded",
    platform: str | None,
    engine: str = "local",
    deadline_seconds: float | None,
    budget: Decimal | None,
    memory_mib: int | None,
    optimize: str,
    chunks: int | None,
    target_vmaf: float | None,
    target_xpsnr: float | None,
    sample: str,
    accept_partial: bool,
) -> Request:
    from ...request import Request

    return Request.model_validate(
        {
            "source": source,
            "profile": profile,
            "to": to,
            "platform": platform,
            "engine": engine,
            "deadline_seconds": deadline_seconds,
            "budget": None if budget is None else format(budget, "f"),
            "memory_mib": memory_mib,
            "optimize": optimize,
            "chunks": chunks,
            "target_vmaf": target_vmaf,
            "target_xpsnr": target_xpsnr,
            "sample": sample,
            "accept_partial": accept_partial,
            **treatment(),
        }
    )
