"""What of a job is finished when somebody takes it over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract import (
    Attempt,
    InvocationReport,
    OutcomeKind,
    Plan,
    PlannedTask,
    Produced,
    Task,
    WorkOrder,
)
from transcode.invoke.takeover import (
    ReportedAttempt,
    finished_of,
    plan_to_go_on_with,
)
from transcode.pipeline import admit
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire


@pytest.fixture(scope="module")
def plan(make_clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two chunks and what joins them."""
    clip: Path = make_clip("clip", seconds=1)
    request = Request(
        source=str(clip), profile="mp4", to=str(tmp_path_factory.mktemp("to"))
    )
    whole = anyio.run(admit, request, wire(Settings()))
    (one,) = whole.tasks

    def part(name: str, kind: str, joins: tuple[str, ...] = ()) -> PlannedTask:
        update = {"task_id": name, "kind": kind, "joins": joins}
        return one.model_copy(update={"task": one.task.model_copy(update=update)})

    tasks = (part("join", "join", ("c1", "c2")), part("c1", "chunk"))
    return whole.model_copy(update={"tasks": (*tasks, part("c2", "chunk"))})


def reported(
    plan: Plan,
    name: str,
    claim: int = 1,
    outcome: OutcomeKind = OutcomeKind.SUCCEEDED,
    **task: Any,
) -> ReportedAttempt:
    """An attempt at task *name* that has said how it ended."""
    planned = next(it.task for it in plan.tasks if it.task.task_id == name)
    done = planned.model_copy(update=task)
    attempt = Attempt(
        number=1,
        spec=done.spec,
        predicted=done.predicted,
        measured=done.predicted,
        cost=done.predicted_cost,
        outcome=outcome,
    )
    work = WorkOrder(
        task=done, number=1, place=f"at {claim} {name}", records="r", profile="mp4"
    )
    report = InvocationReport(attempt=attempt, produced=Produced(outcome=outcome))
    return ReportedAttempt(claim, work, report)


def kept(plan: Plan, *found: ReportedAttempt, in_place: bool = True) -> dict[str, str]:
    """Task → where what was made of it lies."""
    made = finished_of(plan, found, in_place=in_place)
    return {name: one.place for name, one in made.items()}


def test_what_has_succeeded_is_kept(plan: Plan) -> None:
    """Of two that did, the later; of what failed or was lost, nothing."""
    found = [
        *(reported(plan, "c1"), reported(plan, "c1", 2)),
        *(reported(plan, "c2", outcome=it) for it in (OutcomeKind.LOST,)),
    ]

    assert {"c1": "at 2 c1"} == kept(plan, *found)


def test_another_spec_makes_the_same_and_another_recipe_does_not(plan: Plan) -> None:
    """What is asked for decides, not what it was asked of."""
    spec = plan.tasks[0].task.spec.model_copy(update={"memory_mib": 4096})
    recipe = plan.tasks[0].task.recipe.model_copy(update={"gop_seconds": 1.5})
    other: Task = plan.tasks[0].task
    source = other.source.model_copy(update={"etag": "another"})

    assert ["c1"] == [*kept(plan, reported(plan, "c1", spec=spec))]
    assert {} == kept(plan, reported(plan, "c1", recipe=recipe))
    assert {} == kept(plan, reported(plan, "c1", source=source))


def test_sound_that_was_made_apart_is_kept_as_chunks_are(plan: Plan) -> None:
    """A join takes it: nobody moves it to be published."""
    join, *chunks = plan.tasks
    update = {"task_id": "s", "kind": "sound"}
    sound = chunks[0].model_copy(
        update={"task": chunks[0].task.model_copy(update=update)}
    )
    joining = {"task": join.task.model_copy(update={"joins": ("c1", "c2", "s")})}
    tasks = (join.model_copy(update=joining), sound, *chunks)
    apart = plan.model_copy(update={"tasks": tasks})

    assert {"s": "at 1 s"} == kept(apart, reported(apart, "s"), in_place=False)


def test_a_whole_is_kept_where_it_stays_and_with_its_parts_alone(plan: Plan) -> None:
    """Results that are moved to be published may have been moved by somebody else."""
    parts = (reported(plan, "c1"), reported(plan, "c2"))
    join = reported(plan, "join")

    assert {"join", "c1", "c2"} == {*kept(plan, *parts, join)}
    assert {"c1", "c2"} == {*kept(plan, *parts, join, in_place=False)}
    assert {"c1"} == {*kept(plan, parts[0], join)}


def test_the_newest_plan_is_gone_on_with_of_which_something_is_there(
    plan: Plan,
) -> None:
    """However little time is left meanwhile; where nothing is, it is planned anew."""
    newer = plan.model_copy(update={"warnings": ("newer",)})
    other = plan.model_copy(update={"tasks": ()})
    tries = [(3, other), (1, plan), (2, newer)]

    chosen = plan_to_go_on_with(tries, [reported(plan, "c2")], in_place=True)

    assert chosen is not None
    assert (newer, ["c2"]) == (chosen.plan, [*chosen.kept])
    assert plan_to_go_on_with(tries, [], in_place=True) is None
