"""What a day of a million uploads takes of functions, in chosen specs or in one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from math import ceil, cos, exp, inf, log, pi, sqrt
from statistics import NormalDist
from typing import Literal

from ..contract import (
    AudioStream,
    Constraints,
    Media,
    Money,
    Source,
    Spec,
    StoreRequests,
    Usage,
    VideoStream,
)
from ..errors import PlanError
from ..plan.make_plan import make_plan
from ..platforms.platform import Platform, held_to_tier, spec_for_memory
from ..platforms.price import bill, store_terms
from ..wiring import Wiring, own_mib
from .report import Curve, Figure, Found
from .simulation import CallSpec, FunctionFleet, SimulatedDay, simulate
from .telling import Tell

DAY_SECONDS = 86_400.0
MEDIAN_SECONDS = 64.0
"""Length of an upload, median of a random sample of YouTube: "Dialing for Videos",
Journal of Quantitative Description (2023), as told by the BBC in 2025."""
MEAN_SECONDS = 157.0
"""Of random uploads in 2007, 2 min 37 s; no mean of today could be found. With the
median it makes a log-normal distribution."""
LONGEST_SECONDS = 7200.0
"""Longer ones are drawn again: our assumption."""
SHARES: Mapping[tuple[int, int], float] = {
    (640, 360): 0.15,
    (854, 480): 0.15,
    (1280, 720): 0.35,
    (1920, 1080): 0.30,
    (3840, 2160): 0.05,
}
"""Of uploads, by size: nothing that can be cited was found, so it is swept."""
_BIT_RATES = {360: 1_000_000, 480: 2_000_000, 720: 5_000_000, 1080: 8_000_000}
"""Of an upload, by its height; 35 Mbit/s above. Services ask for these: assumed."""
SWING = 0.5
"""The busiest minute of an ordinary day has so much more than the mean, at 20:00; the
quietest so much less: our assumption, swept."""
BURST = 3.0
"""For a quarter of an hour at 20:00 so many times as much: uploads at New Year's Eve,
SVE (SOSP 2017), section 2."""
BURST_SECONDS = 900.0
PLANNING_SECONDS = 2.0
"""An upload's call with its initializer in 512 MiB (0.6 vCPU): 1.9 to 2.3 s, measured
on the emulator on an idle machine, 2026-11-28."""
PLANNING_MIB = {"functiongraph": 512, "aws-lambda": 1024}
"""The memory of an upload's call: 0.6 vCPU, and the least of our tier with 0.58."""
SWEEP_PACE_SECONDS = 0.5
"""A sweep's call plans one in, several side by side: each takes 0.28 s of a processor
where the instance is warm (median of 7 on the emulator, load 17, 2026-11-29), of
which 512 MiB have 0.6; beside others no time is lost in waiting for the store."""
ASKED_BY_PLANNING = StoreRequests(puts=17, gets=19)
"""Of an upload's call, counted on the emulator (2026-11-29), lists among the PUTs."""
ASKED_AFTER_TASK = StoreRequests(puts=13, gets=19)
"""Of a task's call once its report is written, where it publishes: the same."""
_SWEPT_UPLOADS = 50_000
_PERCENTILES = (50, 95, 99)

FLEETS: Mapping[str, tuple[FunctionFleet, ...]] = {
    "functiongraph": (
        # 100 executions of an account, excess discarded, idle for a minute: "Notes and
        # Constraints", 2025-07-09. Cold starts of up to 3 s in Region 2, 7 s in
        # Region 1: arXiv 2410.06145.
        *(
            FunctionFleet(
                name,
                most,
                "discarded",
                3.0,
                60.0,
                sweep_pace_seconds=SWEEP_PACE_SECONDS,
            )
            for name, most in (
                ("100 at once", 100),
                ("1,000 at once", 1000),
                ("no limit", inf),
            )
        ),
    ),
    "aws-lambda": (
        # 1,000 executions of an account, and 1,000 new environments in 10 s for each
        # function: "Lambda scaling behavior". What is above waits in Lambda's queue.
        # Start of an image and time until it ends: our assumptions, swept.
        FunctionFleet("1,000 at once", 1000, "queued", 1.0, 300.0, 100.0, 1000.0),
        FunctionFleet("no limit", inf, "queued", 1.0, 300.0, 100.0, 1000.0),
    ),
}


@dataclass(frozen=True, slots=True)
class DayAsked:
    """What is simulated."""

    uploads: int
    profile: str
    seed: int
    shares: Mapping[tuple[int, int], float] = field(default_factory=lambda: SHARES)
    lengths: int = 6
    """Classes of length, equally many uploads in each."""
    median_seconds: float = MEDIAN_SECONDS
    swing: float = SWING
    burst: float = BURST


@dataclass(frozen=True, slots=True)
class _Class:
    """Uploads of one size and one length."""

    size: tuple[int, int]
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class _Work:
    """A class in a spec; *spread*: of the logarithm of its time."""

    spec: Spec
    seconds: float
    spread: float
    store: StoreRequests


_Works = tuple[_Work | None, ...]
Optimize = Literal["cost", "balanced"]


def simulated_days(wired: Wiring, tell: Tell, asked: DayAsked) -> Found:
    """
    Cost, latency and what limits first, on each platform, chosen specs beside one.

    Times of the work are this package's predictions for the profile; everything else
    is named in the notes with its source. Raises `ProfileError` and `UsageError`.
    """
    figures: list[Figure] = []
    curves: list[Curve] = []
    swept: list[Figure] = []
    fixed: dict[str, int] = {}
    for name, fleets in FLEETS.items():
        platform = wired.catalog.platform(name)
        if platform.tier is not None:
            platform = held_to_tier(platform)
        classes = classes_of(asked)
        planner = _Planner(wired, platform, asked.profile)
        tell.begin(f"plans for {name}")
        ways = planner.works(classes)
        fixed[name] = max(it.spec.memory_mib for it in ways["fixed"] if it is not None)
        none = [
            it.share
            for it, work in zip(classes, ways["fixed"], strict=True)
            if work is None
        ]
        figures.append(
            _one("refused", "%", 100 * sum(none), {"platform": name}, "less")
        )
        for fleet in fleets:
            for how, works in ways.items():
                tell.begin(f"{name}, {fleet.name}, {how}")
                day = _day(asked, platform, fleet, classes, works)
                of = {
                    "platform": name,
                    "currency": platform.currency,
                    "concurrency": fleet.name,
                    "specs": how,
                }
                figures += _figures(platform, day, works, of)
                if how == "chosen, cost":
                    curves.append(_curve(day, f"{name}, {fleet.name}"))
        swept += _swept(asked, platform, planner, tell)
    return Found(
        figures=(*figures, *swept), curves=tuple(curves), notes=_notes(asked, fixed)
    )


def classes_of(asked: DayAsked) -> tuple[_Class, ...]:
    """Sizes by lengths, each length standing for equally many uploads."""
    spread = sqrt(2 * log(MEAN_SECONDS / MEDIAN_SECONDS))
    normal = NormalDist(log(asked.median_seconds), spread)
    most = normal.cdf(log(LONGEST_SECONDS))
    lengths = [
        exp(normal.inv_cdf((number + 0.5) / asked.lengths * most))
        for number in range(asked.lengths)
    ]
    return tuple(
        _Class(size, seconds, share / asked.lengths)
        for size, share in asked.shares.items()
        for seconds in lengths
    )


def arrivals_of(asked: DayAsked, chance: random.Random) -> list[float]:
    """Moments of one day, ascending: a wave with a burst at its top."""
    top = DAY_SECONDS * 20 / 24
    most = (1 + asked.swing) * asked.burst
    found: list[float] = []
    while len(found) < asked.uploads:
        at = chance.random() * DAY_SECONDS
        rate = 1 + asked.swing * cos(2 * pi * (at - top) / DAY_SECONDS)
        if 0 <= at - top < BURST_SECONDS:
            rate *= asked.burst
        if chance.random() * most < rate:
            found.append(at)
    return sorted(found)


def media_of(size: tuple[int, int], seconds: float) -> Media:
    """An ordinary upload: H.264 at 30 fps with stereo AAC."""
    width, height = size
    rate = _BIT_RATES.get(height, 35_000_000)
    seconds = round(seconds, 3)
    return Media(
        container="mp4",
        format_name="mov,mp4,m4a,3gp,3g2,mj2",
        bytes=int((rate + 128_000) * seconds / 8),
        duration_seconds=seconds,
        start_seconds=0.0,
        bit_rate=rate + 128_000,
        fragmented=False,
        faststart=True,
        video=(
            VideoStream(
                index=0,
                codec="h264",
                profile="High",
                level=51 if height > 1080 else 41,  # noqa: PLR2004 - H.264, table A-1
                width=width,
                height=height,
                display_width=width,
                display_height=height,
                frame_rate=Fraction(30),
                variable_frame_rate=False,
                frames=int(seconds * 30),
                start_seconds=0.0,
                duration_seconds=seconds,
                bit_rate=rate,
                pixel_format="yuv420p",
                bit_depth=8,
                interlaced=False,
                has_b_frames=True,
                default=True,
            ),
        ),
        audio=(
            AudioStream(
                index=1,
                codec="aac",
                profile="LC",
                sample_rate=48000,
                channels=2,
                layout="stereo",
                start_seconds=0.0,
                duration_seconds=seconds,
                bit_rate=128_000,
                default=True,
            ),
        ),
    )


class _Planner:
    """Plans for classes on one platform; each is made once."""

    def __init__(self, wired: Wiring, platform: Platform, profile: str) -> None:
        self._wired, self._platform = wired, platform
        self._profile = wired.catalog.profile(profile)
        self._known: dict[tuple[_Class, Optimize, int | None], _Work | None] = {}

    def works(self, classes: Sequence[_Class]) -> Mapping[str, _Works]:
        """
        How specs are given → each class in its own; None for what no spec does.

        `fixed` is the smallest one in which all of them work.
        """
        cheap = tuple(self._one(one, "cost", None) for one in classes)
        most = max(it.spec.memory_mib for it in cheap if it is not None)
        return {
            "chosen, cost": cheap,
            "chosen, balanced": tuple(
                self._one(it, "balanced", None) for it in classes
            ),
            # Whatever fits in its own spec, and not in this one, is done in its own.
            "fixed": tuple(
                None if work is None else self._one(one, "cost", most) or work
                for one, work in zip(classes, cheap, strict=True)
            ),
        }

    def _one(
        self, one: _Class, optimize: Optimize, memory_mib: int | None
    ) -> _Work | None:
        key = (one, optimize, memory_mib)
        if key not in self._known:
            self._known[key] = self._planned(one, optimize, memory_mib)
        return self._known[key]

    def _planned(
        self, one: _Class, optimize: Optimize, memory_mib: int | None
    ) -> _Work | None:
        wired, media = self._wired, media_of(one.size, one.seconds)
        own = own_mib("functiongraph")
        try:
            plan = make_plan(
                Source(uri="s3://in/it.mp4", bytes=media.bytes, etag="-", location="-"),
                media,
                self._profile,
                self._platform,
                machine=wired.machine,
                constraints=Constraints(
                    memory_mib=memory_mib, own_mib=own, optimize=optimize
                ),
                capabilities=wired.capabilities(),
                coefficients=wired.coefficients,
                engine="local",
            )
        except PlanError:
            return None
        task = plan.tasks[0].task
        low, high = task.predicted_wall.low, task.predicted_wall.high
        # The interval holds nine of ten.
        spread = log(high / low) / (2 * NormalDist().inv_cdf(0.95)) if low > 0 else 0.0
        asked = task.predicted.store or StoreRequests(puts=0, gets=0)
        asked += ASKED_AFTER_TASK
        return _Work(task.spec, task.predicted.wall_seconds, spread, asked)


def _day(
    asked: DayAsked,
    platform: Platform,
    fleet: FunctionFleet,
    classes: Sequence[_Class],
    works: _Works,
) -> SimulatedDay:
    """Those uploads that some spec can do."""
    chance = random.Random(asked.seed)  # noqa: S311 - no secret
    shares = [it.share for it in classes]
    arrivals: list[float] = []
    tasks: list[CallSpec] = []
    moments = arrivals_of(asked, chance)
    drawn = chance.choices(range(len(classes)), shares, k=asked.uploads)
    for at, number in zip(moments, drawn, strict=True):
        work = works[number]
        if work is None:
            continue
        arrivals.append(at)
        seconds = work.seconds * exp(chance.gauss(0.0, work.spread))
        asking = work.store.puts, work.store.gets
        tasks.append(CallSpec(str(work.spec.memory_mib), seconds, *asking))
    planning = CallSpec(
        str(PLANNING_MIB[platform.name]),
        PLANNING_SECONDS,
        ASKED_BY_PLANNING.puts,
        ASKED_BY_PLANNING.gets,
    )
    return simulate(fleet, arrivals, planning, tasks, until=2 * DAY_SECONDS)


def day_cost(platform: Platform, day: SimulatedDay, works: _Works) -> Money:
    """
    Of all calls and what they ask of the store, where its price is known, at list
    price, exact; free tiers are left out.
    """
    specs = {str(one.spec.memory_mib): one.spec for one in works if one is not None}
    total = Money(amount=Decimal(0), currency=platform.currency)
    for name, milliseconds in day.busy.items():
        usage = Usage(
            wall_seconds=milliseconds / 1000,
            billed_milliseconds=milliseconds,
            cpu_seconds=0.0,
            peak_memory_bytes=None,
            requests=day.calls[name],
        )
        spec = specs.get(name) or spec_for_memory(platform, int(name))
        total += bill(platform, spec, usage).total
    asked = store_cost(platform, day)
    return total if asked is None else total + asked


def store_cost(platform: Platform, day: SimulatedDay) -> Money | None:
    """Of all requests; None where the platform's file has no price of them."""
    terms = store_terms(platform)
    if terms is None or terms.put is None or terms.get is None:
        return None
    amount = terms.put.amount * day.puts + terms.get.amount * day.gets
    return Money(amount=amount, currency=platform.currency)


def _figures(
    platform: Platform,
    day: SimulatedDay,
    works: _Works,
    of: Mapping[str, str],
) -> list[Figure]:
    uploads = len(day.latencies) + day.unfinished
    cost = day_cost(platform, day, works)
    found = [
        _one("cost", "a day", float(cost.amount), of, "less"),
        _store_share(platform, day, cost, of),
        _one("store_puts", "", day.puts, of, "less"),
        _one("store_gets", "", day.gets, of, "less"),
        *(_latency(day, share, of) for share in _PERCENTILES),
        _one("without_result", "%", 100 * day.unfinished / uploads, of, "less"),
        _one("most_at_once", "", day.most_running, of),
        _one("cold_calls", "%", 100 * day.cold / sum(day.calls.values()), of),
        _one("discarded", "", day.discarded, of, "less"),
        _one("queued", "", day.queued, of, "less"),
        _one("ramped", "", day.ramped, of, "less"),
    ]
    if day.first_full_at is None:
        reason = "the limit was never reached"
        found.append(Figure(name="full_first_at", unit="h", of=of, reason=reason))
    else:
        found.append(_one("full_first_at", "h", day.first_full_at / 3600, of))
    return found


def _store_share(
    platform: Platform, day: SimulatedDay, whole: Money, of: Mapping[str, str]
) -> Figure:
    cost = store_cost(platform, day)
    if cost is None:
        terms = store_terms(platform)
        reason = "the platform's file names no store" if terms is None else terms.reason
        return Figure(name="store_of_cost", unit="%", of=of, reason=reason)
    return _one("store_of_cost", "%", float(100 * cost.amount / whole.amount), of)


def _one(
    name: str,
    unit: str,
    value: float,
    of: Mapping[str, str],
    better: Literal["more", "less"] | None = None,
) -> Figure:
    return Figure(name=name, unit=unit, values=(value,), of=of, better=better)


def _latency(day: SimulatedDay, share: int, of: Mapping[str, str]) -> Figure:
    """Nearest rank, of all uploads: what has no result is later than any that has."""
    name = f"latency_{share}th"
    uploads = len(day.latencies) + day.unfinished
    rank = ceil(uploads * share / 100)
    if rank > len(day.latencies):
        reason = "so many have no result a day after the last upload"
        return Figure(name=name, unit="s", of=of, reason=reason, better="less")
    return _one(name, "s", sorted(day.latencies)[rank - 1], of, "less")


def _curve(day: SimulatedDay, label: str) -> Curve:
    ordered = sorted(day.latencies)
    uploads = len(ordered) + day.unfinished
    ranks = [min(int(uploads * k / 100), len(ordered) - 1) for k in range(1, 100)]
    points = tuple(
        (float(k), ordered[rank] / 60)
        for k, rank in enumerate(ranks, 1)
        if int(uploads * k / 100) < len(ordered)
    )
    return Curve(
        name="latency",
        label=label,
        x="of uploads, %",
        y="from the upload to its result, minutes",
        points=points,
    )


def _swept(
    asked: DayAsked, platform: Platform, planner: _Planner, tell: Tell
) -> list[Figure]:
    """What the assumptions are worth: without a limit, on a smaller day."""
    small = replace(asked, uploads=min(asked.uploads, _SWEPT_UPLOADS))
    large = {(1920, 1080): 0.7, (3840, 2160): 0.3}
    little = {(640, 360): 0.5, (1280, 720): 0.5}
    fleet = FLEETS[platform.name][-1]
    days = (
        ("as above", small, fleet),
        ("cold starts at once", small, replace(fleet, cold_seconds=0.0)),
        ("cold starts of 7 s", small, replace(fleet, cold_seconds=7.0)),
        ("idle for 10 s", small, replace(fleet, idle_seconds=10.0)),
        ("idle for 10 min", small, replace(fleet, idle_seconds=600.0)),
        ("no burst", replace(small, burst=1.0), fleet),
        ("no wave", replace(small, swing=0.0), fleet),
        ("half as long", replace(small, median_seconds=MEDIAN_SECONDS / 2), fleet),
        ("twice as long", replace(small, median_seconds=MEDIAN_SECONDS * 2), fleet),
        ("360p and 720p alone", replace(small, shares=little), fleet),
        ("1080p and 2160p alone", replace(small, shares=large), fleet),
    )
    found: list[Figure] = []
    for number, (what, day, at) in enumerate(days):
        tell.repeat(f"{platform.name}, swept", number, len(days))
        classes = classes_of(day)
        ways = planner.works(classes)
        cheap, fixed = ways["chosen, cost"], ways["fixed"]
        chosen = _day(day, platform, at, classes, cheap)
        cost = day_cost(platform, chosen, cheap)
        beside = day_cost(platform, _day(day, platform, at, classes, fixed), fixed)
        of = {
            "platform": platform.name,
            "currency": platform.currency,
            "swept": what,
        }
        share = cost.amount / beside.amount
        each = float(cost.amount / small.uploads * 1000)
        found += [
            _one("cost", "per 1,000", each, of, "less"),
            _one("chosen_of_fixed", "%", float(100 * share), of, "less"),
            _latency(chosen, 50, of),
            _latency(chosen, 95, of),
            _one("cold_calls", "%", 100 * chosen.cold / sum(chosen.calls.values()), of),
        ]
    return found


def _notes(asked: DayAsked, fixed: Mapping[str, int]) -> tuple[str, ...]:
    sizes = ", ".join(
        f"{height}p {share:.0%}" for (_, height), share in asked.shares.items()
    )
    specs = ", ".join(f"{memory} MiB on {name}" for name, memory in fixed.items())
    return (
        (
            f"{asked.uploads:,} uploads a day. Length: median {MEDIAN_SECONDS:g} s "
            f"(random sample of YouTube, 2023), mean {MEAN_SECONDS:g} s (the same, "
            f"2007), log-normal; sizes are assumed and swept: {sizes}."
        ),
        (
            f"A wave of ±{SWING:.0%} with its top at 20:00 (assumed, swept), and a "
            f"burst of {BURST:g} times for a quarter of an hour at it (SVE, SOSP 2017)."
        ),
        (
            "Times and memory of the work: this package's predictions on each "
            "platform, spread as widely as they say themselves, without the time that "
            "the store's network takes."
        ),
        (
            f"An upload's call takes {PLANNING_SECONDS:g} s with 0.6 vCPU: measured "
            "on FunctionGraph's emulator (1.9 to 2.3 s with its initializer). A "
            f"sweep's call plans side by side, one in {SWEEP_PACE_SECONDS:g} s."
        ),
        (
            "Requests to the store: what the plan of each task says, "
            f"{ASKED_BY_PLANNING.puts} PUT and {ASKED_BY_PLANNING.gets} GET of an "
            f"upload's call, {ASKED_AFTER_TASK.puts} and {ASKED_AFTER_TASK.gets} of "
            "publishing: counted on the emulator. Priced where the platform's file "
            "has a price."
        ),
        (
            "FunctionGraph: 100 calls at once, what is above is discarded and found by "
            "the clock every 15 minutes, instances end after a minute (documentation); "
            "3 s for a cold start (arXiv 2410.06145: up to 3 or 7 s by region)."
        ),
        (
            "Lambda: 1,000 calls at once, 1,000 new environments in 10 s for each "
            "function (documentation); 1 s for a cold start, 5 minutes idle: assumed."
        ),
        f"Fixed: the smallest one spec in which all of them work: {specs}.",
        (
            "Refused: what no spec of the platform does within its time limit; such "
            "uploads are left out of the day."
        ),
        (
            "List prices; no free tier, no transfer, no storage. A latency is that of "
            "all uploads: those without a result are later than any."
        ),
    )
