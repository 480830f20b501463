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
from transcode.plan.choose import weigh_all
from transcode.plan.chunk_search import COUNTS, ChunkSearch, _together
from transcode.plan.chunks import chunk_recipe, cuts, join_recipe, sound_recipe
from transcode.plan.coefficients import parse_coefficients
from transcode.plan.make_plan import make_plan
from transcode.plan.objects import requests_of
from transcode.plan.recipe import make_recipe
from transcode.plan.sampling import consider
from transcode.plan.tasks import store_of
from transcode.platforms.platform import Machine, Platform, parse_platform
from transcode.platforms.price import bill
from transcode.units import duration

ROOT = Path(__file__).resolve().parents[2]
MEASURED = (ROOT / "transcode/plan/coefficients.toml").read_text(encoding="utf-8")
COEFFICIENTS = parse_coefficients(MEASURED)
MACHINE = Machine(milli_cpus=4000, memory_mib=16_000, scratch_mib=50_000)
CLOUDS = pytest.mark.parametrize("on", ["functiongraph", "aws-lambda"])
Film = Callable[..., Media]
Make = Callable[..., Plan]


def platform(name: str = "functiongraph") -> Platform:
    path = ROOT / f"profiles/platforms/{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


@pytest.fixture(scope="module")
def film(change: Film) -> Film:
    """HEVC at 30 frames per second, so that no picture is copied; ten minutes of it."""

    def make(
        seconds: int = 600, height: int = 720, step: int = 2, sound: str = "aac"
    ) -> Media:
        lasts, width = {"duration_seconds": float(seconds)}, height * 16 // 9
        video = {
            "codec": "hevc", "frames": seconds * 30, "width": width, "height": height,
            "display_width": width, "display_height": height,
            "bit_rate": 2 * width * height, "time_base": Fraction(1, 15_360),
            "keyframe_seconds": tuple(float(it) for it in range(0, seconds, step)),
        }  # fmt: skip
        media: Media = change(
            media=lasts, video=lasts | video, audio=lasts | {"codec": sound}
        )
        return media

    return make


@pytest.fixture(scope="module")
def plan(film: Film, upload: Source, capable: Capabilities, shipped: Any) -> Make:
    """Plans on platforms and by profiles that ship."""

    def make(
        on: str = "functiongraph", by: str = "hls", media: Media | None = None,
        others: Any = (), **wishes: Any,
    ) -> Plan:  # fmt: skip
        return make_plan(
            upload, media or film(), shipped(by), platform(on), machine=MACHINE,
            constraints=Constraints(**wishes), capabilities=capable, others=others,
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


def needed(plan: Make, **wishes: Any) -> float:
    """The shortest deadline, as the refusal of a shorter one says."""
    with pytest.raises(PlanError) as caught:
        plan(deadline_seconds=1, **wishes)
    return float(caught.value.evidence["needed_seconds"])


@CLOUDS
def test_chunks_meet_a_deadline_that_no_spec_does(plan: Make, on: str) -> None:
    """Even at the upper ends of the slowest chunk and of the join."""
    deadline = needed(plan, on=on, chunks=1) / 3
    made = plan(on, deadline_seconds=deadline)

    assert ["join", *["chunk"] * (len(made.tasks) - 1)] == kinds(made)
    assert at_most(made) <= deadline
    assert "In one piece it does not fit, in chunks it does." == said(made)


@pytest.mark.parametrize("chunks", [1, 3])
def test_requests_are_predicted_and_in_the_price(plan: Make, chunks: int) -> None:
    """
    Segments are objects; chunks are written, listed and read once more. As single
    files they are a few.
    """
    made = plan(on="aws-lambda", chunks=chunks)
    asked, terms = made.predicted.store, made.store
    main = made.tasks[0].task
    one_file = main.recipe.packaging.model_copy(update={"segments": "single_file"})
    few = requests_of(main.recipe.model_copy(update={"packaging": one_file}), 600.0, {})
    many = requests_of(main.recipe, 600.0, {})

    assert asked is not None
    assert terms is not None
    assert asked == store_of(it.task.predicted for it in made.tasks)
    assert (terms.cost(asked) or made.predicted_cost).amount > 0
    for it in made.tasks:
        without = it.task.predicted.model_copy(update={"store": None})
        cost = bill(platform("aws-lambda"), it.task.spec, without).total
        assert it.task.predicted_cost.amount > cost.amount
    renditions = len(main.recipe.video) + len(main.recipe.audio)
    # Ten minutes in segments of 4 s, and a header for each.
    assert many.puts - few.puts == renditions * 150
    assert many.puts >= renditions * 151 + (chunks if chunks > 1 else 0)


@CLOUDS
def test_chunks_say_what_the_speed_costs(plan: Make, on: str) -> None:
    """Beside them the best single task, that no deadline hurries."""
    alone, deadline = plan(on), needed(plan, on=on)
    hurried = plan(on, deadline_seconds=deadline)

    assert alone.division is not None
    assert alone.division.one_piece is None
    assert hurried.division is not None
    assert hurried.division.chunks > 1
    one = hurried.division.one_piece
    assert one is not None
    assert one.cost == alone.predicted_cost
    assert one.wall_seconds > hurried.predicted.wall_seconds


def test_a_machine_with_fewer_cores_than_the_spec_says_so(
    plan: Make, film: Film
) -> None:
    """Before it runs: what is predicted is the spec's, and not this machine's."""
    large = plan("aws-lambda", memory_mib=10240)
    small = plan("aws-lambda", memory_mib=1769)

    said = "5.79 vCPU are chosen on aws-lambda and this machine has 4"
    assert [it for it in large.warnings if it.startswith(said)]
    assert not [it for it in small.warnings if "this machine has" in it]


def test_a_join_waits_for_its_chunks_in_order(plan: Make) -> None:
    """As many as asked for; all of them are what it costs, also in a comparison."""
    made = plan(chunks=5, others=[platform()])
    join, *chunks = tasks = [it.task for it in made.tasks]

    assert made.division is not None
    assert (5, "As many chunks as asked for.") == (made.division.chunks, said(made))
    assert ["join", *["chunk"] * 5] == kinds(made)
    assert tuple(it.task_id for it in chunks) == join.joins
    assert tuple(it.recipe.clip for it in chunks) == join.recipe.chunks
    assert 6 == len({join.task_id, *join.joins})
    assert sum(it.predicted_cost.amount for it in tasks) == made.predicted_cost.amount
    assert made.predicted_cost == made.elsewhere[0].cost


def test_one_piece_without_hurry_names_chunks(plan: Make) -> None:
    """How many, and what they would take and cost: asked for, they do."""
    made = plan()
    count = said(made).split()[1]
    asked = plan(chunks=int(count))
    more = asked.predicted_cost.amount / made.predicted_cost.amount - 1
    took, takes = (duration(it.predicted.wall_seconds) for it in (asked, made))

    assert ["encode"] == kinds(made)
    assert said(made) == (
        f"In {count} chunks it would take {took} instead of {takes} in one piece, for "
        f"{abs(more):.0%} {'more' if more > 0 else 'less'} (--chunks {count})."
    )


@pytest.mark.parametrize(("on", "wishes", "why"), [
    ("local", {}, "since chunks would share one machine"),
    ("functiongraph", {"chunks": 1}, "as asked for"),
    ("functiongraph", {"memory_mib": 1024}, "since a size was asked for"),
])  # fmt: skip
def test_one_piece_in_any_hurry(plan: Make, on: str, wishes: Any, why: str) -> None:
    """Where there is a reason; it is refused where it is too slow."""
    made = [plan(on, optimize=it, **wishes) for it in ("balanced", "time")]
    with pytest.raises(DeadlineTooShort, match=f"No spec of {on} does this"):
        plan(on, deadline_seconds=20, **wishes)

    assert [["encode"]] * 2 == [kinds(it) for it in made]
    assert f"In one piece, {why}." == said(made[1])


@pytest.mark.parametrize("by", ["hls", "mp4"])
def test_too_many_are_refused_with_the_most(plan: Make, by: str) -> None:
    """One more is too many, too."""
    with pytest.raises(PlanError, match="It is too short for 70 chunks") as caught:
        plan(by=by, chunks=70)
    most = caught.value.evidence["most"]
    with pytest.raises(PlanError, match=f"--chunks {most} is the most"):
        plan(by=by, chunks=most + 1)

    assert most + 1 == len(plan(by=by, chunks=most).tasks)


def test_what_cannot_be_cut_is_refused_in_chunks(plan: Make, film: Film) -> None:
    """Unasked it is done in one piece; each time the reason is said."""
    searched = film().model_copy(update={"container": "ogg"})
    why = "ogg has no full index to seek by"
    made = plan(media=searched, optimize="time")
    with pytest.raises(PlanError, match=f"in chunks: {why}; leave out --chunks"):
        plan(media=searched, chunks=2)

    assert (["encode"], f"In one piece, since {why}.") == (kinds(made), said(made))


@CLOUDS
@pytest.mark.parametrize(("step", "wishes"), [(2, {}), (2, {"chunks": 4}), (550, {})])
def test_the_deadline_that_is_named_is_enough(
    plan: Make, film: Film, on: str, step: int, wishes: Any
) -> None:
    """With a little less it is refused; most may be to decode what lies before."""
    wishes = {**wishes, "on": on, "media": film(step=step)}
    seconds = needed(plan, **wishes)
    made = plan(**wishes, deadline_seconds=math.ceil(seconds))
    with pytest.raises(PlanError):
        plan(**wishes, deadline_seconds=seconds - 0.01)

    assert "join" == kinds(made)[0]
    assert at_most(made) <= math.ceil(seconds)


@pytest.mark.parametrize("step", [2, 1850])
def test_what_no_call_may_do_is_in_chunks(plan: Make, film: Film, step: int) -> None:
    """An hour of 2160p takes more than 15 minutes, and who is in a hurry is told."""
    wishes = {"on": "aws-lambda", "by": "mp4", "media": film(3600, 2160, step)}
    with pytest.raises(SpecTooSmall):
        plan(**wishes, chunks=1)
    made = plan(**wishes)

    assert ({"join", "chunk"}, None) == ({*kinds(made)}, made.tasks[0].fallback)
    assert needed(plan, **wishes) <= 900
    assert max(it.task.predicted_wall.high for it in made.tasks) <= 900


def test_a_forced_memory_is_that_of_every_task(plan: Make) -> None:
    """Also one that is not searched, and on one machine, where both are asked for."""
    tasks = plan("local", chunks=6, memory_mib=1000).tasks

    assert [1000] * 7 == [it.task.spec.memory_mib for it in tasks]


def test_a_plan_in_chunks_is_the_same_from_json(plan: Make) -> None:
    """With the whole to fall back on: under the join's id, and without copying."""
    made = plan(chunks=6)
    join, whole = made.tasks[0].task, (made.tasks[0].fallback or made.tasks[1]).task

    assert made == Plan.from_json(made.to_json())
    assert (join.task_id, "encode") == (whole.task_id, whole.kind)
    assert ["copied"] == [it.made_by for it in join.recipe.audio]
    assert ["encoded"] == [it.made_by for it in whole.recipe.audio]


def test_no_sample_is_taken_before_chunks(plan: Make) -> None:
    """They begin at once."""
    told = consider(plan(chunks=6), platform=platform(), machine=MACHINE,
                    constraints=Constraints(), coefficients=COEFFICIENTS)  # fmt: skip
    why = "All chunks begin at once, none can tell of others."

    assert ("impossible", why) == (told and told.verdict, told and told.reason)


@pytest.fixture(scope="module")
def every(film: Film, shipped: Any, capable: Any) -> list[tuple[float, float]]:
    """Price and upper end of the whole, and of all specs in every count, with sound in
    the join and beside the chunks."""
    media, on = film(sound="flac"), platform()
    recipe = make_recipe(media, shipped("hls"), capable).recipe
    it = ChunkSearch(media, recipe, on, MACHINE, Constraints(), COEFFICIENTS)

    def weighed(made: Any) -> list[Any]:
        return weigh_all(it._work(made), it._terms)

    found = [(one.price, one.wall.high) for one in weighed(recipe) if not one.obstacle]
    for clips in filter(None, (cuts(media, recipe, count) for count in COUNTS)):
        chunks = [weighed(chunk_recipe(recipe, clip)) for clip in clips]
        alone = sound_recipe(recipe)
        assert alone is not None
        for sounds, apart in (((None,), False), (weighed(alone), True)):
            joins = weighed(join_recipe(recipe, clips, sound_apart=apart))
            every = itertools.product(zip(*chunks, strict=True), sounds, joins)
            for same, sound, join in every:
                if not any(one and one.obstacle for one in (*same, sound, join)):
                    both = _together(clips, same, sound, join)
                    found.append((both.price, both.high_seconds))
    return found


@settings(max_examples=12, deadline=None)
@given(deadline=st.floats(2.3, 7.8).map(math.exp),
       wish=st.sampled_from(["cost", "time", "balanced"]))  # fmt: skip
def test_a_deadline_is_held_at_the_least_cost_or_refused(
    plan: Make, film: Film, every: Any, deadline: float, wish: str
) -> None:
    """Of all counts and all their specs none that is in time is cheaper."""
    media = film(sound="flac")
    within = [price for price, high in every if high <= deadline]
    if not within:
        with pytest.raises(DeadlineTooShort):
            plan(media=media, deadline_seconds=deadline, optimize=wish)
        return
    made = plan(media=media, deadline_seconds=deadline, optimize=wish)
    cost = float(made.predicted_cost.amount)

    assert at_most(made) <= deadline
    assert wish != "cost" or min(within) == pytest.approx(cost, rel=0.005)


def test_the_budget_that_is_named_is_enough(plan: Make, film: Film) -> None:
    """With the deadline that is named; both are rounded up."""
    media, cent = film(580), Money(amount=Decimal("0.01"), currency="CNY")
    with pytest.raises(DeadlineTooShort) as caught:
        plan(media=media, deadline_seconds=5, budget=cent)
    seconds, amount = re.findall(r"of ([\d.]+) (?:s|CNY)", caught.value.message)
    wishes = {"media": media, "deadline_seconds": int(seconds)}
    enough, less = (cent.model_copy(update={"amount": Decimal(amount) - it})
                    for it in (0, 5 * cent.amount))  # fmt: skip

    assert plan(**wishes, budget=enough)
    with pytest.raises(PlanError):
        plan(**wishes, budget=less)


def test_in_no_hurry_it_is_the_budget_that_is_short(plan: Make, film: Film) -> None:
    """Where only chunks fit, and they would meet the deadline."""
    cent, hour = Money(amount=Decimal("0.01"), currency="USD"), film(3600, 2160)
    with pytest.raises(BudgetTooSmall):
        plan("aws-lambda", "mp4", hour, budget=cent, deadline_seconds=3600)


def test_who_runs_chunks_on_one_machine_is_warned(plan: Make) -> None:
    """Predictions are the platform's, which runs all at once."""
    (warning,) = plan(chunks=20).warnings

    assert warning.startswith("Of 20 chunks this machine runs ")
    assert warning.endswith("; functiongraph would run all at once.")
    assert () == plan(chunks=1, memory_mib=4096).warnings


def test_sound_has_a_task_of_its_own_where_the_join_would_last_for_it(
    plan: Make, film: Film
) -> None:
    """Beside the chunks, and the join takes it as it is; where it is copied is none."""
    made = plan(media=film(sound="flac"), chunks=16, optimize="time")
    copied = plan(chunks=16, optimize="time")
    join, sound, *chunks = (it.task for it in made.tasks)

    assert ["join", "sound", *["chunk"] * 16] == kinds(made)
    assert ["join", *["chunk"] * 16] == kinds(copied)
    assert (*(it.task_id for it in chunks), sound.task_id) == join.joins
    assert (True, True) == (join.recipe.sound_apart, sound.recipe.segmented_later)
    assert join.recipe.audio == sound.recipe.audio
    assert 2 * join.predicted.wall_seconds < sound.predicted.wall_seconds
    assert made.predicted.wall_seconds < sum(
        it.predicted.wall_seconds for it in (join, sound, chunks[0])
    )
