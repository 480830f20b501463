"""
How many chunks, and which specs: the search over a job that is encoded in parts.

    chunks, all at once, each in one spec (and sound, in another)   →   join, in a third

Every count and every pair of specs is weighed as one candidate beside the whole, with
sound in the join and, where it is encoded, beside the chunks: its price is the sum, its
time that of what is slowest at once and then the join's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..contract import Clip, Constraints, Content, Media, Money, Recipe, Spec
from ..media.timeline import made
from ..platforms.platform import Machine, Platform, specs_for_memory
from .choose import (
    EQUAL_WALL,
    NEAR_TIE,
    PATIENCE,
    Choice,
    Option,
    Terms,
    ranked,
    weigh,
    weigh_all,
)
from .chunks import MOST_CHUNKS, chunk_recipe, cuts, join_recipe, sound_recipe
from .coefficients import Coefficients
from .predict import on_spec
from .workload import Workload, workload

COUNTS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, MOST_CHUNKS)
NEARLY = 1.1
"""How far what chunks cost may be off before each is weighed by itself."""
UNEVEN = 0.15
"""Standard deviation of the logarithm of what chunks of one source take: scenes differ.
A judgement between the 0.01 and 0.39 that `transcode bench chunks` found."""


@dataclass(frozen=True, slots=True)
class Part:
    """One task of a divided job, and its specs."""

    recipe: Recipe
    choice: Choice


@dataclass(frozen=True, slots=True)
class Parts:
    """All tasks of a divided job."""

    chunks: tuple[Part, ...]
    sound: Part | None
    join: Part


@dataclass(frozen=True, slots=True)
class ChunkedPlan:
    """One count of chunks with one spec for them, and one for the join."""

    clips: tuple[Clip, ...]
    chunk: Option
    """Of the longest."""
    sound: Option | None
    """None: it is copied, or the join encodes it."""
    join: Option
    wall_seconds: float
    high_seconds: float
    """So long at most, nineteen times out of twenty."""
    price: float
    price_high: float
    cost: Money | None = None
    cost_high: Money | None = None
    """Both to the last digit, once every chunk was weighed by itself."""

    @property
    def count(self) -> int:
        return len(self.clips)

    @property
    def score(self) -> float:
        return self.price * math.pow(self.wall_seconds, PATIENCE)


@dataclass(frozen=True, slots=True)
class ChunkSearch:
    """What all counts of chunks of one job have in common."""

    media: Media
    recipe: Recipe
    platform: Platform
    machine: Machine | None
    constraints: Constraints
    coefficients: Coefficients
    content: Content | None = None

    def best(self, counts: Sequence[int] = COUNTS) -> ChunkedPlan | None:
        """The best within deadline and budget; None where nothing fits."""
        able = [it for it in self._every(counts) if self._allowed(it)]
        while able:
            found = _best(able, self.constraints.optimize)
            exact = self._exact(found)
            if exact is not None and self._allowed(exact):
                return exact
            able.remove(found)
        return None

    def nearest(self, counts: Sequence[int] = COUNTS) -> ChunkedPlan | None:
        """What comes nearest to the deadline or, where that is met, to the budget."""
        deadline = self.constraints.deadline_seconds or math.inf
        order = sorted(
            self._every(counts),
            key=lambda it: (
                (0, it.price_high)
                if it.high_seconds <= deadline
                else (1, it.high_seconds)
            ),
        )
        return next((it for it in map(self._exact, order) if it is not None), None)

    def _exact(self, it: ChunkedPlan) -> ChunkedPlan | None:
        """With every chunk weighed by itself; None where one of them does not fit."""
        chunks = [self._weighed(clip, it.chunk.spec) for clip in it.clips]
        if any(one.obstacle is not None for one in chunks):
            return None
        return _together(it.clips, chunks, it.sound, it.join)

    def _weighed(self, clip: Clip, spec: Spec) -> Option:
        bare = spec.model_copy(update={"scratch_mib": None, "time_limit_seconds": None})
        work = self._work(chunk_recipe(self.recipe, clip))
        return weigh(
            bare, on_spec(work, bare, platform=self.platform.name), self._terms
        )

    def parts(self, divided: ChunkedPlan) -> Parts:
        """Every task, each with what lost."""
        why = f"of {divided.count} chunks at once"
        chunks = tuple(
            self._part(chunk_recipe(self.recipe, clip), divided.chunk, why=why)
            for clip in divided.clips
        )
        recipe, sound = sound_recipe(self.recipe), None
        if divided.sound is not None and recipe is not None:
            sound = self._part(recipe, divided.sound, why="encodes the sound meanwhile")
        apart = sound is not None
        join = join_recipe(self.recipe, divided.clips, sound_apart=apart)
        why = f"joins {divided.count} chunks"
        return Parts(chunks, sound, self._part(join, divided.join, why=why))

    def _part(self, recipe: Recipe, chosen: Option, *, why: str) -> Part:
        options = weigh_all(self._work(recipe), self._terms, also=self._forced)
        size = chosen.spec.memory_mib, chosen.spec.milli_cpus
        best = next(
            it for it in options if (it.spec.memory_mib, it.spec.milli_cpus) == size
        )
        return Part(recipe, ranked(best, options, why=why))

    def _allowed(self, it: ChunkedPlan) -> bool:
        deadline, budget = self.constraints.deadline_seconds, self.constraints.budget
        if deadline is not None and it.high_seconds > deadline:
            return False
        if budget is None:
            return True
        if it.cost_high is not None:
            return it.cost_high.amount <= budget.amount
        return it.price_high <= float(budget.amount) * NEARLY

    def _every(self, counts: Iterable[int]) -> list[ChunkedPlan]:
        found: list[ChunkedPlan] = []
        alone = sound_recipe(self.recipe)
        sounds = [] if alone is None else self._options(self._work(alone))
        sounds = _undominated(sounds)
        for count in counts:
            clips = cuts(self.media, self.recipe, count)
            if clips is None:
                continue
            works = [self._work(chunk_recipe(self.recipe, clip)) for clip in clips]
            seconds = [work.cpu_seconds for work in works]
            # Of most work: what is decoded and dropped may be most of it.
            longest = works[seconds.index(max(seconds))]
            like = sum(seconds) / max(seconds)
            chunks = _undominated(self._options(longest))
            alike: list[tuple[Option, Option | None]] = [(it, None) for it in chunks]
            for apart, at_once in (
                (False, alike),
                (True, _pairs(chunks, sounds, like=like)),
            ):
                if not at_once:
                    continue
                recipe = join_recipe(self.recipe, clips, sound_apart=apart)
                joins = _undominated(self._options(self._work(recipe)))
                found += [
                    _roughly(clips, chunk, sound, join, like=like)
                    for chunk, sound in at_once
                    for join in joins
                ]
        return found

    def _options(self, work: Workload) -> list[Option]:
        return [
            it
            for it in weigh_all(work, self._terms, also=self._forced)
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


def _pairs(
    chunks: Sequence[Option], sounds: Sequence[Option], *, like: float
) -> list[tuple[Option, Option | None]]:
    """
    A spec for chunks with one for sound, without those beside which another pair is
    both cheaper and faster. *like* as in `_roughly`.
    """
    kept: list[tuple[Option, Option | None]] = []
    fastest = math.inf
    for chunk, sound in sorted(
        itertools.product(chunks, sounds),
        key=lambda it: (like * it[0].price + it[1].price, _later(*it)),
    ):
        if (done := _later(chunk, sound)) < fastest:
            kept.append((chunk, sound))
            fastest = done
    return kept


def _later(chunk: Option, sound: Option) -> float:
    return max(chunk.wall.high, sound.wall.high)


def _together(
    clips: tuple[Clip, ...],
    chunks: Sequence[Option],
    sound: Option | None,
    join: Option,
) -> ChunkedPlan:
    """Every chunk as it is."""
    longest = max(chunks, key=lambda it: it.wall.high)
    rough = _roughly(clips, longest, sound, join, like=1.0)
    every = chunks if sound is None else (*chunks, sound)
    cost = sum((it.cost for it in every), start=join.cost)
    high = sum((it.cost_high for it in every), start=join.cost_high)
    return replace(
        rough,
        price=float(cost.amount),
        price_high=float(high.amount),
        cost=cost,
        cost_high=high,
    )


def _roughly(
    clips: tuple[Clip, ...],
    longest: Option,
    sound: Option | None,
    join: Option,
    *,
    like: float,
) -> ChunkedPlan:
    """*like*: so many chunks as the longest would cost what all of them cost."""
    # The slowest of several: the expected largest of so many normal values, roughly.
    slowest = math.exp(UNEVEN * math.sqrt(2 * math.log(len(clips))))
    wall = longest.usage.wall_seconds * slowest
    wall_high = max(longest.wall.high, wall)
    price = like * longest.price + join.price
    price_high = like * float(longest.cost_high.amount) + float(join.cost_high.amount)
    if sound is not None:
        wall = max(wall, sound.usage.wall_seconds)
        wall_high = max(wall_high, sound.wall.high)
        price += sound.price
        price_high += float(sound.cost_high.amount)
    return ChunkedPlan(
        clips=clips,
        chunk=longest,
        sound=sound,
        join=join,
        wall_seconds=wall + join.usage.wall_seconds,
        high_seconds=wall_high + join.wall.high,
        price=price,
        price_high=price_high,
    )


def _undominated(options: Sequence[Option]) -> list[Option]:
    """Without those beside which another is both cheaper and faster."""
    kept: list[Option] = []
    for it in sorted(options, key=lambda it: (it.price, it.wall.high)):
        if not kept or it.wall.high < kept[-1].wall.high:
            kept.append(it)
    return kept


def _best(able: Sequence[ChunkedPlan], optimize: str) -> ChunkedPlan:
    if optimize == "cost":
        return min(able, key=lambda it: (it.price, it.wall_seconds, it.count))
    if optimize == "time":
        fastest = min(it.wall_seconds for it in able)
        tied = [it for it in able if it.wall_seconds <= fastest * EQUAL_WALL]
        return min(tied, key=lambda it: (it.price, it.count))
    lowest = min(it.score for it in able)
    tied = [it for it in able if it.score <= lowest * NEAR_TIE]
    return min(tied, key=lambda it: (it.count, it.wall_seconds))
