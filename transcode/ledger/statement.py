"""A month as the platform writes its bill: free tier, requests, one line a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from ..contract import Money, Spec
from ..contract.value import EXACT
from ..platforms.platform import Platform
from ..platforms.price import Bill, OnDemand, ReservedInstance, statement


@dataclass(frozen=True, slots=True)
class Used:
    """What ran in one spec in one month, as a platform counts it."""

    month: str
    platform: str
    price_table: str
    """Date of the prices that the records were billed with."""
    kind: str
    memory_mib: int
    milli_cpus: int
    scratch_mib: int | None
    attempts: int
    requests: int
    billed_milliseconds: int

    @property
    def spec(self) -> Spec:
        return Spec(
            memory_mib=self.memory_mib,
            milli_cpus=self.milli_cpus,
            scratch_mib=self.scratch_mib,
        )


@dataclass(frozen=True, slots=True)
class FunctionLine:
    """One function's part of a month, before the free tier."""

    function: str
    attempts: int
    requests: int
    billed_milliseconds: int
    memory_gib_seconds: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    month: str
    platform: str
    price_table: str
    other_tables: tuple[str, ...]
    """Dates of the prices that some records were billed with instead."""
    gross: Money
    """At list price; exactly the sum of the functions."""
    bill: Bill
    """Less the free tier, with reserved instances and flow nodes."""
    functions: tuple[FunctionLine, ...]


def month_statement(
    platform: Platform,
    month: str,
    used: Sequence[Used],
    *,
    reserved: Sequence[ReservedInstance] = (),
    flow_nodes: int = 0,
) -> Statement:
    """
    The bill of *month* for what of *used* ran on *platform* in it.

    Raises PlatformError where reserved instances or flow nodes are asked for that the
    platform does not have or has no price for.
    """
    ours = [u for u in used if u.month == month and u.platform == platform.name]
    names = sorted({_function(platform, one) for one in ours})
    functions = tuple(
        _line(platform, name, [one for one in ours if _function(platform, one) == name])
        for name in names
    )
    with localcontext(EXACT):
        gross = sum((line.amount for line in functions), Decimal(0))
    table = platform.price_table.isoformat()
    return Statement(
        month=month,
        platform=platform.name,
        price_table=table,
        other_tables=tuple(sorted({one.price_table for one in ours} - {table})),
        gross=Money(amount=gross, currency=platform.currency),
        bill=statement(
            platform,
            on_demand=[_on_demand(one) for one in ours],
            reserved=reserved,
            flow_nodes=flow_nodes,
        ),
        functions=functions,
    )


def _function(platform: Platform, used: Used) -> str:
    """One function takes any spec where the platform lets it; else one to each."""
    return (
        used.kind if platform.spec_per_invocation else f"{used.kind}/{used.memory_mib}"
    )


def _on_demand(used: Used) -> OnDemand:
    return OnDemand(
        spec=used.spec,
        requests=used.requests,
        billed_milliseconds=used.billed_milliseconds,
    )


def _line(platform: Platform, name: str, used: Sequence[Used]) -> FunctionLine:
    gross = statement(
        platform.model_copy(update={"free_tier": None}),
        on_demand=[_on_demand(one) for one in used],
    )
    with localcontext(EXACT):
        memory = sum(
            (
                Decimal(one.billed_milliseconds) / 1000 * one.memory_mib / 1024
                for one in used
            ),
            Decimal(0),
        )
    return FunctionLine(
        function=name,
        attempts=sum(one.attempts for one in used),
        requests=sum(one.requests for one in used),
        billed_milliseconds=sum(one.billed_milliseconds for one in used),
        memory_gib_seconds=memory,
        amount=gross.total.amount,
    )
