"""
What a task will take on a spec: wall time, CPU, memory, bytes, and how sure that is.

    CPU    = start + decode + filters + sum of encoders + audio + package + verify
    wall   = start and verify, one after the other
             + the longest thread + what is left, spread over the CPUs

Below one CPU everything is stretched by the quota. The spread of the measurements is
the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..contract import Content, Interval, Media, Recipe, Spec, Usage
from . import memory
from .coefficients import PRIOR, Coefficients, parse_coefficients, task_key
from .workload import Workload, workload

__all__ = [
    "Coefficients",
    "Prediction",
    "on_spec",
    "parse_coefficients",
    "predict",
]

NINETY_PERCENT = 1.645
"""Standard deviations to either side that hold nine tenths of a normal distribution."""
WAITING_SECONDS = 0.1
"""Starting processes and flushing files: neither CPU nor shortened by it."""


@dataclass(frozen=True, slots=True)
class Prediction:
    usage: Usage
    wall: Interval
    """Nine times out of ten."""


def predict(  # noqa: PLR0913 - what is known of the work, and where it runs
    media: Media,
    recipe: Recipe,
    *,
    spec: Spec,
    coefficients: Coefficients,
    platform: str | None = None,
    content: Content | None = None,
) -> Prediction:
    """
    What the recipe takes on this spec, of *platform* where its speed was learned.

    *content* is what a sample encode showed. Raises PlanError when the media says
    neither how long nor how large it is.
    """
    work = workload(media, recipe, coefficients=coefficients, content=content)
    return on_spec(work, spec, platform=platform)


def on_spec(work: Workload, spec: Spec, *, platform: str | None = None) -> Prediction:
    """Wall time on k CPUs, by Amdahl with the longest thread as the serial part."""
    cpus = spec.milli_cpus / 1000
    one = min(cpus, 1.0)
    together = sum(stage.cpu_seconds for stage in work.stages)
    longest = max((s.cpu_seconds * s.longest_share for s in work.stages), default=0.0)
    if cpus > 1:
        together = longest + (together - longest) / cpus
    else:
        together /= cpus
    alone = (work.start_seconds + work.verify_seconds) / one
    wall = WAITING_SECONDS + alone + together
    cpu, longer, taller, spread = _learned(work, platform)
    wall *= cpu * longer
    factor = math.exp(NINETY_PERCENT * spread)
    peak = memory.peak_bytes(
        work.media,
        work.recipe,
        threads=max(math.ceil(cpus), 1),
        costs=work.costs,
        coefficients=work.coefficients,
        decodes=work.decodes,
    )
    usage = Usage(
        wall_seconds=wall,
        cpu_seconds=work.cpu_seconds * cpu,
        peak_memory_bytes=round(peak * max(taller, _seen(work))),
        scratch_bytes=work.scratch_bytes,
        read_bytes=work.media.bytes,
        written_bytes=work.written_bytes,
        store=work.store,
    )
    return Prediction(usage=usage, wall=Interval(low=wall / factor, high=wall * factor))


def slower(work: Workload, platform: str | None) -> float:
    """Factor on CPU seconds that was learned of this kind of task and platform."""
    return _learned(work, platform)[0]


def _seen(work: Workload) -> float:
    return 1.0 if work.content is None else work.content.memory


def _learned(work: Workload, platform: str | None) -> tuple[float, float, float, float]:
    """Factors on CPU, further on wall, and on memory, and the spread of wall times."""
    experience = work.coefficients.learned
    if experience is None:
        return work.coefficients.pace, 1.0, 1.0, work.spread
    task = experience.encode.get(task_key(work.recipe))
    where = experience.platform.get(platform or "")
    pace = where.cpu if where else work.coefficients.pace
    # What was learned holds for any content; a sample knows this one.
    spread = work.spread
    if task and work.content is None:
        known = math.hypot(task.spread, work.extra_spread)
        weight = task.sources / (task.sources + PRIOR)
        spread = math.sqrt(weight * known**2 + (1 - weight) * spread**2)
    return (
        pace * (task.cpu if task else 1.0),
        where.wall if where else 1.0,
        task.memory if task else 1.0,
        spread,
    )
