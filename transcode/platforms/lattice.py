"""The kinds of lattices that platforms have: which memory goes with which CPU."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from ..contract import Amount, Value


class Sourced(Value):
    """A table of figures: where they were read, and when."""

    source: str
    as_of: date


class ListLattice(Sourced):
    """Named memory values; CPU follows memory: `base + memory / 128 x step`."""

    kind: Literal["list"]
    memory_mib: tuple[PositiveInt, ...] = Field(min_length=1)
    cpu_base_milli: NonNegativeInt
    cpu_milli_per_128_mib: PositiveInt


class RangeLattice(Sourced):
    """Every step of memory in a range; CPU is proportional to it."""

    kind: Literal["range"]
    minimum_mib: PositiveInt
    maximum_mib: PositiveInt
    step_mib: PositiveInt
    mib_per_vcpu: PositiveInt
    search_mib: tuple[PositiveInt, ...] = Field(min_length=1)
    """The points that are worth comparing; any other may still be forced."""


class TierLattice(Sourced):
    """
    A function for each memory value, with scratch of its own, as a call cannot set
    either; CPU is proportional to memory.
    """

    kind: Literal["tier"]
    memory_mib: tuple[PositiveInt, ...] = Field(min_length=1)
    scratch_mib: tuple[PositiveInt, ...] = Field(min_length=1)
    """Of each, in the same order."""
    mib_per_vcpu: PositiveInt

    def scratch_of(self, memory_mib: int) -> int | None:
        """What the function of this memory has; None where there is none."""
        pairs = zip(self.memory_mib, self.scratch_mib, strict=True)
        return dict(pairs).get(memory_mib)


class GridLattice(Sourced):
    """CPU and memory apart, each with a step, their ratio bounded."""

    kind: Literal["grid"]
    minimum_milli: PositiveInt
    maximum_milli: PositiveInt
    step_milli: PositiveInt
    minimum_mib: PositiveInt
    maximum_mib: PositiveInt
    step_mib: PositiveInt
    least_mib_per_vcpu: PositiveInt
    most_mib_per_vcpu: PositiveInt
    search_milli: tuple[PositiveInt, ...] = Field(min_length=1)


class CpuRow(Value):
    """The memory that one range of CPU values allows."""

    minimum_milli: PositiveInt
    maximum_milli: PositiveInt
    step_milli: PositiveInt = 1
    minimum_mib: PositiveInt
    maximum_mib: PositiveInt
    step_mib: PositiveInt | None = None
    """None: the table's."""


class TableLattice(Sourced):
    """CPU and memory apart, memory bounded row by row."""

    kind: Literal["table"]
    step_mib: PositiveInt
    row: tuple[CpuRow, ...] = Field(min_length=1)
    search_milli: tuple[PositiveInt, ...] = Field(min_length=1)


class MachineLattice(Sourced):
    """Whatever the machine has: whole cores, any whole MiB."""

    kind: Literal["machine"]
    minimum_mib: PositiveInt


Lattice = Annotated[
    ListLattice
    | RangeLattice
    | TierLattice
    | GridLattice
    | TableLattice
    | MachineLattice,
    Field(discriminator="kind"),
]


class GpuCard(Sourced):
    """A card that an instance may have."""

    kind: str
    """As the platform's API calls it."""
    title: str
    memory_mib: PositiveInt
    """Of the card that is taken."""
    encoders: tuple[str, ...] = Field(min_length=1)
    """Its hardware encoders, as ffmpeg calls them."""
    second: Annotated[Amount, Field(ge=0)] | None = None
    """For one second of that memory, in units as `[price]`; None: not known."""
    least_memory_mib: PositiveInt
    least_milli_cpus: PositiveInt
    """What an instance with it has at least."""
