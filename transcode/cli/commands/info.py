"""The commands that say what there is: profiles, platforms, this machine, shells."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import PLATFORM, PROFILE, output_options

# Imported late, as in `commands`.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from ...wiring import Wiring


def wiring() -> Wiring:
    """Everything, by the settings in the environment; raises `SettingsError`."""
    from ...wiring import wire
    from ..state import settings_here

    return wire(settings_here())


@click.command(short_help="List the profiles, or show one.")
@click.argument("name", required=False, type=PROFILE)
@output_options
def profiles(*, name: str | None, as_json: bool) -> None:
    """
    List the profiles, or show what one of them makes.

    A profile says what to make. NAME may also be a TOML file of your own.

    \b
    Examples:
      transcode profiles
      transcode profiles hls
      transcode profiles ./mine.toml --json
    """
    from ..show.data import list_text, one_text, to_json

    wired = wiring()
    if name is None:
        found = wired.catalog.profiles()
        click.echo(to_json(found) if as_json else list_text(found))
    else:
        one = wired.catalog.profile(name)
        click.echo(one.to_json(indent=2) if as_json else one_text(one))


@click.command(short_help="List the platforms, or show one's specs and prices.")
@click.argument("name", required=False, type=PLATFORM)
@output_options
def platforms(*, name: str | None, as_json: bool) -> None:
    """
    List the platforms, or show one: its specs, limits and prices.

    A platform says which resource specs can be had and what they cost. NAME may also
    be a TOML file of your own.

    \b
    Examples:
      transcode platforms
      transcode platforms functiongraph
    """
    from ..show.data import list_text, one_text, to_json

    wired = wiring()
    if name is None:
        found = wired.catalog.platforms()
        click.echo(to_json(found) if as_json else list_text(found))
    else:
        one = wired.catalog.platform(name)
        click.echo(one.to_json(indent=2) if as_json else one_text(one))


@click.command(short_help="Check what this machine can do.")
@output_options
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """
    Check what this machine can do, and say what to do about what it cannot.

    Exit code 0 unless something is missing that the default profile needs.
    """
    from ..columns import columns
    from ..state import known_settings
    from .doctor import examine, report_json, report_text, works

    findings = examine(known_settings())
    click.echo(
        report_json(findings) if as_json else report_text(findings, width=columns())
    )
    ctx.exit(0 if works(findings) else 2)


@click.command(short_help="Print a shell completion script.")
@click.argument("shell", required=False, type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, *, shell: str | None) -> None:
    """
    Print a script that completes commands, options, profiles and platforms.

    Without an argument it is for the shell you are in.

    \b
    Examples:
      source <(transcode completion bash)                   now
      transcode completion bash > ~/.local/share/bash-completion/completions/transcode
      transcode completion zsh > ~/.zfunc/_transcode        (with ~/.zfunc in fpath)
      transcode completion fish > ~/.config/fish/completions/transcode.fish
    """
    from ..completion import script

    group = ctx.find_root().command
    click.echo(script(group, shell or Path(os.environ.get("SHELL", "")).name))
