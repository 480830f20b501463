"""A month's statement: functions at list price, and the free tier off the whole."""

from __future__ import annotations

from dataclasses import replace
from decimal import Context, Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.ledger.statement import Used, month_statement
from transcode.platforms.platform import Platform, parse_platform, spec_for_memory
from transcode.platforms.price import ReservedInstance

FOLDER = Path(__file__).resolve().parents[2] / "profiles/platforms"


def load(name: str) -> Platform:
    path = FOLDER / f"{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


def used(
    platform: Platform, memory_mib: int, milliseconds: int, *, kind: str = "encode"
) -> Used:
    spec = spec_for_memory(platform, memory_mib)
    return Used(
        month="2026-10",
        platform=platform.name,
        price_table=platform.price_table.isoformat(),
        kind=kind,
        memory_mib=memory_mib,
        milli_cpus=spec.milli_cpus,
        scratch_mib=None,
        attempts=2,
        requests=2,
        billed_milliseconds=milliseconds,
    )


def test_the_vendors_own_month_comes_out_with_its_functions() -> None:
    """
    FunctionGraph's example of 35.55871 CNY, from records and two reserved instances.
    """
    platform = load("functiongraph")
    ran = used(platform, 512, 1_000_000_000)
    small = spec_for_memory(platform, 128)
    held = ReservedInstance(spec=small, held_seconds=12 * 86_400, requests=100_000)
    idle = ReservedInstance(
        spec=small,
        held_seconds=10 * 86_400,
        busy_seconds=500_000,
        idle_mode=True,
        requests=100_000,
    )

    made = month_statement(
        platform,
        "2026-10",
        [replace(ran, requests=2_000_000)],
        reserved=[held, idle],
    )

    assert Decimal("35.55871") == made.bill.total.amount
    assert [("encode", 2_000_000, Decimal(500_000))] == [
        (line.function, line.requests, line.memory_gib_seconds)
        for line in made.functions
    ]


def test_a_platform_without_a_spec_for_each_call_has_a_function_for_each_spec() -> None:
    """
    On FunctionGraph one function takes them all; on Lambda memory is the function's.
    """
    for name, names in (
        ("functiongraph", ["encode"]),
        ("aws-lambda", ["encode/1024", "encode/2048"]),
    ):
        platform = load(name)
        ran = [used(platform, 1024, 1000), used(platform, 2048, 1000)]

        made = month_statement(platform, "2026-10", ran)

        assert names == [line.function for line in made.functions]


def test_other_months_and_platforms_are_left_out() -> None:
    """
    A statement is of one month of one platform.
    """
    platform = load("aws-lambda")
    other = used(load("functiongraph"), 1024, 5000)

    made = month_statement(platform, "2026-09", [used(platform, 1024, 5000), other])

    assert ((), Decimal(0)) == (made.functions, made.bill.total.amount)


@pytest.mark.parametrize("name", ["functiongraph", "aws-lambda", "cloud-run"])
@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([512, 1024, 4096]),
            st.integers(0, 10**10),
            st.sampled_from(["encode", "join"]),
        ),
        max_size=5,
    )
)
def test_the_gross_is_exactly_its_functions_and_never_below_the_bill(
    name: str, ran: list[tuple[int, int, str]]
) -> None:
    """
    The free tier only ever takes away, and not more than there is.
    """
    platform = load(name)
    rows = [used(platform, memory, ms, kind=kind) for memory, ms, kind in ran]

    made = month_statement(platform, "2026-10", rows)

    with localcontext(Context(prec=100)):
        assert made.gross.amount == sum((f.amount for f in made.functions), Decimal(0))
        parts = sum((line.amount for line in made.bill.lines), Decimal(0))
    assert parts == made.bill.total.amount
    assert Decimal(0) <= made.bill.total.amount <= made.gross.amount
