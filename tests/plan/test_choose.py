"""Choosing: the best feasible point, everything that lost, and clear refusals."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import (
    Candidate,
    CmafPackaging,
    Constraints,
    Media,
    Money,
    Recipe,
    VideoRendition,
    VideoStream,
)
from transcode.errors import (
    BudgetTooSmall,
    DeadlineTooShort,
    PlanError,
    PlatformError,
    ScratchFull,
    ScratchTooSmall,
    SpecTooSmall,
)
from transcode.media.margins import MEMORY_MARGIN
from transcode.plan.choose import Choice, choose
from transcode.plan.coefficients import parse_coefficients
from transcode.platforms.platform import (
    Machine,
    Platform,
    lattice,
    on_lattice,
    parse_platform,
)
from transcode.platforms.price import bill, billed_milliseconds

ROOT = Path(__file__).resolve().parents[2]
COEFFICIENTS = parse_coefficients(
    (ROOT / "transcode/plan/coefficients.toml").read_text(encoding="utf-8")
)
PLATFORMS: dict[str, Platform] = {
    path.stem: parse_platform(path.read_text(encoding="utf-8"), origin=path.name)
    for path in sorted((ROOT / "profiles/platforms").glob("*.toml"))
}
MACHINE = Machine(milli_cpus=4000, memory_mib=16_000, scratch_mib=50_000)
HEIGHTS = (2160, 1080, 720, 480, 240)
Wish = Literal["cost", "time", "balanced"]


def job(height: int = 480, seconds: float = 30.0) -> tuple[Media, Recipe]:
    """A source of this height, and a ladder from it downwards."""
    width = height * 16 // 9 // 2 * 2
    video = VideoStream(
        index=0, codec="h264", width=width, height=height, display_width=width,
        display_height=height, frame_rate=Fraction(25), variable_frame_rate=False,
        frames=None, pixel_format="yuv420p", bit_rate=width * height * 2,
    )  # fmt: skip
    source = Media(
        container="mp4", format_name="mov", duration_seconds=seconds, video=(video,)
    )
    ladder = tuple(
        VideoRendition(
            name=f"{h}p", made_by="encoded", codec="h264", encoder="libx264", crf=23.0,
            width=h * 16 // 9 // 2 * 2, height=h, preset="veryfast",
            max_bit_rate=h * 3000,
        )
        for h in HEIGHTS if h <= height
    )  # fmt: skip
    packaging = CmafPackaging(segment_seconds=4)
    return source, Recipe(video_index=0, video=ladder, packaging=packaging)


def pick(
    name: str = "functiongraph",
    *,
    height: int = 480,
    seconds: float = 30.0,
    machine: Machine | None = None,
    **wishes: object,
) -> Choice:
    source, made = job(height, seconds)
    return choose(
        source,
        made,
        platform=PLATFORMS[name],
        machine=machine or MACHINE,
        constraints=Constraints.model_validate(wishes),
        coefficients=COEFFICIENTS,
    )


def score(it: Candidate) -> float:
    seconds: float = it.predicted.wall_seconds
    return float(it.cost.amount) * math.pow(seconds, 0.585)


def able(choice: Choice) -> list[Candidate]:
    """Those that could have been taken."""
    judged = zip(choice.candidates, choice.obstacles, strict=True)
    return [it for it, obstacle in judged if obstacle is None]


def test_a_small_and_a_large_video_get_different_specs() -> None:
    """
    Which is what this is for.
    """
    small = pick(height=240, seconds=10).candidates[0].spec
    large = pick(height=2160, seconds=10).candidates[0].spec

    assert small.memory_mib < large.memory_mib or small.milli_cpus < large.milli_cpus
    assert small != large


@pytest.mark.parametrize("name", ["functiongraph", "aws-lambda", "local"])
def test_the_start_of_an_instance_is_in_the_price(name: str) -> None:
    """
    By the share of calls that the platform's file assumes to begin cold, at its upper
    end of all, slower where there is less than a vCPU; in no time, and where a platform
    has no start in no price.
    """
    base = PLATFORMS[name]
    half = base.start and base.start.model_copy(update={"share": 0.5})
    platform = base.model_copy(update={"start": half})
    source, recipe = job()
    known = {
        starts: choose(
            source,
            recipe,
            platform=platform,
            machine=MACHINE,
            constraints=Constraints(starts=starts),
            coefficients=COEFFICIENTS,
        ).candidates
        for starts in (False, True)
    }
    warm = {it.spec: it for it in known[False]}

    for cold in known[True]:
        usage, spec = warm[cold.spec].predicted, cold.spec
        seconds = 0.0
        if half is not None:
            seconds = half.cpu_seconds / min(spec.milli_cpus / 1000, 1)
        more = billed_milliseconds(platform, usage.wall_seconds + seconds / 2)
        whole = usage.model_copy(update={"billed_milliseconds": more})
        assert bill(platform, spec, whole).total == cold.cost
        assert usage.wall_seconds == cold.predicted.wall_seconds
    assert (known[True] == known[False]) == (half is None)


@pytest.mark.parametrize("name", PLATFORMS)
@settings(deadline=None, max_examples=50)
@given(height=st.sampled_from(HEIGHTS), seconds=st.floats(0.5, 300),
       wish=st.sampled_from(["cost", "time", "balanced"]))  # fmt: skip
def test_the_choice_is_on_the_lattice_and_nothing_better_is_ignored(
    name: str, height: int, seconds: float, wish: Wish
) -> None:
    """
    For every platform, size, length and wish; near-ties within 2 % may go to the
    faster one.
    """
    try:
        choice = pick(name, height=height, seconds=seconds, optimize=wish)
    except SpecTooSmall:
        return
    best, *_ = choice.candidates
    others = able(choice)

    assert [best] == [it for it in choice.candidates if it.chosen]
    assert all(
        on_lattice(PLATFORMS[name], it.spec, MACHINE)
        for it in choice.candidates
        if it.spec.scratch_mib is not None
    )
    assert (best.predicted.peak_memory_bytes or 0) * MEMORY_MARGIN <= (
        best.spec.memory_mib * 2**20
    )
    if wish == "cost":
        assert best.cost.amount == min(it.cost.amount for it in others)
    elif wish == "time":
        fastest = min(it.predicted.wall_seconds for it in others)
        assert best.predicted.wall_seconds <= fastest * 1.005
    else:
        assert score(best) <= min(map(score, others)) * 1.0201


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_point_that_was_compared_is_kept_with_a_reason(name: str) -> None:
    """
    After an out-of-memory the next larger one is taken from here.
    """
    choice = pick(name)

    compared = {(s.memory_mib, s.milli_cpus) for s in lattice(PLATFORMS[name], MACHINE)}
    kept = {(it.spec.memory_mib, it.spec.milli_cpus) for it in choice.candidates}

    assert compared == kept
    assert all(it.reason for it in choice.candidates)


def test_balanced_is_neither_the_cheapest_nor_the_fastest_of_a_short_job() -> None:
    """
    On FunctionGraph the smallest spec is the cheapest, by far the slowest, and not
    what anybody wants unasked.
    """
    cost, balanced, time = (
        pick(height=480, seconds=30, optimize=wish).candidates[0]
        for wish in ("cost", "balanced", "time")
    )

    assert cost.predicted.wall_seconds > balanced.predicted.wall_seconds
    assert balanced.predicted.wall_seconds > time.predicted.wall_seconds
    assert cost.cost.amount < balanced.cost.amount < time.cost.amount


@settings(deadline=None)
@given(deadline=st.floats(5, 300))
def test_a_deadline_is_met_even_at_the_slow_end_of_the_interval(
    deadline: float,
) -> None:
    """
    Or it is refused; never hoped for.
    """
    fastest = pick(height=720, seconds=60, optimize="time").wall.high
    if deadline < fastest * 0.99:
        with pytest.raises(DeadlineTooShort):
            pick(height=720, seconds=60, deadline_seconds=deadline)
    elif deadline > fastest * 1.01:
        choice = pick(height=720, seconds=60, deadline_seconds=deadline)
        assert choice.wall.high <= deadline


@settings(deadline=None)
@given(tenths=st.integers(1, 400))
def test_a_budget_holds_even_at_the_dear_end_of_the_interval(tenths: int) -> None:
    """
    The cost at the upper end of the interval stays below it.
    """
    budget = Money(amount=Decimal(tenths) / 10_000, currency="CNY")
    cheapest = highest_cost(pick(height=720, seconds=60, optimize="cost"))
    if budget.amount < cheapest:
        with pytest.raises(BudgetTooSmall):
            pick(height=720, seconds=60, budget=budget)
    else:
        choice = pick(height=720, seconds=60, budget=budget)
        assert highest_cost(choice) <= budget.amount


def highest_cost(choice: Choice) -> Decimal:
    """Of the chosen one, at the upper end of its interval."""
    best = choice.candidates[0]
    slow = best.predicted.model_copy(
        update={"wall_seconds": choice.wall.high, "billed_milliseconds": None}
    )
    return bill(PLATFORMS["functiongraph"], best.spec, slow).total.amount


def test_a_refused_deadline_names_the_fastest() -> None:
    """
    So that the user knows what to ask for.
    """
    message = (
        "No spec of functiongraph does this in .*: the fastest, 10240 MiB with 8.2"
    )

    with pytest.raises(DeadlineTooShort, match=message) as caught:
        pick(height=1080, seconds=600, deadline_seconds=3)

    assert {"needed_seconds", "spec", "platform"} == set(caught.value.evidence)


def test_what_the_error_says_would_do_does() -> None:
    """
    Asking again with the needed time is granted.
    """
    with pytest.raises(DeadlineTooShort) as caught:
        pick(height=1080, seconds=600, deadline_seconds=3)
    needed = caught.value.evidence["needed_seconds"]

    choice = pick(height=1080, seconds=600, deadline_seconds=needed)

    assert choice.wall.high <= needed


@settings(deadline=None)
@given(deadline=st.floats(1, 400) | st.none(), tenths=st.integers(1, 4000) | st.none())
def test_what_a_refusal_tells_to_ask_for_is_granted(
    deadline: float | None, tenths: int | None
) -> None:
    """
    A deadline, a budget, or both, in the words of the message.
    """
    budget = tenths and Money(amount=Decimal(tenths) / 100_000, currency="CNY")
    wishes: dict[str, Any] = {"deadline_seconds": deadline, "budget": budget or None}
    try:
        pick(height=720, seconds=60, **wishes)
    except (DeadlineTooShort, BudgetTooSmall) as exc:
        said = exc.message
    else:
        return
    if longer := re.search(r"deadline of (\d+) s", said):
        wishes["deadline_seconds"] = float(longer[1])
    if more := re.search(r"budget of ([\d.]+) CNY", said):
        wishes["budget"] = Money(amount=Decimal(more[1]), currency="CNY")

    pick(height=720, seconds=60, **wishes)


def test_a_budget_in_another_currency_is_not_compared() -> None:
    """
    There is no exchange rate here.
    """
    budget = Money(amount=Decimal(1), currency="USD")

    with pytest.raises(PlatformError, match="give it in CNY"):
        pick(budget=budget)


def test_lambdas_fifteen_minutes_are_a_limit() -> None:
    """
    An hour of 1080p does not fit, and the message says how long it may take.
    """
    with pytest.raises(SpecTooSmall, match=r"may take .*, allowed are 15 min 00 s"):
        pick("aws-lambda", height=1080, seconds=3600)


def test_scratch_that_no_platform_size_holds_is_a_limit() -> None:
    """
    10 GiB is all that FunctionGraph has.
    """
    with pytest.raises(
        SpecTooSmall, match=r"MiB of scratch, there are at most 10240 MiB"
    ):
        pick(height=2160, seconds=36_000)


def test_scratch_that_this_machine_has_not_now_may_be_had_later() -> None:
    """
    A full disk is the machine's, and no upload's: told apart from a platform's limit.
    """
    with pytest.raises(ScratchFull, match="Free some on this machine") as caught:
        pick("local", height=1080, seconds=3_600_000)
    with pytest.raises(SpecTooSmall) as limit:
        pick(height=2160, seconds=36_000)

    assert caught.value.mendable
    assert not limit.value.mendable


def test_scratch_that_this_machine_never_has_is_told_from_a_full_disk() -> None:
    """Its disk is smaller than that, whatever is removed from it."""
    small = {"scratch_mib": 10, "scratch_total_mib": 20}
    machine = MACHINE.model_copy(update=small)

    with pytest.raises(ScratchTooSmall, match="holds 20 MiB however empty") as caught:
        pick("local", machine=machine, height=1080, seconds=3_600_000)

    assert caught.value.evidence["needed_mib"] > 20


def test_a_forced_memory_is_taken_even_below_the_prediction() -> None:
    """
    `--memory 128` either runs or is killed and goes on with more: the larger specs
    are among the losers.
    """
    choice = pick(height=720, memory_mib=128)
    best, *losers = choice.candidates

    assert 128 == best.spec.memory_mib
    assert "it may be killed" in best.reason
    assert {"128 MiB was asked for"} == {it.reason for it in losers}
    assert any(it.spec.memory_mib > 128 for it in losers)


def test_a_forced_memory_that_is_no_point_is_refused() -> None:
    """
    With its neighbours.
    """
    with pytest.raises(PlatformError, match="the nearest are 256 MiB and 512 MiB"):
        pick(memory_mib=300)


def test_a_forced_memory_still_has_to_meet_the_deadline() -> None:
    """
    Memory is the user's risk, the deadline is not.
    """
    with pytest.raises(DeadlineTooShort):
        pick(height=720, seconds=600, memory_mib=128, deadline_seconds=30)


def test_any_whole_mib_may_be_forced_on_lambda() -> None:
    """
    Also one that would not have been searched.
    """
    assert 1000 == pick("aws-lambda", memory_mib=1000).candidates[0].spec.memory_mib


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_time_limit_is_generous_and_within_the_platforms(name: str) -> None:
    """
    A hang ends; an honest job is not cut short.
    """
    choice = pick(name)
    limit = choice.candidates[0].spec.time_limit_seconds
    allowed = PLATFORMS[name].limits.time_limit_seconds

    assert limit is not None
    assert choice.wall.high < limit
    assert allowed is None or limit <= allowed


def test_written_files_count_as_memory_where_scratch_is_memory() -> None:
    """
    Cloud Run keeps files in the instance's memory.
    """
    # By cost: few requests to a store are most of a short job's price, and make the
    # largest spec the best for the wait.
    short, long = (
        pick("cloud-run", height=1080, seconds=it, optimize="cost").candidates[0]
        for it in (10, 1800)
    )
    both = (long.predicted.peak_memory_bytes or 0) + (long.predicted.scratch_bytes or 0)

    assert short.spec.memory_mib < long.spec.memory_mib
    assert both * MEMORY_MARGIN <= long.spec.memory_mib * 2**20


def test_this_machine_gives_what_the_work_can_use() -> None:
    """
    All cores for a ladder that keeps them busy: nobody asked for a slow job.
    """
    assert 4000 == pick("local", height=1080, seconds=60).candidates[0].spec.milli_cpus


@pytest.mark.parametrize(("sharing", "cpus"), [(2, 2000), (3, 1000), (24, 1000)])
def test_where_others_wait_a_job_takes_its_share(sharing: int, cpus: int) -> None:
    """Of four cores; alone it would take all of them, and the plan says so."""
    alone, shared = (
        pick("local", height=1080),
        pick("local", height=1080, sharing=sharing),
    )

    assert 4000 == alone.candidates[0].spec.milli_cpus
    assert cpus == shared.candidates[0].spec.milli_cpus
    assert f"{sharing} jobs want this machine" in shared.candidates[0].reason
    [lost] = {
        it.reason for it in shared.candidates[1:] if it.spec == alone.candidates[0].spec
    }
    assert "the share of one" in lost


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        # What its CPU costs is the platform's; nobody waits for it.
        ("functiongraph", {}),
        ("local", {"optimize": "time"}),
        ("local", {"memory_mib": 1024}),
        # Within its share it would be late.
        ("local", {"deadline_seconds": 150}),
    ],
)
def test_nothing_is_shared_with_who_may_not_wait(
    name: str, wishes: dict[str, object]
) -> None:
    """On elastic platforms, and where somebody asked for more."""
    job = {"height": 1080, "seconds": 120.0, **wishes}
    alone, shared = pick(name, **job), pick(name, sharing=24, **job)  # type: ignore[arg-type]

    assert alone == shared


def test_nothing_that_is_refused_is_refused_without_a_plan_error() -> None:
    """
    Exit code 5 for all of them.
    """
    with pytest.raises(PlanError) as caught:
        pick(deadline_seconds=0.01)

    assert 5 == caught.value.exit_code
