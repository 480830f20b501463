"""
Platforms as data: which specs exist, what bounds them and what they cost.

Every table of a platform's TOML carries a `source` and the date `as_of` which it was
read. Nothing here rounds a spec: a spec is a point of the lattice or it is refused.
"""

from __future__ import annotations

import bisect
import tomllib
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from ..contract import Amount, Spec, Value
from ..errors import PlatformError
from .lattice import (
    CpuRow,
    GpuCard,
    GridLattice,
    Lattice,
    ListLattice,
    MachineLattice,
    RangeLattice,
    Sourced,
    TableLattice,
    TierLattice,
)

__all__ = [
    "Billing",
    "CpuRow",
    "Flow",
    "FreeTier",
    "GpuCard",
    "GridLattice",
    "Lattice",
    "Limits",
    "ListLattice",
    "Machine",
    "MachineLattice",
    "ObjectStore",
    "Platform",
    "Prices",
    "RangeLattice",
    "Reserved",
    "Scratch",
    "Sourced",
    "Start",
    "TableLattice",
    "Tier",
    "TierLattice",
    "held_to_tier",
    "largest_scratch",
    "lattice",
    "on_lattice",
    "parse_platform",
    "parse_table",
    "scratch_for",
    "spec_for_memory",
    "specs_for_memory",
]

T = TypeVar("T", bound=Value)
NonNegativeAmount = Annotated[Amount, Field(ge=0)]


class Prices(Sourced):
    """List prices in `currency`, or in units that cost `unit_price` each."""

    unit: str | None = None
    unit_price: NonNegativeAmount = Decimal(1)
    gib_second: NonNegativeAmount = Decimal(0)
    vcpu_second: NonNegativeAmount = Decimal(0)
    vcpu_hour: NonNegativeAmount | None = None
    gib_hour: NonNegativeAmount | None = None
    scratch_gib_hour: NonNegativeAmount | None = None
    """Per hour instead of per second, for whoever thinks so."""
    scratch_gib_second: NonNegativeAmount = Decimal(0)
    requests_per_million: NonNegativeAmount = Decimal(0)


class ObjectStore(Sourced):
    """Where functions read sources and write results, and its list prices."""

    name: str
    puts_per_thousand: NonNegativeAmount | None = None
    """In units, as `[price]`: PUT, POST, COPY and LIST."""
    gets_per_thousand: NonNegativeAmount | None = None
    """GET and HEAD."""
    reason: str | None = None
    """Why they are not known."""

    @model_validator(mode="after")
    def _known_or_why(self) -> Self:
        unknown = None in {self.puts_per_thousand, self.gets_per_thousand}
        if unknown != (self.reason is not None):
            msg = "give both prices, or the reason why they are not known"
            raise ValueError(msg)
        return self


class FreeTier(Sourced):
    """What a month holds for nothing; never applied to a single job."""

    requests: NonNegativeInt = 0
    gib_seconds: NonNegativeInt = 0
    vcpu_seconds: NonNegativeInt = 0


class Reserved(Sourced):
    """Instances held ready: billed from created to released."""

    minimum_seconds: PositiveInt
    round_up_seconds: PositiveInt
    idle_gib_second: NonNegativeAmount
    """With idle mode, while nothing runs; outside the free tier."""


class Flow(Sourced):
    """Executions of nodes of a function flow, which some platforms count."""

    free_nodes: NonNegativeInt = 0
    """In a month."""
    per_thousand_nodes: NonNegativeAmount | None = None
    """In units, as `[price]`; None: not known, and nothing is made up for it."""


class Billing(Sourced):
    round_up_milliseconds: PositiveInt
    minimum_milliseconds: NonNegativeInt = 0
    """What is billed of the shortest invocation; whole steps."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        if self.minimum_milliseconds % self.round_up_milliseconds:
            msg = "minimum_milliseconds is no multiple of round_up_milliseconds"
            raise ValueError(msg)
        return self


class Scratch(Sourced):
    """Temporary storage of one invocation."""

    free_mib: NonNegativeInt = 0
    sizes_mib: tuple[PositiveInt, ...] = ()
    """The only sizes there are; empty where `maximum_mib` and a step say it."""
    maximum_mib: PositiveInt | None = None
    """None: as much as the machine has."""
    in_memory: bool = False
    """What is written counts as memory."""


class Limits(Sourced):
    time_limit_seconds: PositiveInt | None = None
    payload_bytes: PositiveInt | None = None
    """Of one asynchronous invocation's input."""


class Tier(Sourced):
    """
    The functions that an engine calls where a call cannot choose its memory: one for
    each size, under the name of all with `-<memory>` behind it.
    """

    memory_mib: tuple[PositiveInt, ...] = Field(min_length=1)
    scratch_mib: tuple[PositiveInt, ...] = Field(min_length=1)
    """Of each, in the same order: a call cannot choose it either."""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if len(self.memory_mib) != len(self.scratch_mib):
            msg = "memory_mib and scratch_mib are of different lengths"
            raise ValueError(msg)
        return self


class Start(Sourced):
    """
    What a new instance takes before it works, where that is billed: an initializer, the
    runtime's start.
    """

    cpu_seconds: NonNegativeFloat
    """Of one vCPU at most: imports do not run side by side."""
    share: Annotated[float, Field(ge=0, le=1)]
    """Of calls that find no instance waiting: an assumption."""


class Platform(Value):
    """One platform: lattice, limits, and a dated price table."""

    name: str
    title: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    price_table: date
    architecture: Literal["x86_64", "arm64", "any"] = "any"
    throttled: bool = True
    """False: a spec's CPU is not held down to its quota, only memory is."""
    spec_per_invocation: bool = False
    """True: one function takes another spec by a header; otherwise one per spec."""
    engines: tuple[str, ...] = ()
    """Which call it: an engine that is a platform's own serves no other one."""
    lattice: Lattice
    tier: Tier | None = None
    billing: Billing
    price: Prices
    store: ObjectStore | None = None
    """None: its tasks speak to whatever store they are given, at a price of its own."""
    free_tier: FreeTier | None = None
    reserved: Reserved | None = None
    flow: Flow | None = None
    start: Start | None = None
    """None: it takes no time, or nobody is billed for it."""
    scratch: Scratch
    limits: Limits
    gpus: tuple[GpuCard, ...] = ()


class Machine(Value):
    """What this machine has, as far as this process may use it."""

    milli_cpus: PositiveInt
    memory_mib: PositiveInt
    scratch_mib: NonNegativeInt
    """0 where the disk is full."""
    scratch_total_mib: NonNegativeInt | None = None
    """Of the disk, however full it is; None where that is not known."""


def parse_platform(text: str, *, origin: str) -> Platform:
    """
    Read a platform from TOML.

    Raises PlatformError naming the file (`origin`), the field and what is allowed.
    """
    return parse_table(Platform, text, origin=origin)


def parse_table(kind: type[T], text: str, *, origin: str) -> T:
    """Likewise for any table of figures."""
    try:
        return kind.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as exc:
        raise PlatformError(f"{origin} is not TOML: {exc}.", file=origin) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise PlatformError(
            f"{origin}: field {field}: {first['msg']}.", file=origin, field=field
        ) from exc


def held_to_tier(platform: Platform) -> Platform:
    """
    *platform* with the functions of its tier for all specs that there are.

    Raises PlatformError where its file has no `[tier]`, or one that is off its lattice.
    """
    tier, range_ = platform.tier, platform.lattice
    if tier is None or not isinstance(range_, RangeLattice):
        raise PlatformError(
            f"The platform {platform.name} has no [tier]: its file names no functions "
            "whose memory could be chosen.",
            platform=platform.name,
        )
    for memory in tier.memory_mib:
        spec_for_memory(platform, memory)
    every = TierLattice(
        kind="tier",
        memory_mib=tier.memory_mib,
        scratch_mib=tier.scratch_mib,
        mib_per_vcpu=range_.mib_per_vcpu,
        source=tier.source,
        as_of=tier.as_of,
    )
    return platform.model_copy(update={"lattice": every})


def lattice(
    platform: Platform, machine: Machine | None = None, *, sample: bool = True
) -> tuple[Spec, ...]:
    """
    The platform's specs, smallest first; a searchable sample where there are many.

    With `sample=False` a range is given in full (other kinds are always sampled: their
    points number in the millions). Raises PlatformError where the lattice is the
    machine's and no machine is given.
    """
    found = _points(platform, machine, sample=sample)
    return tuple(
        Spec(memory_mib=memory, milli_cpus=milli)
        for memory, milli in sorted(set(found))
    )


def _points(
    platform: Platform, machine: Machine | None, *, sample: bool
) -> list[tuple[int, int]]:
    match platform.lattice:
        case ListLattice(memory_mib=values):
            return [(m, c) for m in values for c in _cpus_for(platform, m, machine)]
        case RangeLattice() as it:
            every = range(it.minimum_mib, it.maximum_mib + 1, it.step_mib)
            values = it.search_mib if sample else tuple(every)
            return [(m, c) for m in values for c in _cpus_for(platform, m, machine)]
        case TierLattice(memory_mib=values):
            return [(m, c) for m in values for c in _cpus_for(platform, m, machine)]
        case GridLattice() as it:
            return [
                (memory, milli)
                for milli in it.search_milli
                for ratio in (it.least_mib_per_vcpu, 2048, it.most_mib_per_vcpu)
                if _in_grid(it, memory := milli * ratio // 1000, milli)
            ]
        case TableLattice() as it:
            sizes = [2**k for k in range(7, 16)]
            return [
                (m, c) for c in it.search_milli for m in sizes if _in_table(it, m, c)
            ]
        case MachineLattice() as it:
            own = _need(platform, machine)
            sizes = [2**k for k in range(7, 24)]
            sizes += [size * 3 // 2 for size in sizes]
            return [
                (memory, milli)
                for memory in {*sizes, own.memory_mib}
                if it.minimum_mib <= memory <= own.memory_mib
                for milli in _cores(own)
            ]


def _cores(machine: Machine) -> tuple[int, ...]:
    """Every count up to 8, then quarters of each power of two, and all of them."""
    most = max(machine.milli_cpus // 1000, 1)
    larger = {2**k * q // 4 for k in range(4, 12) for q in (4, 5, 6, 7)}
    counts = {*range(1, 9), *larger, most}
    if machine.milli_cpus < 1000:  # noqa: PLR2004 - less than one whole core
        return (machine.milli_cpus,)
    return tuple(count * 1000 for count in sorted(counts) if count <= most)


def _need(platform: Platform, machine: Machine | None) -> Machine:
    if machine is None:
        raise PlatformError(
            f"Platform {platform.name} is this machine, and its size was not given.",
            platform=platform.name,
        )
    return machine


def _steps(value: int, *, low: int, high: int, step: int) -> bool:
    return low <= value <= high and (value - low) % step == 0


def _in_grid(it: GridLattice, memory: int, milli: int) -> bool:
    return (
        _steps(milli, low=it.minimum_milli, high=it.maximum_milli, step=it.step_milli)
        and _steps(memory, low=it.minimum_mib, high=it.maximum_mib, step=it.step_mib)
        and it.least_mib_per_vcpu * milli
        <= memory * 1000
        <= it.most_mib_per_vcpu * milli
    )


def _in_table(it: TableLattice, memory: int, milli: int) -> bool:
    return any(
        _steps(milli, low=r.minimum_milli, high=r.maximum_milli, step=r.step_milli)
        and _steps(
            memory,
            low=r.minimum_mib,
            high=r.maximum_mib,
            step=r.step_mib or it.step_mib,
        )
        for r in it.row
    )


def _cpus_for(
    platform: Platform, memory: int, machine: Machine | None
) -> tuple[int, ...]:
    """The CPU values that a memory value may have; empty where it is no point."""
    match platform.lattice:
        case ListLattice() as it:
            milli = it.cpu_base_milli + memory * it.cpu_milli_per_128_mib // 128
            return (milli,) if memory in it.memory_mib else ()
        case RangeLattice() as it:
            on = _steps(
                memory, low=it.minimum_mib, high=it.maximum_mib, step=it.step_mib
            )
            return (memory * 1000 // it.mib_per_vcpu,) if on else ()
        case TierLattice() as it:
            milli = memory * 1000 // it.mib_per_vcpu
            return (milli,) if memory in it.memory_mib else ()
        case GridLattice() as it:
            every = range(it.minimum_milli, it.maximum_milli + 1, it.step_milli)
            allowed = [c for c in every if _in_grid(it, memory, c)]
            searched = tuple(c for c in allowed if c in it.search_milli)
            return searched or tuple(allowed[-1:])
        case TableLattice() as it:
            return tuple(c for c in it.search_milli if _in_table(it, memory, c))
        case MachineLattice() as it:
            own = _need(platform, machine)
            return _cores(own) if it.minimum_mib <= memory <= own.memory_mib else ()


def specs_for_memory(
    platform: Platform, memory_mib: int, machine: Machine | None = None
) -> tuple[Spec, ...]:
    """
    The specs with exactly this memory, least CPU first.

    Raises PlatformError when there is none, naming the neighbours.
    """
    cpus = _cpus_for(platform, memory_mib, machine)
    if not cpus:
        near = _neighbours(platform, memory_mib, machine)
        raise PlatformError(
            f"{memory_mib} MiB is no memory size of {platform.name}; "
            f"the nearest {'is' if len(near) == 1 else 'are'} "
            f"{' and '.join(f'{m} MiB' for m in near)}.",
            platform=platform.name,
            memory_mib=memory_mib,
            nearest_mib=near,
        )
    return tuple(Spec(memory_mib=memory_mib, milli_cpus=c) for c in cpus)


def spec_for_memory(
    platform: Platform, memory_mib: int, machine: Machine | None = None
) -> Spec:
    """
    The spec with exactly this memory; the one with most CPU where CPU is apart.

    Raises PlatformError when there is none, naming the neighbours.
    """
    return specs_for_memory(platform, memory_mib, machine)[-1]


def _neighbours(
    platform: Platform, memory: int, machine: Machine | None
) -> tuple[int, ...]:
    points = _points(platform, machine, sample=False)
    values = sorted({memory for memory, _ in points})
    at = bisect.bisect(values, memory)
    return tuple(values[max(at - 1, 0) : at + 1])


def on_lattice(platform: Platform, spec: Spec, machine: Machine | None = None) -> bool:
    """Whether the platform has exactly this spec: CPU, memory, scratch, time limit."""
    memory, milli = spec.memory_mib, spec.milli_cpus
    match platform.lattice:
        case GridLattice() as it:
            on = _in_grid(it, memory, milli)
        case TableLattice() as it:
            on = _in_table(it, memory, milli)
        case MachineLattice() as it:
            own = _need(platform, machine)
            whole = milli % 1000 == 0 or milli == own.milli_cpus
            fits = it.minimum_mib <= memory <= own.memory_mib
            on = whole and fits and 0 < milli <= own.milli_cpus
        case _:
            on = milli in _cpus_for(platform, memory, machine)
    limit, asked = platform.limits.time_limit_seconds, spec.time_limit_seconds
    in_time = asked is None or limit is None or 0 < asked <= limit
    had = scratch_for(platform, spec.scratch_mib or 0, machine, memory_mib=memory)
    return on and in_time and spec.gpu is None and (spec.scratch_mib in {None, had})


def scratch_for(
    platform: Platform,
    needed_mib: int,
    machine: Machine | None = None,
    *,
    memory_mib: int | None = None,
) -> int | None:
    """
    The smallest scratch size that holds this much; None where none does.

    Where each memory has one of its own, that of *memory_mib*.
    """
    if isinstance(platform.lattice, TierLattice) and memory_mib is not None:
        has = platform.lattice.scratch_of(memory_mib)
        return has if has is not None and has >= needed_mib else None
    it = platform.scratch
    if it.sizes_mib:
        return next((s for s in sorted(it.sizes_mib) if s >= needed_mib), None)
    most = largest_scratch(platform, machine)
    wanted = max(needed_mib, it.free_mib)
    return wanted if most is None or wanted <= most else None


def largest_scratch(platform: Platform, machine: Machine | None = None) -> int | None:
    """In MiB; None where memory bounds it, or a machine that was not given."""
    it = platform.scratch
    if isinstance(platform.lattice, TierLattice):
        return max(platform.lattice.scratch_mib)
    if it.in_memory:
        return None
    if it.sizes_mib:
        return max(it.sizes_mib)
    return it.maximum_mib or (machine.scratch_mib if machine else None)
