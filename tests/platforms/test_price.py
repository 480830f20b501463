"""Money: every platform's own rules, exactly."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import Money, Spec, StoreRequests, Usage
from transcode.errors import PlatformError
from transcode.platforms.platform import Platform, parse_platform, spec_for_memory
from transcode.platforms.price import (
    OnDemand,
    ReservedInstance,
    bill,
    billed_milliseconds,
    cost,
    longest_seconds,
    reserved_seconds,
    statement,
)

FOLDER = Path(__file__).resolve().parents[2] / "profiles/platforms"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str) -> Platform:
    path = FOLDER / f"{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


def used(wall_seconds: float) -> Usage:
    return Usage(wall_seconds=wall_seconds, cpu_seconds=1, peak_memory_bytes=None)


def amounts(name: str, spec: Spec, wall_seconds: float) -> dict[str, str]:
    lines = bill(load(name), spec, used(wall_seconds)).lines
    return {line.item: format(line.amount, "f") for line in lines}


def test_the_documented_monthly_example_comes_out_to_the_last_digit() -> None:
    """
    FunctionGraph's own billing example: 35.55871 CNY, requests 1.596 of it.
    """
    platform = load("functiongraph")
    small = spec_for_memory(platform, 128)

    month = statement(
        platform,
        on_demand=[
            OnDemand(
                spec=spec_for_memory(platform, 512),
                requests=2_000_000,
                billed_milliseconds=2_000_000 * 500,
            )
        ],
        reserved=[
            ReservedInstance(spec=small, held_seconds=12 * 86_400, requests=100_000),
            ReservedInstance(
                spec=small,
                held_seconds=10 * 86_400,
                busy_seconds=5 * 100_000,
                idle_mode=True,
                requests=100_000,
            ),
        ],
    )

    assert Money(amount=Decimal("35.55871"), currency="CNY") == month.total
    assert {
        "memory": Decimal("32.446468"),
        "requests": Decimal("1.596"),
        "reserved, idle": Decimal("1.516242"),
    } == {line.item: line.amount for line in month.lines}


def test_the_free_tier_covers_a_small_month_but_no_idle_instance() -> None:
    """
    What ran is free up to the tier; what waited is not.
    """
    platform = load("functiongraph")
    spec = spec_for_memory(platform, 1024)
    waited = ReservedInstance(spec=spec, held_seconds=3600, idle_mode=True)

    month = statement(
        platform,
        on_demand=[OnDemand(spec=spec, requests=10, billed_milliseconds=400_000_000)],
        reserved=[waited],
    )

    assert [("reserved, idle", Decimal("0.1199664"))] == [
        (line.item, line.amount) for line in month.lines
    ]


@pytest.mark.parametrize(
    ("held", "billed"), [(0.5, 60), (51, 60), (60, 60), (60.2, 61), (61, 61)]
)
def test_a_reserved_instance_is_billed_a_minute_then_whole_seconds(
    held: float, billed: int
) -> None:
    """
    The documented examples: 51 s as 60 s, 61 s as 61 s.
    """
    assert billed == reserved_seconds(load("functiongraph"), held)


def test_a_platform_without_reserved_instances_says_so() -> None:
    """
    No price is made up for what a table does not hold.
    """
    with pytest.raises(PlatformError, match="aws-lambda has no reserved instances"):
        reserved_seconds(load("aws-lambda"), 60)


@pytest.mark.parametrize(
    ("name", "wall", "billed"),
    [
        ("functiongraph", 0.0005, 1),
        ("functiongraph", 0.0023, 3),
        ("functiongraph", 1.001, 1001),
        ("aws-lambda", 0.1 + 0.2, 300),
        ("cloud-run", 0.001, 100),
        ("cloud-run", 1.2345, 1300),
        ("cloud-run", 0.3, 300),
        ("aws-fargate", 3.02, 60_000),
        ("aws-ec2", 60.2, 61_000),
    ],
)
def test_billed_time_is_rounded_up_by_the_platforms_step(
    name: str, wall: float, billed: int
) -> None:
    """
    1 ms, 100 ms or 1 s, always up, never up from a whole step, and on some a minute.
    """
    assert billed == billed_milliseconds(load(name), wall)


def test_lambda_bills_scratch_above_what_is_free() -> None:
    """
    ms/1000 x MiB/1024 x rate, (scratch - 512)/1024 x rate, and one request.
    """
    spec = Spec(memory_mib=2048, milli_cpus=1157, scratch_mib=1536)

    assert {
        "memory": "0.0000333334",
        "scratch": "0.0000000309",
        "requests": "0.0000002",
    } == amounts("aws-lambda", spec, 1)


def test_vcpu_and_memory_are_priced_apart_where_a_platform_does() -> None:
    """
    Cloud Run in dollars, Function Compute in compute units at a price each.
    """
    spec = Spec(memory_mib=2048, milli_cpus=2000)

    assert {
        "compute": "0.000048",
        "memory": "0.000005",
        "requests": "0.0000004",
    } == amounts("cloud-run", spec, 1)
    assert {
        "compute": "0.00004",
        "memory": "0.000006",
        "requests": "0.00000015",
    } == amounts("alibaba-fc", spec, 1)


def test_a_price_per_hour_is_a_price() -> None:
    """
    This machine's notional price is given per vCPU-hour and GiB-hour.
    """
    spec = Spec(memory_mib=1024, milli_cpus=2000)

    assert {"compute": "0.072", "memory": "0.0045"} == amounts("local", spec, 3600)


def test_containers_and_machines_are_priced_by_the_hour() -> None:
    """
    Fargate by vCPU and GiB, scratch above 20 GiB; of a machine, memory comes with it.
    """
    spec = Spec(memory_mib=4096, milli_cpus=2000, scratch_mib=21 * 1024)

    assert {
        "compute": "0.0809599999968",  # a second's price is cut at 15 decimals
        "memory": "0.0177799999968",
        "scratch": "0.0001109999988",
    } == amounts("aws-fargate", spec, 3600)
    assert {"compute": "0.0892499999976", "scratch": "0.0023100000336"} == amounts(
        "aws-ec2", spec, 3600
    )


def test_less_than_a_minute_of_a_container_cannot_be_bought() -> None:
    """
    The shortest invocation costs a minute, so half of its price buys nothing.
    """
    fargate, spec = load("aws-fargate"), Spec(memory_mib=2048, milli_cpus=1000)
    minute = bill(fargate, spec, used(1)).total.amount

    assert 60.0 == longest_seconds(fargate, spec, minute)
    assert 0.0 == longest_seconds(fargate, spec, minute / 2)


def test_what_the_platform_reported_is_billed_and_not_our_own_clock() -> None:
    """
    Billed milliseconds, where known, decide.
    """
    usage = used(9.9).model_copy(update={"billed_milliseconds": 1000})
    spec = Spec(memory_mib=1024, milli_cpus=1000)

    found = bill(load("functiongraph"), spec, usage).lines[0].amount

    assert Decimal("0.00011108") == found


walls = st.floats(min_value=0, max_value=1e6, allow_nan=False)
memories = st.integers(min_value=128, max_value=10_240)
scratches = st.integers(min_value=0, max_value=10_240)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(wall=walls, more=walls, memory=memories, scratch=scratches)
def test_no_bill_falls_when_more_is_used(
    name: str, wall: float, more: float, memory: int, scratch: int
) -> None:
    """
    Monotone in time, memory, CPU and scratch.
    """
    platform = load(name)

    def cost(wall: float, memory: int, milli: int, scratch: int) -> Decimal:
        spec = Spec(memory_mib=memory, milli_cpus=milli, scratch_mib=scratch)
        return bill(platform, spec, used(wall)).total.amount

    least = cost(wall, memory, 1000, scratch)

    assert least <= cost(wall + more, memory, 1000, scratch)
    assert least <= cost(wall, memory + 1, 1000, scratch)
    assert least <= cost(wall, memory, 1001, scratch)
    assert least <= cost(wall, memory, 1000, scratch + 1)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(wall=walls, memory=memories, scratch=scratches)
def test_a_bill_is_exactly_the_sum_of_its_lines(
    name: str, wall: float, memory: int, scratch: int
) -> None:
    """
    Not one digit is rounded away, in a line or in the total, nor where nobody asks for
    the lines.
    """
    spec = Spec(memory_mib=memory, milli_cpus=1234, scratch_mib=scratch)
    asked = StoreRequests(puts=memory, gets=3)
    usage = used(wall).model_copy(update={"store": asked})

    made = bill(load(name), spec, usage)

    assert made.total.to_json() == cost(load(name), spec, usage).to_json()

    with localcontext(Context(prec=100)):
        assert all(it.quantity * it.unit_price == it.amount for it in made.lines)
        assert made.total.amount == sum((it.amount for it in made.lines), Decimal(0))


def test_node_executions_of_a_flow_are_free_up_to_the_tier() -> None:
    """
    What a month holds for nothing costs nothing, known price or not.
    """
    assert () == statement(load("functiongraph"), flow_nodes=5000).lines


def test_a_node_price_that_nobody_knows_is_not_made_up() -> None:
    """
    FunctionGraph's list has none to be found; a table that has one is used.
    """
    platform = load("functiongraph")
    assert platform.flow is not None
    priced = platform.model_copy(
        update={
            "flow": platform.flow.model_copy(
                update={"per_thousand_nodes": Decimal("0.18")}
            )
        }
    )

    with pytest.raises(PlatformError, match="1000 of 6000 node executions"):
        statement(platform, flow_nodes=6000)
    with pytest.raises(PlatformError, match="no function flows"):
        statement(load("aws-lambda"), flow_nodes=1)
    assert Decimal("0.18") == statement(priced, flow_nodes=6000).total.amount
