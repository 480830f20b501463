"""What was learned from tasks that ran: factors on the model that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from ..contract import Recipe, Value

COPIED = "copy"
PRIOR = 4
"""Something learned counts as if so many more had been as the model says."""


class Learned(Value):
    """One encoder with one preset, as `task_key` names it."""

    records: PositiveInt
    sources: PositiveInt = 1
    """How many different ones: tasks of one source have one error."""
    cpu: PositiveFloat
    """Measured over predicted CPU seconds of whole tasks."""
    memory: PositiveFloat
    """The same of peak memory, at the upper end: what is too small is killed."""
    spread: NonNegativeFloat
    """Standard deviation of the logarithm of actual over predicted wall time."""


class LearnedPlatform(Value):
    """A platform's vCPU, beside one of the machine that was calibrated on."""

    records: PositiveInt
    cpu: PositiveFloat
    """CPU seconds for the same work: above 1, its vCPUs are slower."""
    wall: PositiveFloat
    """Wall time over what those CPU seconds explain."""


class Accuracy(Value):
    """How well tasks were predicted that the fit has not seen."""

    records: NonNegativeInt
    wall_error: NonNegativeFloat
    """Median of |actual / predicted - 1|."""
    cpu_error: NonNegativeFloat
    inside: NonNegativeFloat
    """Share of actual wall times within the interval that was to hold 0.9."""
    memory_under: NonNegativeFloat
    """Share of peaks above prediction times margin."""


class Experience(Value):
    """The table `[learned]` of the coefficients."""

    as_of: date
    origin: str
    """The ledger."""
    records: PositiveInt
    first: date
    last: date
    """Days of the oldest and the newest record."""
    before: Accuracy | None = None
    after: Accuracy | None = None
    """On sources that were held out; None where there was but one source."""
    encode: Mapping[str, Learned] = {}
    """By `task_key`."""
    platform: Mapping[str, LearnedPlatform] = {}
    """By name."""


def task_key(recipe: Recipe) -> str:
    """`encoder/preset` of the picture that takes most of the work; `copy` for none."""
    # A join copies, too: others have encoded.
    encoded = [it for it in recipe.video if it.made_by == "encoded"]
    if not encoded or recipe.chunks:
        return COPIED
    top = max(encoded, key=lambda it: it.width * it.height)
    return f"{top.encoder or top.codec}/{top.preset or 'default'}"
