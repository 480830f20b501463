"""What jobs left at a destination, through its index, brought up to date first."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ..settings import Settings
from ..units import nearest, one_line, plural
from . import settings_file

# What brings an index up to date is loaded where that is to be done.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from ..ledger.index import Index, Synced
    from ..ledger.reading import IndexReader
    from ..store.bucket import Bucket

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
    return _ask(settings_here(), to, question)


def _ask(
    settings: Settings,
    to: str,
    question: Callable[[Index, Bucket], Awaitable[Answer]],
) -> Answer:
    from ..ledger.index import Index
    from ..signals import run_to_the_end
    from ..store.open import bucket, state_name

    async def work() -> Answer:
        async with bucket(to, settings) as store:
            with Index.open(folder(settings), state_name(store, settings)) as index:
                warn(await index.sync(store))
                return await question(index, store)

    return run_to_the_end(work)


def ask_index(to: str, question: Callable[[Index], Answer]) -> Answer:
    """Like `ask`, for what the index alone can answer."""

    async def answer(index: Index, _store: Bucket) -> Answer:
        return question(index)

    return ask(to, answer)


def ask_list(to: str, question: Callable[[IndexReader], Answer]) -> Answer:
    """Like `ask_index`, for what is listed: at once, where nothing has changed."""
    from ..access.address import is_local
    from ..ledger.reading import IndexReader
    from ..store.folder_source import absolute
    from ..store.stamps import folder_stamp

    settings = settings_here()
    if is_local(to):
        root = absolute(to)
        with IndexReader.open(folder(settings), str(root)) as index:
            if index.is_current(partial(folder_stamp, root)):
                return question(index)

    async def answer(index: Index, _store: Bucket) -> Answer:
        return question(index)

    return _ask(settings, to, answer)


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
