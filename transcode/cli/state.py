"""What jobs left at a destination, through its index, brought up to date first."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from ..ledger.index import Index, Synced
from ..settings import Settings
from ..signals import run_to_the_end
from ..store.bucket import Bucket
from ..store.open import bucket
from ..units import nearest, one_line, plural
from . import settings_file

Answer = TypeVar("Answer")
_SHOWN = 3


def settings_here() -> Settings:
    """
    Those of the environment over those of the files; what looks like one and is none is
    said. Raises `SettingsError`.
    """
    for name in Settings.unknown_in(os.environ):
        meant = nearest(name, Settings.variables())
        text = f"transcode: {name} is no setting and changes nothing.{meant}"
        click.echo(one_line(text), err=True)
    return known_settings()


def known_settings() -> Settings:
    """As `settings_here`, and nothing is said."""
    layers = [one.layer() for one in settings_file.files() if one.there]
    return Settings.from_environment(os.environ, layers)


def ask(to: str, question: Callable[[Index, Bucket], Awaitable[Answer]]) -> Answer:
    """Ask the index of the state at *to*; what is strange there goes to stderr."""
    settings = settings_here()

    async def work() -> Answer:
        async with bucket(to, settings) as store:
            with Index.open(folder(settings), store.uri()) as index:
                warn(await index.sync(store))
                return await question(index, store)

    return run_to_the_end(work)


def ask_index(to: str, question: Callable[[Index], Answer]) -> Answer:
    """Like `ask`, for what the index alone can answer."""

    async def answer(index: Index, _store: Bucket) -> Answer:
        return question(index)

    return ask(to, answer)


def folder(settings: Settings) -> Path:
    """Where indexes are kept: as set, else in the user's cache folder."""
    return settings.index_folder(os.environ)


def warn(synced: Synced) -> None:
    """Say what of the state could not be read; nothing of it is counted."""
    strange = synced.strange
    if not strange:
        return
    count = plural(len(strange), "object")
    click.echo(f"transcode: {count} in the state cannot be read:", err=True)
    for one in strange[:_SHOWN]:
        click.echo(one_line(f"  {one.key}: {one.why}"), err=True)
    if len(strange) > _SHOWN:
        click.echo(f"  and {len(strange) - _SHOWN} more", err=True)
