"""Planned tasks, run until they succeed or there is no sense in going on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from transcode.contract import (
    Attempt,
    Candidate,
    Interval,
    Money,
    OutcomeKind,
    PlannedTask,
    Progress,
    Spec,
    Task,
    TaskResult,
    Usage,
    WorkOrder,
)
from transcode.errors import PlanError
from transcode.invoke.local.engine import LocalEngine
from transcode.invoke.local.staging import StagingEngine
from transcode.invoke.observer import JobObserver
from transcode.invoke.scheduler import invoke_all
from transcode.platforms.platform import Platform
from transcode.platforms.price import bill
from transcode.settings import Settings

pytestmark = pytest.mark.anyio
MakeEngine = Callable[..., LocalEngine]
Plan = Callable[..., PlannedTask]


@pytest.fixture
def plan(make_task: Callable[..., Task]) -> Plan:
    """A task with candidates of these memory sizes, the first one chosen."""

    def make(*memory_mib: int, task_id: str = "t1") -> PlannedTask:
        task = make_task(memory_mib[0], task_id=task_id)
        candidates = tuple(
            Candidate(
                spec=Spec(memory_mib=memory, milli_cpus=1000),
                predicted=task.predicted,
                cost=Money(amount=Decimal(memory) / 100_000, currency="CNY"),
                chosen=memory == memory_mib[0],
                reason="-",
            )
            for memory in memory_mib
        )
        return PlannedTask(task=task, candidates=candidates)

    return make


async def invoke(
    engine: LocalEngine,
    *planned: PlannedTask,
    staging: Path,
    budget: str | None = None,
    heard: list[tuple[str, Attempt]] | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    on_overdue: Callable[[Task, int], None] = lambda _task, _number: None,
) -> tuple[TaskResult, ...]:
    told = [] if heard is None else heard
    # As whoever begins a try does.
    await anyio.Path(staging).mkdir(exist_ok=True)

    class Hearing(JobObserver):
        def progressed(self, progress: Progress) -> None:
            on_progress(progress)

        def overdue(self, task: Task, number: int) -> None:
            on_overdue(task, number)

        def ended(self, task: Task, attempt: Attempt) -> None:
            told.append((task.task_id, attempt))

    return await invoke_all(
        planned,
        StagingEngine(engine, Settings()),
        budget=None
        if budget is None
        else Money(amount=Decimal(budget), currency="CNY"),
        order_for=lambda task, number: WorkOrder(
            task=task,
            number=number,
            place=str(staging / f"{task.task_id}.{number}"),
            records=None,
            profile="mp4",
        ),
        observer=Hearing(),
    )


@pytest.mark.usefixtures("cgroups")
async def test_killed_for_memory_it_succeeds_on_a_larger_spec(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    100 MiB do not go into 64: two attempts, both billed, the reason noted.
    """
    heard: list[tuple[str, Attempt]] = []
    async with make_engine("modest") as engine:
        (result,) = await invoke(
            engine, plan(64, 72, 256), staging=tmp_path / "s", heard=heard
        )

    assert [64, 256] == [a.spec.memory_mib for a in result.attempts]
    assert [OutcomeKind.OUT_OF_MEMORY, OutcomeKind.SUCCEEDED] == [
        a.outcome for a in result.attempts
    ]
    assert (
        "out of memory; next larger spec: 256 MiB, 1000 milli-CPUs"
        in result.attempts[0].notes
    )
    assert all(a.cost.amount > 0 for a in result.attempts)
    assert result.produced is not None
    assert [("t1", a) for a in result.attempts] == heard
    assert ["t1.2"] == [path.name for path in (tmp_path / "s").iterdir()]


@pytest.mark.usefixtures("cgroups")
async def test_the_budget_ends_it_and_the_failure_says_so(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    The attempt stays out of memory; its message goes on with why it was the last.
    """
    async with make_engine("modest") as engine:
        (result,) = await invoke(
            engine, plan(64, 256), staging=tmp_path / "s", budget="0.002"
        )

    (attempt,) = result.attempts
    assert attempt.failure is not None
    assert "OutOfMemory" == attempt.failure.type
    assert attempt.failure.message.startswith(
        "The attempt was killed for its memory: its spec has 64 MiB. Not tried again: "
        "256 MiB, 1000 milli-CPUs would cost 0.00256 CNY and the budget leaves 0.00"
    )


async def test_a_refusal_is_not_repeated(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    The worker's own failure comes back, once.
    """
    async with make_engine("refuse") as engine:
        (result,) = await invoke(engine, plan(256, 512), staging=tmp_path / "s")

    (attempt,) = result.attempts
    assert attempt.failure is not None
    assert "No. Trying again could not help." == attempt.failure.message
    assert not (tmp_path / "s" / "t1.1").exists()


async def test_a_lost_worker_is_given_a_second_chance(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    The same spec once more, then no more.
    """
    async with make_engine("vanish") as engine:
        (result,) = await invoke(engine, plan(256, 512), staging=tmp_path / "s")

    assert [(OutcomeKind.LOST, 256)] * 2 == [
        (a.outcome, a.spec.memory_mib) for a in result.attempts
    ]


async def test_results_come_in_the_order_of_the_plan(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    Whoever is done first.
    """
    tasks = [plan(256, task_id=name) for name in ("b", "a", "c")]
    async with make_engine("work") as engine:
        results = await invoke(engine, *tasks, staging=tmp_path / "s")

    assert ["b", "a", "c"] == [result.task_id for result in results]


async def test_a_spec_that_does_not_fit_is_refused_before_anything_runs(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    Nothing is made for any of the tasks.
    """
    async with make_engine("work") as engine:
        with pytest.raises(PlanError, match="8192 MiB, more than this machine has"):
            await invoke(engine, plan(256), plan(8192), staging=tmp_path / "s")

    assert [] == [*(tmp_path / "s").iterdir()]


async def test_cancelling_hands_over_the_bill(
    make_engine: MakeEngine,
    plan: Plan,
    tmp_path: Path,
    left_alive: Callable[[], set[int]],
) -> None:
    """
    What was spent until then was spent.
    """
    heard: list[tuple[str, Attempt]] = []
    async with make_engine("linger") as engine:
        with anyio.CancelScope() as scope:
            await invoke(
                engine,
                plan(256),
                staging=tmp_path / "s",
                heard=heard,
                on_progress=lambda _progress: scope.cancel(),
            )

    assert [("t1", OutcomeKind.CANCELLED)] == [(i, a.outcome) for i, a in heard]
    assert all(attempt.cost.amount > 0 for _, attempt in heard)
    assert set() == left_alive()


async def test_an_error_of_the_listener_comes_out_as_it_is(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    Not wrapped in groups that tell of our concurrency.
    """

    def fail(_progress: Progress) -> None:
        raise BrokenPipeError

    async with make_engine("linger") as engine:
        with pytest.raises(BrokenPipeError):
            await invoke(engine, plan(256), staging=tmp_path / "s", on_progress=fail)


async def test_an_attempt_is_stopped_where_the_budget_ends(
    make_engine: MakeEngine,
    plan: Plan,
    platform: Platform,
    tmp_path: Path,
    left_alive: Callable[[], set[int]],
) -> None:
    """
    It would run for ever: it ends within its money, and says what would have done.
    """
    one = plan(256)
    second = Usage(wall_seconds=1.0, cpu_seconds=0.0, peak_memory_bytes=None)
    budget = bill(platform, one.task.spec, second).total
    task = one.task.model_copy(update={"predicted_cost": budget})
    one = one.model_copy(update={"task": task})
    async with make_engine("linger") as engine:
        (result,) = await invoke(
            engine, one, staging=tmp_path / "s", budget=f"{budget.amount:f}"
        )

    (attempt,) = result.attempts
    assert attempt.failure is not None
    assert "BudgetSpent" == attempt.failure.type
    assert attempt.cost.amount <= budget.amount
    assert attempt.failure.message.startswith("The attempt was stopped after ")
    assert "5% was done: a budget of " in attempt.failure.message
    assert set() == left_alive()


async def test_what_runs_past_its_interval_is_told_as_it_does(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    While it runs: here it is what ends a worker that would linger for ever.
    """
    one = plan(256)
    short = one.task.model_copy(
        update={"predicted_wall": Interval(low=0.0, high=0.001)}
    )
    heard: list[tuple[str, int]] = []
    async with make_engine("linger") as engine:
        with anyio.CancelScope() as scope:

            def overdue(task: Task, number: int) -> None:
                heard.append((task.task_id, number))
                scope.cancel()

            await invoke(
                engine,
                one.model_copy(update={"task": short}),
                staging=tmp_path / "s",
                on_overdue=overdue,
            )

    assert [("t1", 1)] == heard


async def test_what_keeps_to_its_interval_is_not_told_of(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    An hour is enough for half a second.
    """
    one = plan(256)
    long = one.task.model_copy(update={"predicted_wall": Interval(low=0, high=3600)})
    heard: list[int] = []
    async with make_engine("work") as engine:
        await invoke(
            engine,
            one.model_copy(update={"task": long}),
            staging=tmp_path / "s",
            on_overdue=lambda _task, number: heard.append(number),
        )

    assert [] == heard


@pytest.mark.usefixtures("cgroups")
async def test_what_cannot_be_copied_is_encoded_once(
    make_engine: MakeEngine, plan: Plan, tmp_path: Path
) -> None:
    """
    Both attempts are on the bill, and the result says what was wrong with the copy.
    """
    copying = plan(64).model_copy(update={"fallback": plan(96)})
    async with make_engine("copy") as engine:
        (result,) = await invoke(engine, copying, staging=tmp_path / "s")
        (poor,) = await invoke(engine, copying, staging=tmp_path / "p", budget="0.0005")
        (stubborn,) = await invoke(engine, plan(64), staging=tmp_path / "q")

    assert [64, 96] == [a.spec.memory_mib for a in result.attempts]
    assert all(a.cost.amount > 0 for a in result.attempts)
    assert result.produced is not None
    said, *rest = result.produced.notes
    assert ["it went well"] == rest
    assert said.endswith("What was wrong: Unfit.")
    assert [1, 1] == [len(poor.attempts), len(stubborn.attempts)]
    assert poor.attempts[0].failure is not None
    assert "Not tried again: 96 MiB" in poor.attempts[0].failure.message
