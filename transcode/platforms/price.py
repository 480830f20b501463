"""
(spec, usage) → money, by a platform's own rules, exactly.

GB means GiB (MiB / 1024) on every platform here. Amounts are never rounded: what a job
costs is the sum of its lines, and a month is the sum of its jobs less the free tier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext

from pydantic import NonNegativeInt, PositiveInt

from ..contract import (
    Amount,
    Gpu,
    Money,
    Spec,
    StoreRequests,
    StoreTerms,
    Usage,
    Value,
)
from ..contract.value import EXACT
from ..errors import PlatformError
from .platform import Platform, Prices

PER_HOUR_DIGITS = Decimal("1e-15")
"""A price per hour has no finite price per second; this is where it is cut."""
MIB_PER_GIB = 1024
MILLISECONDS = Decimal(1000)


class Line(Value):
    """One line of a bill; `amount` is exactly `quantity` times `unit_price`."""

    item: str
    quantity: Amount
    unit: str
    unit_price: Amount
    amount: Amount


class Bill(Value):
    lines: tuple[Line, ...]
    total: Money
    """Exactly the sum of the lines."""


def billed_milliseconds(platform: Platform, wall_seconds: float) -> int:
    """
    Wall time as the platform bills it, in milliseconds: rounded up to its step, and no
    less than its minimum.
    """
    step = platform.billing.round_up_milliseconds
    least = platform.billing.minimum_milliseconds
    # A tenth of a microsecond forgives what binary fractions add to a whole step.
    return max(math.ceil(round(wall_seconds * 1000 / step, 7)) * step, least)


def start_seconds(platform: Platform, spec: Spec) -> float:
    """How long a new instance of this spec is billed before it works."""
    start = platform.start
    if start is None:
        return 0.0
    return start.cpu_seconds / min(spec.milli_cpus / 1000, 1.0)


def expected_start_seconds(platform: Platform, spec: Spec) -> float:
    """
    What starts add to a call on average: their time, by the share of calls that the
    platform's file assumes to find no instance waiting.
    """
    share = 0.0 if platform.start is None else platform.start.share
    return share * start_seconds(platform, spec)


def longest_seconds(
    platform: Platform,
    spec: Spec,
    amount: Decimal,
    *,
    store: StoreRequests | None = None,
) -> float | None:
    """
    The wall time after which one invocation of this spec has cost *amount* at most,
    with what it will ask of the *store*.

    In whole billing steps, so that one more step would cost more; 0 where not even the
    first can be paid, None where time costs nothing.
    """
    step = platform.billing.round_up_milliseconds
    nothing = Usage(
        wall_seconds=0.0,
        billed_milliseconds=0,
        cpu_seconds=0.0,
        peak_memory_bytes=None,
        store=store,
    )
    one = nothing.model_copy(update={"billed_milliseconds": step})
    fixed = cost(platform, spec, nothing).amount
    with localcontext(EXACT):
        each = cost(platform, spec, one).amount - fixed
        if not each:
            return None
        steps = max((amount - fixed) // each, Decimal(0))
        if steps * step < platform.billing.minimum_milliseconds:
            return 0.0
        return float(steps * step / MILLISECONDS)


def bill(platform: Platform, spec: Spec, usage: Usage) -> Bill:
    """
    What this usage of this spec costs at list price, before any free tier.

    Billed time is `usage.billed_milliseconds` where the platform reported one, else the
    wall time rounded up by its rule. Scratch counts above what is free. Requests to
    the store count where the platform's file knows their price.
    """
    lines = [
        _line(item, unit, quantity=quantity, price=price)
        for item, unit, quantity, price in _priced(platform, spec, usage)
    ]
    return _sum([line for line in lines if line.amount], platform)


def cost(platform: Platform, spec: Spec, usage: Usage) -> Money:
    """
    The total of `bill`, to the digit, without its lines: a plan weighs hundreds of
    specs, and asks for no more.
    """
    with localcontext(EXACT):
        amounts = (
            _plain(_plain(quantity) * _plain(price))
            for _, _, quantity, price in _priced(platform, spec, usage)
        )
        total = sum((it for it in amounts if it), Decimal(0))
    return Money(amount=total, currency=platform.currency)


def _priced(
    platform: Platform, spec: Spec, usage: Usage
) -> list[tuple[str, str, Decimal, Decimal]]:
    """(what, its unit, how much of it, the price of one), in the order of a bill."""
    milliseconds = usage.billed_milliseconds
    if milliseconds is None:
        milliseconds = billed_milliseconds(platform, usage.wall_seconds)
    free = platform.scratch.free_mib
    scratch = max((spec.scratch_mib or 0) - free, 0)
    vcpu, gib, scratch_gib, request = _unit_prices(platform.price)
    with localcontext(EXACT):
        seconds = milliseconds / MILLISECONDS
        priced = [
            ("compute", "vCPU-s", seconds * spec.milli_cpus / 1000, vcpu),
            ("memory", "GiB-s", seconds * spec.memory_mib / MIB_PER_GIB, gib),
            ("scratch", "GiB-s", seconds * scratch / MIB_PER_GIB, scratch_gib),
        ]
    if spec.gpu is not None:
        priced.append(("gpu", "GPU-s", seconds, _gpu_second(platform, spec.gpu)))
    priced.append(("requests", "request", Decimal(usage.requests), request))
    if usage.store is not None and platform.store is not None:
        put, get = _store_prices(platform)
        if put is not None and get is not None:
            asked = usage.store
            priced += [
                ("store puts", "request", Decimal(asked.puts), put),
                ("store gets", "request", Decimal(asked.gets), get),
            ]
    return priced


def store_terms(platform: Platform) -> StoreTerms | None:
    """What one request to the platform's store costs; None: its file names none."""
    store = platform.store
    if store is None:
        return None
    put, get = (
        None if each is None else Money(amount=each, currency=platform.currency)
        for each in _store_prices(platform)
    )
    return StoreTerms(name=store.name, put=put, get=get, reason=store.reason)


def _store_prices(platform: Platform) -> tuple[Decimal | None, Decimal | None]:
    """Of one PUT and one GET, in money; None: not known."""
    store, unit = platform.store, platform.price.unit_price
    if store is None:
        return None, None
    with localcontext(EXACT):
        put, get = (
            None if each is None else each / 1000 * unit
            for each in (store.puts_per_thousand, store.gets_per_thousand)
        )
    return put, get


def _gpu_second(platform: Platform, gpu: Gpu) -> Decimal:
    for card in platform.gpus:
        same = (card.kind, card.memory_mib) == (gpu.kind, gpu.memory_mib)
        if same and card.second is not None:
            with localcontext(EXACT):
                return card.second * platform.price.unit_price
    raise PlatformError(
        f"No price is known for {gpu.kind} with {gpu.memory_mib} MiB on "
        f"{platform.name}; name it in the platform's file.",
        platform=platform.name,
        gpu=gpu.kind,
    )


def _unit_prices(price: Prices) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Per vCPU-s, GiB-s of memory, GiB-s of scratch and request, in money."""
    with localcontext(EXACT):
        vcpu, gib = price.vcpu_second, price.gib_second
        if price.vcpu_hour is not None:
            vcpu = (price.vcpu_hour / 3600).quantize(PER_HOUR_DIGITS)
        if price.gib_hour is not None:
            gib = (price.gib_hour / 3600).quantize(PER_HOUR_DIGITS)
        scratch = price.scratch_gib_second
        if price.scratch_gib_hour is not None:
            scratch = (price.scratch_gib_hour / 3600).quantize(PER_HOUR_DIGITS)
        unit = price.unit_price
        request = price.requests_per_million / 1_000_000
        return vcpu * unit, gib * unit, scratch * unit, request * unit


def _line(item: str, unit: str, *, quantity: Decimal, price: Decimal) -> Line:
    with localcontext(EXACT):
        quantity, price = _plain(quantity), _plain(price)
        amount = _plain(quantity * price)
    return Line(
        item=item, quantity=quantity, unit=unit, unit_price=price, amount=amount
    )


def _plain(value: Decimal) -> Decimal:
    """Without trailing zeros and without an exponent: 1.330 → 1.33, 1E+2 → 100."""
    short = value.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(1) if isinstance(exponent, int) and exponent > 0 else short


def _sum(lines: Sequence[Line], platform: Platform) -> Bill:
    with localcontext(EXACT):
        total = sum((line.amount for line in lines), Decimal(0))
    return Bill(
        lines=tuple(lines), total=Money(amount=total, currency=platform.currency)
    )


# ── a month ───────────────────────────────────────────────────────────────────


class OnDemand(Value):
    """Invocations of one spec in a month that ran on demand."""

    spec: Spec
    requests: NonNegativeInt
    billed_milliseconds: NonNegativeInt
    """Sum over all invocations, each already rounded up."""


class ReservedInstance(Value):
    """One instance held ready: from created to released."""

    spec: Spec
    held_seconds: float
    busy_seconds: float = 0.0
    """While something ran on it; matters with idle mode only."""
    idle_mode: bool = False
    requests: NonNegativeInt = 0
    instances: PositiveInt = 1
    """How many of these, each with the figures above but for `requests`."""


def reserved_seconds(platform: Platform, held_seconds: float) -> int:
    """
    Seconds billed for one reserved instance: a minimum, then rounded up.

    Raises PlatformError where the platform's table has no reserved instances.
    """
    rule = platform.reserved
    if rule is None:
        raise PlatformError(
            f"The price table of {platform.name} has no reserved instances.",
            platform=platform.name,
        )
    step = rule.round_up_seconds
    return max(math.ceil(held_seconds / step) * step, rule.minimum_seconds)


def statement(
    platform: Platform,
    *,
    on_demand: Sequence[OnDemand] = (),
    reserved: Sequence[ReservedInstance] = (),
    flow_nodes: int = 0,
) -> Bill:
    """
    A month's bill: everything that ran, less the free tier, plus idle instances.

    The free tier takes from on-demand and from busy reserved time alike, never from
    idle time. Raises PlatformError where `reserved` or `flow_nodes` are given and the
    platform has no such thing, or no price for it.
    """
    requests = sum(it.requests for it in on_demand)
    requests += sum(it.requests for it in reserved)
    vcpu = gib = scratch = idle = Decimal(0)
    with localcontext(EXACT):
        for used in on_demand:
            seconds = used.billed_milliseconds / MILLISECONDS
            extra = max((used.spec.scratch_mib or 0) - platform.scratch.free_mib, 0)
            vcpu += seconds * used.spec.milli_cpus / 1000
            gib += seconds * used.spec.memory_mib / MIB_PER_GIB
            scratch += seconds * extra / MIB_PER_GIB
        for held in reserved:
            billed = Decimal(reserved_seconds(platform, held.held_seconds))
            busy = billed
            if held.idle_mode:
                busy = min(Decimal(str(held.busy_seconds)), billed)
            size = Decimal(held.spec.memory_mib) / MIB_PER_GIB * held.instances
            gib += busy * size
            vcpu += busy * held.spec.milli_cpus / 1000 * held.instances
            idle += (billed - busy) * size
        free = platform.free_tier
        if free is not None:
            requests = max(requests - free.requests, 0)
            gib = max(gib - free.gib_seconds, Decimal(0))
            vcpu = max(vcpu - free.vcpu_seconds, Decimal(0))
    prices = _unit_prices(platform.price)
    unit = platform.price.unit_price
    nodes, node_price = _nodes(platform, flow_nodes)
    idle_price = platform.reserved.idle_gib_second if platform.reserved else Decimal(0)
    rows = (
        ("compute", "vCPU-s", vcpu, prices[0]),
        ("memory", "GiB-s", gib, prices[1]),
        ("scratch", "GiB-s", scratch, prices[2]),
        ("requests", "request", Decimal(requests), prices[3]),
        ("reserved, idle", "GiB-s", idle, idle_price * unit),
        ("flow nodes", "execution", nodes, node_price * unit),
    )
    lines = [_line(item, u, quantity=q, price=price) for item, u, q, price in rows]
    return _sum([line for line in lines if line.amount], platform)


def _nodes(platform: Platform, count: int) -> tuple[Decimal, Decimal]:
    """Executions of flow nodes that are not free, and the price of one in units."""
    rule = platform.flow
    if not count:
        return Decimal(0), Decimal(0)
    if rule is None:
        raise PlatformError(
            f"The price table of {platform.name} has no function flows.",
            platform=platform.name,
        )
    charged = max(count - rule.free_nodes, 0)
    if charged and rule.per_thousand_nodes is None:
        raise PlatformError(
            f"{platform.name} charges for {charged} of {count} node executions, and "
            "its table does not know the price: set per_thousand_nodes in [flow].",
            platform=platform.name,
        )
    return Decimal(charged), (rule.per_thousand_nodes or Decimal(0)) / 1000
