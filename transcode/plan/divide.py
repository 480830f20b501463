"""
How many chunks, and which specs: the search over a job that is encoded in parts.

    chunks, all at once, each in one spec   →   join, in another

Every count and every pair of specs is weighed as one candidate beside the whole: its
price is the sum, its time the slowest chunk's and then the join's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..clipping import made
from ..contract import (
    Clip,
    Constraints,
    Content,
    Interval,
    Media,
    Recipe,
    Spec,
)
from ..platforms import Machine, Platform, specs_for_memory
from .choose import EQUAL_WALL, NEAR_TIE, Choice, ranked, weigh_all
from .coefficients import Coefficients
from .option import PATIENCE, Option, Terms
from .split import (
    MOST_CHUNKS,
    chunk_recipe,
    cuts,
    join_recipe,
)
from .workload import Workload, workload

COUNTS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, MOST_CHUNKS)
UNEVEN = 0.15
"""Standard deviation of the logarithm of what chunks of one source take: scenes differ.
Measured by `bench/chunks.py`."""


@dataclass(frozen=True, slots=True)
class Part:
    """One task of a divided job, and its specs."""

    recipe: Recipe
    choice: Choice


@dataclass(frozen=True, slots=True)
class Divided:
    """A job in chunks."""

    chunks: tuple[Part, ...]
    join: Part
    wall_seconds: float
    wall: Interval
    """Of all of it, nine times out of ten."""
    price: float
    price_high: float


@dataclass(frozen=True, slots=True)
class _Pair:
    """One count of chunks with one spec for them, and one for the join."""

    clips: tuple[Clip, ...]
    chunk: Option
    join: Option
    wall_seconds: float
    high_seconds: float
    price: float
    price_high: float

    @property
    def score(self) -> float:
        return self.price * math.pow(self.wall_seconds, PATIENCE)


@dataclass(frozen=True, slots=True)
class Divider:
    """What all counts of chunks of one job have in common."""

    media: Media
    recipe: Recipe
    platform: Platform
    machine: Machine | None
    constraints: Constraints
    coefficients: Coefficients
    content: Content | None = None

    def best(self, counts: Sequence[int] = COUNTS) -> Divided | None:
        """The best within deadline and budget; None where nothing fits."""
        pairs = [it for it in self._pairs(counts) if self._allowed(it)]
        if not pairs:
            return None
        return self._divided(_best(pairs, self.constraints.optimize))

    def nearest(self, counts: Sequence[int] = COUNTS) -> Divided | None:
        """What comes nearest to the deadline or, where there is none, to the budget."""

        def distance(pair: _Pair) -> float:
            hurried = self.constraints.deadline_seconds is not None
            return pair.high_seconds if hurried else pair.price_high

        pairs = self._pairs(counts)
        nearest = min(pairs, key=distance, default=None)
        return None if nearest is None else self._divided(nearest)

    def _allowed(self, pair: _Pair) -> bool:
        deadline, budget = self.constraints.deadline_seconds, self.constraints.budget
        if deadline is not None and pair.high_seconds > deadline:
            return False
        return budget is None or pair.price_high <= float(budget.amount)

    def _pairs(self, counts: Iterable[int]) -> list[_Pair]:
        found: list[_Pair] = []
        for count in counts:
            clips = cuts(self.media, self.recipe, count)
            if clips is None:
                continue
            longest = max(clips, key=lambda it: _seconds(it, self.media))
            chunks = self._options(chunk_recipe(self.recipe, longest))
            joins = self._options(join_recipe(self.recipe, clips))
            found += [
                _pair(clips, chunk, join)
                for chunk in _undominated(chunks)
                for join in _undominated(joins)
            ]
        return found

    def _options(self, recipe: Recipe) -> list[Option]:
        return [
            it
            for it in weigh_all(self._work(recipe), self._terms, also=self._forced)
            if it.obstacle is None
        ]

    @property
    def _terms(self) -> Terms:
        # Limits are the whole job's; of a single task only the platform's count.
        free = {"deadline_seconds": None, "budget": None}
        own = self.constraints.model_copy(update=free)
        return Terms(self.platform, self.machine, own)

    @property
    def _forced(self) -> tuple[Spec, ...]:
        asked = self.constraints.memory_mib
        if asked is None:
            return ()
        return specs_for_memory(self.platform, asked, self.machine)

    def _work(self, recipe: Recipe) -> Workload:
        return workload(
            made(self.media, recipe),
            recipe,
            coefficients=self.coefficients,
            content=self.content,
        )

    def _divided(self, pair: _Pair) -> Divided:
        count = len(pair.clips)
        why = f"of {count} chunks at once"
        chunks = tuple(
            self._part(chunk_recipe(self.recipe, clip), pair.chunk.spec, why=why)
            for clip in pair.clips
        )
        join = join_recipe(self.recipe, pair.clips)
        return Divided(
            chunks=chunks,
            join=self._part(join, pair.join.spec, why=f"joins {count} chunks"),
            wall_seconds=pair.wall_seconds,
            wall=Interval(
                low=pair.chunk.wall.low + pair.join.wall.low, high=pair.high_seconds
            ),
            price=pair.price,
            price_high=pair.price_high,
        )

    def _part(self, recipe: Recipe, spec: Spec, *, why: str) -> Part:
        work = self._work(recipe)
        options = weigh_all(work, self._terms, also=self._forced)
        size = spec.memory_mib, spec.milli_cpus
        best = next(
            it for it in options if (it.spec.memory_mib, it.spec.milli_cpus) == size
        )
        return Part(recipe, ranked(best, options, why=why))


def _pair(clips: tuple[Clip, ...], chunk: Option, join: Option) -> _Pair:
    count = len(clips)
    # The slowest of several: the expected largest of so many normal values, roughly.
    slowest = math.exp(UNEVEN * math.sqrt(2 * math.log(count)))
    wall = chunk.usage.wall_seconds * slowest
    return _Pair(
        clips=clips,
        chunk=chunk,
        join=join,
        wall_seconds=wall + join.usage.wall_seconds,
        high_seconds=max(chunk.wall.high, wall) + join.wall.high,
        price=count * chunk.price + join.price,
        price_high=count * float(chunk.cost_high.amount) + float(join.cost_high.amount),
    )


def _undominated(options: Sequence[Option]) -> list[Option]:
    """Without those beside which another is both cheaper and faster."""
    kept: list[Option] = []
    for it in sorted(options, key=lambda it: (it.price, it.wall.high)):
        if not kept or it.wall.high < kept[-1].wall.high:
            kept.append(it)
    return kept


def _best(pairs: Sequence[_Pair], optimize: str) -> _Pair:
    if optimize == "cost":
        return min(pairs, key=lambda it: (it.price, it.wall_seconds, len(it.clips)))
    if optimize == "time":
        fastest = min(it.wall_seconds for it in pairs)
        tied = [it for it in pairs if it.wall_seconds <= fastest * EQUAL_WALL]
        return min(tied, key=lambda it: (it.price, len(it.clips)))
    lowest = min(it.score for it in pairs)
    tied = [it for it in pairs if it.score <= lowest * NEAR_TIE]
    return min(tied, key=lambda it: (len(it.clips), it.wall_seconds))


def _seconds(clip: Clip, media: Media) -> float:
    end = clip.end_seconds
    end = (media.duration_seconds or 0.0) if end is None else end
    return end - clip.start_seconds
