"""Dividing: when a job is done in chunks, in how many, on which specs, and why."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import Capabilities, Constraints, Media, Money, Plan, Source
from transcode.errors import BudgetTooSmall, DeadlineTooShort, PlanError, SpecTooSmall
from transcode.plan import make_plan
from transcode.plan.choose import weigh_all
from transcode.plan.coefficients import parse_coefficients
from transcode.plan.divide import COUNTS, Divider, _together
from transcode.plan.profile import Profile
from transcode.plan.recipe import make_recipe
from transcode.plan.sampling import consider
from transcode.plan.split import chunk_recipe, cuts, join_recipe
from transcode.plan.words import duration
from transcode.platforms import Machine, Platform, parse_platform

ROOT = Path(__file__).resolve().parents[2]
COEFFICIENTS = parse_coefficients(
    (ROOT / "transcode/plan/coefficients.toml").read_text(encoding="utf-8")
)
MACHINE = Machine(milli_cpus=4000, memory_mib=16_000, scratch_mib=50_000)
IN_CHUNKS = "In one piece it does not fit, in chunks it does."
CLOUDS = pytest.mark.parametrize("on", ["functiongraph", "aws-lambda"])
LAMBDA = {"on": "aws-lambda", "by": "mp4"}
Film, Make = Callable[..., Media], Callable[..., Plan]


def platform(name: str = "functiongraph") -> Platform:
    path = ROOT / f"profiles/platforms/{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


@pytest.fixture(scope="module")
def film(change: Film) -> Film:
    """HEVC at 30 frames per second, so that no picture is copied."""

    def make(seconds: int = 600, height: int = 720, step: int = 2) -> Media:
        lasts, width = {"duration_seconds": float(seconds)}, height * 16 // 9
        video = {
            "codec": "hevc", "frames": seconds * 30, "width": width, "height": height,
            "display_width": width, "display_height": height,
            "bit_rate": 2 * width * height, "time_base": Fraction(1, 15_360),
            "keyframe_seconds": tuple(float(it) for it in range(0, seconds, step)),
        }  # fmt: skip
        return change(media=lasts, video=lasts | video, audio=lasts)

    return make


@pytest.fixture(scope="module")
def short(film: Film) -> Media:
    """Ten minutes of 720p."""
    return film()


@pytest.fixture(scope="module")
def plan(upload: Source, capable: Capabilities, shipped: Callable[..., Any]) -> Make:
    """Plans on platforms and by profiles that ship."""

    def make(
        media: Media, on: str = "functiongraph", by: str = "hls", *,
        others: Any = (), **wishes: Any,
    ) -> Plan:  # fmt: skip
        return make_plan(
            upload, media, shipped(by), platform(on), machine=MACHINE, others=others,
            constraints=Constraints(**wishes), capabilities=capable,
            coefficients=COEFFICIENTS, engine="local",
        )  # fmt: skip

    return make


def kinds(made: Plan) -> list[str]:
    return [it.task.kind for it in made.tasks]


def said(made: Plan) -> str:
    return made.division.reason if made.division else ""


def at_most(made: Plan) -> float:
    """Upper ends: of the slowest chunk and then the join, or of the whole."""
    main, *chunks = (it.task.predicted_wall.high for it in made.tasks)
    return main + max(chunks, default=0.0)


def needed(plan: Make, media: Media, **wishes: Any) -> float:
    """The shortest deadline, as the refusal of a shorter one says."""
    with pytest.raises(PlanError) as caught:
        plan(media, deadline_seconds=1, **wishes)
    return float(caught.value.evidence["needed_seconds"])


@CLOUDS
def test_chunks_meet_a_deadline_that_no_spec_does(
    plan: Make, short: Media, on: str
) -> None:
    """Even at the upper ends of the slowest chunk and of the join."""
    deadline = needed(plan, short, on=on, chunks=1) / 3
    made = plan(short, on, deadline_seconds=deadline)

    assert made.division is not None
    assert ["join", *["chunk"] * made.division.chunks] == kinds(made)
    assert at_most(made) <= deadline
    assert (IN_CHUNKS, None) == (said(made), made.tasks[0].instead)


def test_a_join_waits_for_its_chunks_in_order(plan: Make, short: Media) -> None:
    """Cost, to the last digit, and what is billed are the sum of all tasks."""
    made = plan(short, chunks=5)
    join, *chunks = tasks = [it.task for it in made.tasks]
    billed = sum(it.predicted.billed_milliseconds or 0 for it in tasks)

    assert tuple(it.task_id for it in chunks) == join.joins
    assert tuple(it.recipe.clip for it in chunks) == join.recipe.chunks
    assert 6 == len({join.task_id, *join.joins})
    assert sum(it.predicted_cost.amount for it in tasks) == made.predicted_cost.amount
    assert billed == made.predicted.billed_milliseconds


def test_one_piece_without_hurry_names_chunks(plan: Make, short: Media) -> None:
    """How many, and what they would take and cost: asked for, they do."""
    made = plan(short)
    way = r"In (\d+) chunks it would (.+), for (\d+)% (more|less) \(--chunks \1\)\."
    told = re.fullmatch(way, said(made))
    assert told is not None
    asked = plan(short, chunks=int(told[1]))
    more = 100 * (asked.predicted_cost.amount / made.predicted_cost.amount - 1)
    took = [duration(it.predicted.wall_seconds) for it in (asked, made)]

    assert ["encode"] == kinds(made)
    assert "take {} instead of {} in one piece".format(*took) == told[2]
    assert int(told[3]) == pytest.approx(abs(float(more)), abs=0.51)
    assert told[4] == ("more" if more > 0 else "less")


def test_on_one_machine_none_are_made_unasked(plan: Make, short: Media) -> None:
    """They would share its cores; who asks for them gets them."""
    made = [plan(short, "local", optimize=it) for it in ("balanced", "time")]
    with pytest.raises(DeadlineTooShort, match="No spec of local does this"):
        plan(short, "local", deadline_seconds=20)

    assert [["encode"]] * 2 == [kinds(it) for it in made]
    assert "In one piece, since chunks would share one machine." == said(made[0])
    assert 4 == len(plan(short, "local", chunks=3).tasks)


def test_one_chunk_is_one_piece_in_any_hurry(plan: Make, short: Media) -> None:
    """It is asked for as that, and refused where it is too slow."""
    made = plan(short, chunks=1, optimize="time")
    with pytest.raises(DeadlineTooShort, match="No spec of functiongraph does this"):
        plan(short, chunks=1, deadline_seconds=60)

    assert (["encode"], "In one piece, as asked for.") == (kinds(made), said(made))


@pytest.mark.parametrize("count", [2, 7, 50])
def test_as_many_as_asked_for_are_made(plan: Make, short: Media, count: int) -> None:
    """Also where it is no number that would have been searched."""
    made = plan(short, chunks=count)

    assert ["join", *["chunk"] * count] == kinds(made)
    assert "As many chunks as asked for." == said(made)


@pytest.mark.parametrize("by", ["hls", "mp4"])
def test_too_many_are_refused_with_the_most(plan: Make, short: Media, by: str) -> None:
    """One more is too many, too."""
    with pytest.raises(PlanError, match="It is too short for 70 chunks") as caught:
        plan(short, by=by, chunks=70)
    most = caught.value.evidence["most"]
    with pytest.raises(PlanError, match=f"--chunks {most} is the most"):
        plan(short, by=by, chunks=most + 1)

    assert most + 1 == len(plan(short, by=by, chunks=most).tasks)


def test_what_cannot_be_cut_is_refused_in_chunks(plan: Make, short: Media) -> None:
    """Unasked it is done in one piece; each time the reason is said."""
    fragmented = short.model_copy(update={"fragmented": True})
    why = "mp4 has no full index to seek by"
    made = plan(fragmented, optimize="time")
    with pytest.raises(PlanError, match=f"in chunks: {why}; leave out --chunks"):
        plan(fragmented, chunks=2)

    assert (["encode"], f"In one piece, since {why}.") == (kinds(made), said(made))


@CLOUDS
@pytest.mark.parametrize("wishes", [{}, {"chunks": 4}])
def test_the_deadline_that_is_named_is_enough(
    plan: Make, short: Media, on: str, wishes: dict[str, int]
) -> None:
    """In whole seconds; with a little less it is refused again."""
    seconds = needed(plan, short, on=on, **wishes)
    made = plan(short, on, deadline_seconds=math.ceil(seconds), **wishes)
    with pytest.raises(PlanError):
        plan(short, on, deadline_seconds=seconds - 0.01, **wishes)

    assert "join" == kinds(made)[0]
    assert at_most(made) <= math.ceil(seconds)


@pytest.mark.parametrize("step", [2, 1850])
def test_what_no_call_may_do_is_done_in_chunks(
    plan: Make, film: Film, step: int
) -> None:
    """An hour of 2160p takes more than 15 minutes, one part with far keyframes less."""
    hour = film(3600, 2160, step)
    with pytest.raises(SpecTooSmall):
        plan(hour, **LAMBDA, chunks=1)
    made = plan(hour, **LAMBDA)

    assert ({"join", "chunk"}, IN_CHUNKS) == ({*kinds(made)}, said(made))
    assert max(it.task.predicted_wall.high for it in made.tasks) <= 900
    assert at_most(made) >= needed(plan, hour, **LAMBDA)


def test_far_keyframes_break_no_deadline(plan: Make, film: Film) -> None:
    """Most of a chunk may be to decode what lies before it."""
    media = film(step=550)
    deadline = needed(plan, media) + 1

    assert at_most(plan(media, deadline_seconds=deadline)) <= deadline


def test_a_forced_memory_is_that_of_every_task(plan: Make, short: Media) -> None:
    """Who forces one without a number of chunks gets one piece."""
    made = plan(short, chunks=6, memory_mib=1024)
    whole = plan(short, memory_mib=1024, optimize="time")

    assert [1024] * 7 == [it.task.spec.memory_mib for it in made.tasks]
    assert "In one piece, since a size was asked for." == said(whole)


def test_a_plan_in_chunks_is_the_same_from_json(plan: Make, short: Media) -> None:
    """With the whole to fall back on: under the join's id, and without copying."""
    made = plan(short, chunks=6)
    join, instead = made.tasks[0].task, made.tasks[0].instead

    assert made == Plan.from_json(made.to_json())
    assert instead is not None
    assert (join.task_id, "encode") == (instead.task.task_id, instead.task.kind)
    assert ["copied"] == [it.made_by for it in join.recipe.audio]
    assert ["encoded"] == [it.made_by for it in instead.task.recipe.audio]


def test_no_sample_is_taken_before_chunks(plan: Make, short: Media) -> None:
    """They begin at once."""
    wishes, on = {"deadline_seconds": 60}, platform()
    told = consider(
        plan(short, **wishes), platform=on, machine=MACHINE,
        constraints=Constraints(**wishes), coefficients=COEFFICIENTS,
    )  # fmt: skip

    assert told is not None
    assert ("impossible", None) == (told.verdict, told.planned)
    assert "All chunks begin at once, none can tell of others." == told.reason


@pytest.fixture(scope="module")
def every(
    short: Media, shipped: Callable[[str], Profile], capable: Capabilities
) -> list[tuple[float, float]]:
    """Price and upper end of the whole, and of every pair of specs in every count."""
    recipe, on = make_recipe(short, shipped("hls"), capable).recipe, platform()
    it = Divider(short, recipe, on, MACHINE, Constraints(), COEFFICIENTS)

    def weighed(made: Any) -> list[Any]:
        return weigh_all(it._work(made), it._terms)

    found = [(one.price, one.wall.high) for one in weighed(recipe) if not one.obstacle]
    for clips in filter(None, (cuts(short, recipe, count) for count in COUNTS)):
        chunks = zip(
            *(weighed(chunk_recipe(recipe, clip)) for clip in clips), strict=True
        )
        pairs = itertools.product(chunks, weighed(join_recipe(recipe, clips)))
        able = (it for it in pairs if not any(one.obstacle for one in (*it[0], it[1])))
        parts = (_together(clips, same, join) for same, join in able)
        found += [(both.price, both.high_seconds) for both in parts]
    return found


@settings(max_examples=20, deadline=None)
@given(deadline=st.floats(2.3, 7.8).map(math.exp),
       wish=st.sampled_from(["cost", "cost", "time", "balanced"]))  # fmt: skip
def test_a_deadline_is_held_at_the_least_cost_or_refused(
    plan: Make, short: Media, every: Any, deadline: float, wish: str
) -> None:
    """Of all counts and all pairs of specs none that is in time is cheaper."""
    within = [price for price, high in every if high <= deadline]
    if not within:
        with pytest.raises(DeadlineTooShort):
            plan(short, deadline_seconds=deadline, optimize=wish)
        return
    made = plan(short, deadline_seconds=deadline, optimize=wish)
    cost = float(made.predicted_cost.amount)

    assert at_most(made) <= deadline
    assert min(within) <= cost * (1 + 1e-9)
    assert wish != "cost" or cost <= min(within) * 1.005


def test_the_budget_that_is_named_is_enough(plan: Make, film: Film) -> None:
    """With the deadline that is named; both are rounded up."""
    media, cent = film(580), Money(amount=Decimal("0.01"), currency="CNY")
    with pytest.raises(DeadlineTooShort) as caught:
        plan(media, deadline_seconds=5, budget=cent)
    way = r"A deadline of (\d+) s and a budget of ([\d.]+) CNY would do"
    told = re.search(way, caught.value.message)
    assert told is not None
    budget = Money(amount=Decimal(told[2]), currency="CNY")
    made = plan(media, deadline_seconds=float(told[1]), budget=budget)

    assert "join" == kinds(made)[0]


def test_in_no_hurry_it_is_the_budget_that_is_short(plan: Make, film: Film) -> None:
    """Where only chunks fit, and they would meet the deadline."""
    cent = Money(amount=Decimal("0.01"), currency="USD")

    with pytest.raises(BudgetTooSmall):
        plan(film(3600, 2160), **LAMBDA, deadline_seconds=3600, budget=cent)


def test_elsewhere_chunks_cost_what_they_cost_here(plan: Make, short: Media) -> None:
    """A platform beside itself."""
    made = plan(short, deadline_seconds=60, others=[platform()])

    assert made.predicted_cost == made.elsewhere[0].cost
