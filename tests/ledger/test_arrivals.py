"""How many at once, what holding an instance ready costs, and how large a pool is."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.ledger.arrivals import BusySpan, Load, WarmPool, load, pool, reserve
from transcode.platforms.platform import Platform, parse_platform, spec_for_memory

FOLDER = Path(__file__).resolve().parents[2] / "profiles/platforms"
START = datetime(2026, 10, 1, tzinfo=UTC)


def platform(name: str) -> Platform:
    path = FOLDER / f"{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


def span(begin: int, seconds: int) -> BusySpan:
    first = START + timedelta(seconds=begin)
    return BusySpan(first, first + timedelta(seconds=seconds))


def seen(*times: tuple[int, int]) -> Load:
    found = load([span(*it) for it in times])
    assert found is not None
    return found


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), min_size=1, max_size=12)
)
def test_concurrency_is_what_counting_every_second_gives(
    times: list[tuple[int, int]],
) -> None:
    """At each whole second, how many run; and Little's law on average."""
    counts = [sum(b <= t < b + length for b, length in times) for t in range(70)]

    found = seen(*times)

    assert max(counts) == found.most
    for level, seconds in enumerate(found.at_least, 1):
        assert sum(count >= level for count in counts) == seconds
    arrivals = len(times) / found.seconds
    each = sum(length for _, length in times) / len(times)
    assert math.isclose(arrivals * each, found.average)
    over = sum(count > found.ninety_nine for count in counts)
    assert over <= sum(count > 0 for count in counts) / 100


def test_one_after_another_is_one_at_a_time() -> None:
    """An end at the moment of a begin frees its place."""
    assert (1, 1) == (seen((0, 5), (5, 5)).most, seen((0, 5), (5, 5)).instances())


def test_an_instance_that_takes_several_at_once_makes_fewer() -> None:
    """Rounded up."""
    assert 2 == seen((0, 9), (0, 9), (0, 9)).instances(2)


def test_a_minute_of_nothing_makes_the_next_call_cold() -> None:
    """Sooner than that the instance is still there."""
    assert (2,) == seen((0, 5), (20, 5), (200, 5)).cold


def test_nothing_ran_is_no_load() -> None:
    """Rather than a load of zeroes."""
    assert load([]) is None


def test_holding_an_instance_pays_from_the_break_even_on() -> None:
    """Idle time against cold starts, both at the platform's own prices."""
    table = platform("functiongraph")
    spec = spec_for_memory(table, 1024)
    (first,) = reserve(seen((0, 100), (1000, 100)), table, spec)

    second = table.price.gib_second
    assert table.reserved is not None
    idle = 900 * table.reserved.idle_gib_second
    assert (200, 1100, 2) == (first.busy_seconds, first.held_seconds, first.cold_starts)
    assert idle == first.held - first.on_demand
    assert not first.pays
    assert first.break_even_seconds is not None
    assert math.isclose(float(idle / second / 2), first.break_even_seconds)


def test_a_reserved_instance_is_held_a_minute_at_least() -> None:
    """So for a short burst it never pays."""
    table = platform("functiongraph")
    spec = spec_for_memory(table, 1024)
    (first,) = reserve(seen((0, 10)), table, spec)

    assert table.reserved is not None
    assert 50 * table.reserved.idle_gib_second == first.held - first.on_demand


def test_where_there_are_no_reserved_instances_nothing_is_said() -> None:
    """No price is made up."""
    table = platform("aws-lambda")

    assert () == reserve(seen((0, 10)), table, spec_for_memory(table, 1024))


@pytest.mark.parametrize(
    ("concurrency", "calls", "limit", "instances", "size"),
    [
        (5, 2, 30_000, 400, WarmPool(10, 75)),  # the documented example
        (1, 1, 100, 400, WarmPool(1, 0)),
    ],
)
def test_a_pool_lies_between_what_is_wanted_and_what_is_allowed(
    concurrency: int, calls: int, limit: int, instances: int, size: WarmPool
) -> None:
    """Concurrency times calls; the limit over the instances."""
    found = pool(
        concurrency=concurrency,
        calls=calls,
        connection_limit=limit,
        max_instances=instances,
    )

    assert size == found
    assert (size.most >= size.least) == found.possible
