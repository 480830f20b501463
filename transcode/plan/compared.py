"""What the same would cost elsewhere, as text: other platforms, managed services."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ..contract import Elsewhere, ServicePrice
from .words import columns, cpus, duration, money

WIDTH = 80


def elsewhere(others: Sequence[Elsewhere]) -> Iterator[str]:
    if not others:
        return
    yield "The same on other platforms"
    fitting = [it for it in others if it.cost is not None and it.spec is not None]
    rows = [
        (
            it.platform,
            f"{f'{it.chunks} x ' if it.chunks > 1 else ''}{it.spec.memory_mib} MiB",
            cpus(it.spec),
            duration(it.wall_seconds),
            money(it.cost),
        )
        for it in fitting
        if it.spec is not None and it.cost is not None
    ]
    yield from (f"  {line}" for line in columns(rows, right=(1, 2, 3, 4)))
    for it in others:
        if it.cost is None:
            first = f"  {it.platform}: "
            yield from wrapped(it.reason or "does not fit", first=first, rest="    ")


def at_services(services: Sequence[ServicePrice]) -> Iterator[str]:
    if not services:
        return
    yield "The same renditions at a managed service's list price"
    rows = [
        (it.service, money(it.cost), f"{money(it.per_minute)} a minute")
        for it in services
        if it.cost is not None and it.per_minute is not None
    ]
    yield from (f"  {line}" for line in columns(rows, right=(1, 2)))
    for it in services:
        if it.cost is None:
            first = f"  {it.service}: "
            yield from wrapped(it.reason or "not known", first=first, rest="    ")


def wrapped(text: str, *, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
