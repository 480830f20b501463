"""Shell completion: the script a shell reads, and the names it offers."""

from __future__ import annotations

import os

import click
from click.shell_completion import get_completion_class

VARIABLE = "_TRANSCODE_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


def script(group: click.Command, shell: str) -> str:
    """The script for *shell*; raises `click.UsageError` for one we do not know."""
    kind = get_completion_class(shell) if shell in SHELLS else None
    if kind is None:
        raise click.UsageError(
            f"cannot tell which shell this is ({shell or 'SHELL is not set'}); "
            f"name it: transcode completion {'|'.join(SHELLS)}"
        )
    return kind(group, {}, "transcode", VARIABLE).source().rstrip()


def known(kind: str) -> list[tuple[str, str]]:
    """Name and title of every profile or platform; nothing where they are broken."""
    from ..errors import TranscodeError  # noqa: PLC0415 - only when a shell asks
    from ..settings import Settings  # noqa: PLC0415
    from ..wiring import wire  # noqa: PLC0415
    from .show.data import title  # noqa: PLC0415

    try:
        wiring = wire(Settings.from_environment(os.environ))
        found = (
            wiring.catalog.profiles()
            if kind == "profiles"
            else wiring.catalog.platforms()
        )
    except TranscodeError:
        return []
    return [(one.name, title(one)) for one in found]
