"""Sampling: of which parts, whether it pays, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import (
    Attempt,
    Capabilities,
    Constraints,
    Content,
    Media,
    Money,
    OutcomeKind,
    Plan,
    Sampled,
    SampledPart,
    Sampling,
    Source,
)
from transcode.errors import DeadlineTooShort
from transcode.media.timeline import made
from transcode.plan.coefficients import parse_coefficients
from transcode.plan.make_plan import make_plan
from transcode.plan.predict import predict
from transcode.plan.profile import Profile
from transcode.plan.sample_parts import (
    content_of,
    parts_of,
    picture_seconds,
    picture_spread,
)
from transcode.plan.sampling import consider
from transcode.plan.workload import MACHINE_SPREAD, workload
from transcode.platforms.platform import Machine, Platform, parse_platform

ROOT = Path(__file__).resolve().parents[2]
COEFFICIENTS = parse_coefficients(
    (ROOT / "transcode/plan/coefficients.toml").read_text(encoding="utf-8")
)
MACHINE = Machine(milli_cpus=2000, memory_mib=8192, scratch_mib=20_000)
SECONDS = 120.0


@pytest.fixture(scope="module")
def functiongraph() -> Platform:
    path = ROOT / "profiles/platforms/functiongraph.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


@pytest.fixture(scope="module")
def long(change: Callable[..., Media]) -> Media:
    """Two minutes of HEVC: nothing of it can be copied."""
    lasts = {"duration_seconds": SECONDS}
    keys = tuple(2.0 * n for n in range(60))
    return change(
        media={**lasts, "bytes": 31_000_000},
        video={**lasts, "codec": "hevc", "frames": 3600, "keyframe_seconds": keys},
        audio=lasts,
    )


class Planning:
    """Plans of one source on FunctionGraph, and what a sample would be worth."""

    def __init__(
        self, source: Source, profile: Profile, able: Capabilities, platform: Platform
    ) -> None:
        self._made_of = source, profile, able
        self._platform = platform

    def under(self, profile: Profile) -> Planning:
        source, _, able = self._made_of
        return Planning(source, profile, able, self._platform)

    def plan(self, media: Media, content: Content | None = None, **wishes: Any) -> Plan:
        source, profile, able = self._made_of
        return make_plan(
            source,
            media,
            profile,
            self._platform,
            machine=MACHINE,
            constraints=Constraints(**wishes),
            capabilities=able,
            coefficients=COEFFICIENTS,
            engine="local",
            content=content,
        )

    def consider(self, media: Media, **wishes: Any) -> Sampling | None:
        refusal = None
        try:
            plan = self.plan(media, **wishes)
        except DeadlineTooShort as exc:
            plan, refusal = self.plan(media), exc
        return consider(
            plan,
            refusal,
            platform=self._platform,
            machine=MACHINE,
            constraints=Constraints(**wishes),
            coefficients=COEFFICIENTS,
        )


@pytest.fixture(scope="module")
def planning(
    upload: Source,
    capable: Capabilities,
    shipped: Callable[[str], Profile],
    functiongraph: Platform,
) -> Planning:
    return Planning(upload, shipped("hls"), capable, functiongraph)


def test_parts_begin_at_keyframes_spread_over_the_source(
    planning: Planning, long: Media
) -> None:
    """Three hundredths of it in all, and each from where a decoder can begin."""
    recipe = planning.plan(long).tasks[0].task.recipe
    parts = parts_of(long, recipe)
    assert isinstance(parts, tuple)

    assert [20.0, 60.0, 100.0] == [part.start_seconds for part in parts]
    assert [20.0, 60.0, 100.0] == [part.seek_seconds for part in parts]
    assert 3.6 == pytest.approx(
        sum((p.end_seconds or 0) - p.start_seconds for p in parts)
    )


@pytest.mark.parametrize(
    ("media", "video", "why"),
    [
        ({"container": "mpegts"}, {}, "Mpegts has no full index to seek by."),
        ({"fragmented": True}, {}, "Mp4 has no full index to seek by."),
        ({}, {"keyframe_seconds": (0.0,)}, "Fewer than 3 keyframes to begin at are"),
        ({}, {"keyframe_seconds": None}, "Fewer than 3 keyframes to begin at are"),
        (
            {"duration_seconds": 12.0},
            {"duration_seconds": 12.0, "frames": 360},
            "A source below 15 s is encoded as soon as sampled.",
        ),
    ],
)
def test_where_none_can_be_taken_it_says_why(
    planning: Planning, long: Media, media: Any, video: Any, why: str
) -> None:
    """Seeking without an index may miss, and a short source is its own sample."""
    other = long.video[0].model_copy(update=video)
    changed = long.model_copy(update={"video": (other,), **media})

    told = planning.consider(changed)

    assert told is not None
    assert "impossible" == told.verdict
    assert told.reason.startswith(why)


def test_what_is_copied_has_nothing_to_learn(
    planning: Planning, shipped: Callable[[str], Profile], conforming: Media
) -> None:
    """Copying takes what it takes, whatever the picture shows."""
    files = planning.under(shipped("mp4"))

    assert files.consider(conforming) is None
    assert planning.consider(conforming) is not None


def test_without_a_limit_it_would_not_save_what_it_costs(
    planning: Planning, long: Media
) -> None:
    """Content stretches every spec alike: the choice stays where it is."""
    told = planning.consider(long)

    assert told is not None
    assert "no_gain" == told.verdict
    assert told.planned is not None


def test_where_everything_is_for_nothing_nothing_can_be_saved(
    upload: Source,
    capable: Capabilities,
    shipped: Callable[[str], Profile],
    functiongraph: Platform,
    long: Media,
) -> None:
    """A platform of one's own may have no prices."""
    free = {"gib_second": Decimal(0), "requests_per_million": Decimal(0)}
    prices = functiongraph.price.model_copy(update=free)
    platform = functiongraph.model_copy(update={"price": prices})
    planning = Planning(upload, shipped("hls"), capable, platform)

    told = planning.consider(long, optimize="cost", deadline_seconds=3600)

    assert told is not None
    assert told.verdict in {"no_gain", "too_dear"}


def test_near_a_deadline_who_knows_the_content_takes_a_smaller_spec(
    planning: Planning, long: Media
) -> None:
    """The upper end of a wide interval asks for more than most contents need."""
    cheapest = planning.plan(long, optimize="cost").tasks[0].task
    deadline = cheapest.predicted.wall_seconds / 4
    told = planning.consider(long, optimize="cost", deadline_seconds=deadline)

    assert told is not None
    assert "pays" == told.verdict
    assert "expected to save" in told.reason


def test_a_refusal_that_a_sample_may_lift_is_worth_one(
    planning: Planning, long: Media
) -> None:
    """The middle of the interval fits, its upper end does not."""
    fastest = planning.plan(long, optimize="time").tasks[0].task
    likely, high = fastest.predicted.wall_seconds, fastest.predicted_wall.high
    told = planning.consider(long, deadline_seconds=(2 * likely + high) / 3)
    hopeless = planning.consider(long, deadline_seconds=likely / 20)

    assert told is not None
    assert hopeless is not None
    assert ("pays", "no_gain") == (told.verdict, hopeless.verdict)
    assert "may show that the job fits after all" in told.reason


def test_a_sample_makes_pictures_of_its_parts_alone(
    planning: Planning, long: Media
) -> None:
    """No sound, no stills, no captions, nothing copied: what content bears on."""
    told = planning.consider(long)
    assert told is not None
    assert told.planned is not None
    task, main = told.planned.task, planning.plan(long).tasks[0].task

    assert "sample" == task.kind
    assert task.recipe.video == main.recipe.video
    assert ((), (), None, None) == (
        task.recipe.audio,
        task.recipe.captions,
        task.recipe.poster,
        task.recipe.sprites,
    )
    seen = made(task.media, task.recipe)
    assert (108, 3.6) == (
        seen.video[0].frames,
        pytest.approx(seen.duration_seconds),
    )


def attempt_of(planning: Planning, media: Media, seconds: list[float]) -> Any:
    """A sample whose parts took so many CPU seconds beyond their start."""
    told = planning.consider(media)
    assert told is not None
    assert told.planned is not None
    task = told.planned.task
    sampled = Sampled(
        start=SampledPart(start_seconds=20.0, frames=1, cpu_seconds=0.1),
        parts=tuple(
            SampledPart(start_seconds=20.0 + n, frames=24, cpu_seconds=0.1 + it)
            for n, it in enumerate(seconds)
        ),
        bit_rates={"720p": 1_000_000},
    )
    done = Attempt(
        number=1,
        spec=task.spec,
        predicted=task.predicted,
        measured=task.predicted,
        cost=task.predicted_cost,
        outcome=OutcomeKind.SUCCEEDED,
        sampled=sampled,
    )
    return done, task


def test_content_is_what_pictures_took_over_what_was_expected(
    planning: Planning, long: Media
) -> None:
    """Twice the CPU of 23 pictures, beside their start: nearly twice the content."""
    _, task = attempt_of(planning, long, [1.0])
    seen = made(task.media, task.recipe)
    work = workload(seen, task.recipe, coefficients=COEFFICIENTS)
    per_frame = picture_seconds(work) / 108
    done, task = attempt_of(planning, long, [2 * 23 * per_frame] * 3)

    content = content_of(done, task, coefficients=COEFFICIENTS, platform="x")

    assert content is not None
    assert 1.9 < content.cpu < 2.0
    assert 1.0 == content.memory
    assert {"720p": 1_000_000} == content.bit_rates


def test_parts_that_disagree_leave_a_wider_interval(
    planning: Planning, long: Media
) -> None:
    """Three alike say more of the whole than three that differ."""
    alike, task = attempt_of(planning, long, [0.5, 0.5, 0.5])
    apart, _ = attempt_of(planning, long, [0.25, 0.5, 1.0])
    told = [
        content_of(it, task, coefficients=COEFFICIENTS, platform="x")
        for it in (alike, apart)
    ]

    assert told[0] is not None
    assert told[1] is not None
    assert told[0].spread < 0.1 < told[1].spread


@settings(max_examples=50, deadline=None)
@given(seconds=st.lists(st.floats(0.05, 5.0), min_size=1, max_size=3))
def test_nobody_knows_less_after_a_sample(
    planning: Planning, long: Media, seconds: list[float]
) -> None:
    """Parts may scatter as they like: the spread is below what it was without them."""
    done, task = attempt_of(planning, long, seconds)
    work = workload(
        made(task.media, task.recipe), task.recipe, coefficients=COEFFICIENTS
    )

    content = content_of(done, task, coefficients=COEFFICIENTS, platform="x")

    assert content is not None
    assert content.spread < math.hypot(picture_spread(work), MACHINE_SPREAD)


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(0.3, 3.0))
def test_what_a_sample_showed_moves_time_and_narrows_the_interval(
    planning: Planning, long: Media, factor: float
) -> None:
    """Work on pictures is so many times as much; the rest stays as it was."""
    task = planning.plan(long).tasks[0].task
    media = made(task.media, task.recipe)
    asked: dict[str, Any] = {"spec": task.spec, "coefficients": COEFFICIENTS}
    before = predict(media, task.recipe, **asked)
    after = predict(
        media, task.recipe, content=Content(cpu=factor, spread=0.08), **asked
    )
    work = workload(media, task.recipe, coefficients=COEFFICIENTS)
    more = (factor - 1) * picture_seconds(work)

    assert before.usage.cpu_seconds + more == pytest.approx(after.usage.cpu_seconds)
    wide, narrow = before.wall, after.wall
    assert narrow.high / narrow.low < wide.high / wide.low


def test_a_plan_after_a_sample_is_chosen_by_it(planning: Planning, long: Media) -> None:
    """An easy source fits a deadline that its headers would not have been given."""
    fastest = planning.plan(long, optimize="time").tasks[0].task
    deadline = fastest.predicted.wall_seconds * 0.9
    with pytest.raises(DeadlineTooShort):
        planning.plan(long, deadline_seconds=deadline)
    easy = Content(cpu=0.5, spread=0.08)

    plan = planning.plan(long, easy, deadline_seconds=deadline)

    assert plan.tasks[0].task.predicted_wall.high <= deadline


def test_what_is_left_after_a_sample_is_less_by_what_it_took() -> None:
    """Deadline and budget run while it is taken."""
    from transcode.plan.sampling import less  # noqa: PLC0415

    wishes = Constraints(
        deadline_seconds=60.0, budget=Money(amount=Decimal("0.01"), currency="CNY")
    )
    left = less(wishes, Money(amount=Decimal("0.002"), currency="CNY"), 2.5)

    assert 57.5 == left.deadline_seconds
    assert Money(amount=Decimal("0.008"), currency="CNY") == left.budget
