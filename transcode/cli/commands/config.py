"""`config`: which settings hold, and where each comes from."""

from __future__ import annotations

import os

import click

from .. import settings_file
from ..options import output_options

# Imported late, as in `commands`.
# ruff: noqa: PLC0415


@click.command(short_help="Show the settings that hold, and where they come from.")
@output_options
def config(*, as_json: bool) -> None:
    """
    Show every setting, its value, and where it comes from; secrets are not shown.

    Settings stand in transcode.toml, in your folder of configurations and in the
    working folder; TRANSCODE_… variables are over them, and options over all. The
    table [options] says what --profile, --to and so on are where they are not given.

    \b
    Examples:
      transcode config
      transcode config --json
    """
    from ...settings import Settings
    from ..show.config import gathered, settings_json, settings_text
    from ..state import settings_here

    files = settings_file.files()
    settings = settings_here()
    origins = Settings.origins(os.environ, [one.layer() for one in files])
    found = gathered(settings, origins)
    click.echo(settings_json(found, files) if as_json else settings_text(found, files))
