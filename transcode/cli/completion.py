"""Shell completion: the script a shell reads, and the names it offers."""

from __future__ import annotations

import click

VARIABLE = "_TRANSCODE_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
_DIGITS = 12
_MOST_JOBS = 100


def script(group: click.Command, shell: str) -> str:
    """The script for *shell*; raises `click.UsageError` for one we do not know."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - rarely

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
    from ..wiring import wire  # noqa: PLC0415
    from .show.data import title  # noqa: PLC0415
    from .state import known_settings  # noqa: PLC0415

    try:
        wiring = wire(known_settings())
        found = (
            wiring.catalog.profiles()
            if kind == "profiles"
            else wiring.catalog.platforms()
        )
    except TranscodeError:
        return []
    return [(one.name, title(one)) for one in found]


def known_jobs(to: str, begins: str) -> list[tuple[str, str]]:
    """
    Id and status of the newest jobs, as the index last saw them: a shell that waits
    for a store is no help.
    """
    from itertools import islice  # noqa: PLC0415 - only when a shell asks

    import anyio  # noqa: PLC0415

    from ..errors import TranscodeError  # noqa: PLC0415
    from ..ledger.index import Index  # noqa: PLC0415
    from ..store.open import bucket, state_name  # noqa: PLC0415
    from .state import folder, known_settings  # noqa: PLC0415

    async def named() -> str:
        async with bucket(to, settings) as store:
            return state_name(store, settings)

    try:
        settings = known_settings()
        with Index.open(folder(settings), anyio.run(named)) as index:
            found = (it for it in index.lines() if it.job_id.startswith(begins))
            return [
                (it.job_id[:_DIGITS], f"{it.status} {it.folder}")
                for it in islice(found, _MOST_JOBS)
            ]
    except TranscodeError:
        return []
