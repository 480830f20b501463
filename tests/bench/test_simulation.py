"""The simulated day: what a platform does, on days that can be reckoned by hand."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from transcode.bench.simulation import CallSpec, FunctionFleet, simulate

PLAN = CallSpec("plan", 1.0)
TASK = CallSpec("task", 10.0)
FLEET = FunctionFleet(
    "it", concurrency=inf, above="queued", cold_seconds=2.0, idle_seconds=60.0
)


def test_an_upload_alone_waits_for_two_cold_starts() -> None:
    """One of its planning, one of its work; both are billed."""
    day = simulate(FLEET, [5.0], PLAN, [TASK])

    assert [2 + 1 + 2 + 10] == day.latencies
    assert {"plan": 3000, "task": 12000} == day.busy
    assert (2, 1) == (day.cold, day.most_running)


def test_instances_are_warm_until_they_have_idled() -> None:
    """Of three uploads the second finds both, the third comes a second too late."""
    day = simulate(FLEET, [0.0, 60.0, 60.0 + 11 + 61], PLAN, [TASK] * 3)

    assert [15.0, 11.0, 15.0] == day.latencies
    assert 4 == day.cold


def test_what_is_above_the_limit_waits_for_its_turn() -> None:
    """In the order in which it came."""
    fleet = replace(FLEET, concurrency=1, cold_seconds=0.0)
    day = simulate(fleet, [0.0, 0.0], PLAN, [TASK, TASK])

    # plan, plan, task, task: one at a time.
    assert [12.0, 22.0] == day.latencies
    assert 1 == day.most_running


def test_what_is_discarded_is_found_by_the_clock() -> None:
    """Its call plans by itself, and the task that follows has to wait no more."""
    fleet = replace(FLEET, concurrency=1, above="discarded", cold_seconds=0.0)
    day = simulate(fleet, [0.0, 0.5], PLAN, [TASK, TASK])

    assert [11.0, 900.0 + 1 + 10 - 0.5] == day.latencies
    assert (1, 0.5) == (day.discarded, day.first_full_at)


def test_a_sweep_plans_side_by_side_and_is_billed() -> None:
    """One in half the time of an upload's call; its own time, as one call more."""
    fleet = replace(FLEET, concurrency=1, above="discarded", cold_seconds=0.0)
    fleet = replace(fleet, sweep_pace_seconds=0.5, lost_after_seconds=0.0)
    brief = CallSpec("task", 0.25)
    day = simulate(fleet, [0.0, 0.1, 0.2], PLAN, [brief] * 3)

    assert [1.25, 900.0 + 0.5 + 0.25 - 0.1, 900.0 + 1.0 + 0.25 - 0.2] == day.latencies
    assert {"plan": 1000 + 1000, "task": 750} == day.busy
    assert {"plan": 2, "task": 3} == day.calls


def test_what_is_asked_of_the_store_is_added_up() -> None:
    """By each call that is made; by what a sweep plans, too."""
    fleet = replace(FLEET, concurrency=1, above="discarded", cold_seconds=0.0)
    plan = CallSpec("plan", 1.0, puts=3, gets=5)
    task = CallSpec("task", 10.0, puts=70, gets=11)
    day = simulate(fleet, [0.0, 0.5], plan, [task, task])

    assert (2 * 73, 2 * 16) == (day.puts, day.gets)


def test_new_instances_come_at_the_platforms_pace() -> None:
    """Two at once, then one a second."""
    fleet = replace(FLEET, cold_seconds=0.0, ramp=1.0, ramp_at_once=2.0)
    plan = CallSpec("plan", 0.0)
    day = simulate(fleet, [0.0] * 4, plan, [TASK] * 4)

    # The planning calls share what they made; tasks start at 0, 0, 1 and 2 s.
    assert [10.0, 10.0, 11.0, 12.0] == sorted(day.latencies)


def test_a_day_ends() -> None:
    """What has no result by then is counted."""
    fleet = replace(FLEET, concurrency=1)
    day = simulate(fleet, [0.0] * 10, PLAN, [TASK] * 10, until=30.0)

    assert (10, 10) == (day.unfinished + len(day.latencies), 10)
    assert 8 <= day.unfinished


@given(
    st.lists(st.floats(0, 5000), max_size=60),
    st.integers(1, 5),
    st.sampled_from(["queued", "discarded"]),
    st.floats(0.0, 8.0),
)
def test_every_upload_has_one_result_and_no_more_run_than_may(
    arrivals: list[float], concurrency: int, above: str, cold: float
) -> None:
    """Whatever comes when."""
    fleet = replace(
        FLEET,
        concurrency=concurrency,
        above=above,  # type: ignore[arg-type]
        cold_seconds=cold,
    )
    day = simulate(fleet, sorted(arrivals), PLAN, [TASK] * len(arrivals))

    assert len(arrivals) == len(day.latencies)
    assert 0 == day.unfinished
    assert day.most_running <= concurrency
    assert all(it >= TASK.seconds for it in day.latencies)
    assert len(arrivals) == day.calls.get("task", 0)
