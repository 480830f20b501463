"""The command that sets up functions, and looks at what stands on a platform."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

import click

from ..options import output_options
from .info import wiring

# ruff: noqa: PLC0415 - as in `commands`: only what a command needs is imported

if TYPE_CHECKING:
    from ...deploy.report import DeployReport
    from ...wiring import Wiring

LOOKS: Mapping[str, str] = {
    "functiongraph": "functiongraph",
    "aws-lambda": "aws_lambda",
    "kubernetes": "kubernetes",
    "ray": "ray",
}
"""Target → the module of `transcode/deploy/` whose `look` says what stands there."""
WRITES = ("functiongraph",)
"""Those that are set up by us; its module has `apply`, too."""
DRIFTED = 4
"""The exit code where something is not as it is wanted; the contract's "failed"."""


@click.command(short_help="Set up a platform's functions, or check what is there.")
@click.argument("target", type=click.Choice(tuple(LOOKS)))
@click.option(
    "--check", is_flag=True, help="Only read; exit code 4 where something is missing."
)
@click.option("--yes", is_flag=True, help="Do what is shown. Without it, only show it.")
@output_options
@click.pass_context
def deploy(
    ctx: click.Context, *, target: str, check: bool, yes: bool, as_json: bool
) -> None:
    """
    Show what stands on a platform beside what the settings ask for, and with --yes
    bring it there.

    Only `functiongraph` is set up by this command; of `aws-lambda`, `kubernetes` and
    `ray` it says what is missing (--check), and templates do the rest.

    \b
    Examples:
      transcode deploy functiongraph              what would be changed
      transcode deploy functiongraph --yes        change it
      transcode deploy --check kubernetes         what is missing there
    """
    if check and yes:
        raise click.UsageError("--check only reads; leave out --yes.")
    if not check and target not in WRITES:
        raise click.UsageError(
            f"{target} is not set up by this command; `transcode deploy --check "
            f"{target}` says what is missing there."
        )
    from ...signals import run_to_the_end
    from ..show.deploy import report_text

    wired = wiring()
    module = import_module(f"transcode.deploy.{LOOKS[target]}")
    act: Callable[[Wiring], Awaitable[DeployReport]] = (
        module.apply if yes else module.look
    )
    report = run_to_the_end(lambda: act(wired))
    if as_json:
        document = {
            "schema": "transcode/deploy/1",
            "status": "drifted" if report.drifted and not yes else "as_wanted",
            **report.model_dump(mode="json"),
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(report_text(report, may_apply=target in WRITES and not check))
    ctx.exit(DRIFTED if check and report.drifted else 0)
