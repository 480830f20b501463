"""Attempts in real processes: what holds them, what ends them, what is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from transcode.contract import Attempt, OutcomeKind, Produced, Progress, Task
from transcode.errors import DestinationUnwritable, PlanError
from transcode.invoke.local.cgroup import PREFIX
from transcode.invoke.local.engine import LocalEngine
from transcode.invoke.local.reaper import Reaper
from transcode.invoke.observer import AttemptObserver
from transcode.platforms.platform import Machine

pytestmark = pytest.mark.anyio
MIB = 2**20
MakeEngine = Callable[..., LocalEngine]
MakeTask = Callable[..., Task]
LeftAlive = Callable[[], set[int]]


class Hearing(AttemptObserver):
    """Passes on what there is to hear."""

    def __init__(
        self,
        progressed: Callable[[Progress], None],
        cancelled: Callable[[Attempt], None] = lambda _attempt: None,
    ) -> None:
        self._progressed, self._cancelled = progressed, cancelled

    def progressed(self, progress: Progress) -> None:
        self._progressed(progress)

    def cancelled(self, attempt: Attempt) -> None:
        self._cancelled(attempt)


async def run_one(
    engine: LocalEngine, task: Task, staging: Path
) -> tuple[Attempt, Produced | None]:
    return await engine.attempt(
        task, number=1, staging=staging, observer=AttemptObserver()
    )


def exists(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


def own_groups() -> list[Path]:
    return sorted(Path("/sys/fs/cgroup").rglob(f"{PREFIX}{os.getpid()}-*"))


async def test_what_a_worker_says_is_what_comes_back(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    Progress arrives in order, the report comes back, finished files stay.
    """
    heard: list[Progress] = []
    async with make_engine("work") as engine:
        attempt, produced = await engine.attempt(
            make_task(),
            number=1,
            staging=tmp_path / "s",
            observer=Hearing(heard.append),
        )

    assert [1.0, 2.0] == [progress.done_seconds for progress in heard]
    assert produced is not None
    assert (OutcomeKind.SUCCEEDED, ("it went well",)) == (
        attempt.outcome,
        attempt.notes,
    )
    assert ["out.bin"] == [path.name for path in (tmp_path / "s").iterdir()]
    assert [] == list((tmp_path / "scratch").iterdir())


async def test_who_comes_when_its_try_was_tidied_up_makes_nothing(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    On a cluster a task may begin long after another has taken the job over: the folder
    of its try is gone, and does not come back.
    """
    async with make_engine("work") as engine:
        with pytest.raises(DestinationUnwritable, match="No such file"):
            await run_one(engine, make_task(), tmp_path / "gone" / "encode.1")

    assert not (tmp_path / "gone").exists()


async def test_an_attempt_is_weighed(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    Peak memory is what was held for a while, and the worker's own byte counts win.
    """
    async with make_engine("work") as engine:
        attempt, _ = await run_one(engine, make_task(), tmp_path / "s")

    usage = attempt.measured
    assert usage is not None
    assert usage.peak_memory_bytes is not None
    assert 20 * MIB <= usage.peak_memory_bytes < 60 * MIB
    assert (11, 1000, 1000) == (
        usage.read_bytes,
        usage.written_bytes,
        usage.scratch_bytes,
    )
    assert usage.wall_seconds >= 0.2
    assert 0 < usage.cpu_seconds <= usage.wall_seconds * 2
    assert usage.billed_milliseconds is not None
    assert 0 <= usage.billed_milliseconds - usage.wall_seconds * 1000 <= 1
    assert attempt.cost.amount > 0


@pytest.mark.usefixtures("cgroups")
async def test_a_hog_is_killed_by_the_kernel_and_recognised(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    Out of memory is what the kernel's counter says; it is billed and leaves nothing.
    """
    async with make_engine("hog") as engine:
        attempt, produced = await run_one(engine, make_task(64), tmp_path / "s")

    assert OutcomeKind.OUT_OF_MEMORY is attempt.outcome
    assert produced is None
    assert attempt.enforced_by["memory"].startswith("cgroup-v")
    assert attempt.measured is not None
    assert 64 * MIB == attempt.measured.peak_memory_bytes
    assert attempt.cost.amount > 0
    assert attempt.failure is not None
    assert ("OutOfMemory", True) == (attempt.failure.type, attempt.failure.retryable)
    assert not (tmp_path / "s").exists()


@pytest.mark.usefixtures("cgroups")
async def test_a_worker_that_survives_the_kill_of_its_child_is_not_believed(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    The encoder was killed, the worker calls it an encoder's failure: out of memory.
    """
    async with make_engine("bereaved") as engine:
        attempt, produced = await run_one(engine, make_task(64), tmp_path / "s")

    assert (OutcomeKind.OUT_OF_MEMORY, None) == (attempt.outcome, produced)


async def test_without_control_groups_memory_is_watched(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path, no_cgroups: Path
) -> None:
    """
    The fall-back finds a hog's child too, and says what it is.
    """
    async with make_engine("bereaved", cgroup_root=no_cgroups) as engine:
        attempt, _ = await run_one(engine, make_task(64), tmp_path / "s")

    assert OutcomeKind.OUT_OF_MEMORY is attempt.outcome
    assert {"memory": "watch+rlimit", "cpu": "affinity", "time": "none"} == dict(
        attempt.enforced_by
    )


async def test_inside_a_function_the_engine_keeps_some_memory(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path, no_cgroups: Path
) -> None:
    """
    The spec is all there is: the worker is stopped before both of us are killed.
    """
    machine = Machine(milli_cpus=1000, memory_mib=256, scratch_mib=1000)
    engine = make_engine(
        "bereaved", cgroup_root=no_cgroups, machine=machine, kept_mib=200
    )
    async with engine:
        attempt, _ = await run_one(engine, make_task(256), tmp_path / "s")

    assert OutcomeKind.OUT_OF_MEMORY is attempt.outcome
    assert "watch+rlimit" == attempt.enforced_by["memory"]


@pytest.mark.usefixtures("cgroups")
async def test_a_quota_holds(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    Half a CPU is half a CPU: one second of spinning yields about half a second.
    """
    async with make_engine("spin") as engine:
        attempt, _ = await run_one(engine, make_task(512, 500), tmp_path / "s")

    assert OutcomeKind.SUCCEEDED is attempt.outcome
    assert attempt.enforced_by["cpu"].startswith("cgroup-v")
    assert attempt.measured is not None
    assert attempt.measured.cpu_seconds / attempt.measured.wall_seconds <= 0.65


@pytest.mark.parametrize("grouped", [True, False])
async def test_the_time_of_dead_children_counts(
    make_engine: MakeEngine,
    make_task: MakeTask,
    tmp_path: Path,
    no_cgroups: Path,
    request: pytest.FixtureRequest,
    *,
    grouped: bool,
) -> None:
    """
    CPU seconds include a child that is gone, with a control group and without.
    """
    if grouped:
        request.getfixturevalue("cgroups")
    more = {} if grouped else {"cgroup_root": no_cgroups}
    async with make_engine("parent_of_spinner", **more) as engine:
        attempt, _ = await run_one(engine, make_task(), tmp_path / "s")

    assert attempt.measured is not None
    # The fall-back counts in ticks of 10 ms, and cuts every process's last one.
    assert 0.4 <= attempt.measured.cpu_seconds < 1.5


async def test_the_whole_machine_is_not_held(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    A spec no smaller than the machine needs nothing to hold it, and says so.
    """
    async with make_engine("work") as engine:
        attempt, _ = await run_one(engine, make_task(4096, 2700), tmp_path / "s")

    assert {"memory": "machine", "cpu": "machine", "time": "none"} == dict(
        attempt.enforced_by
    )


async def test_a_spec_larger_than_the_machine_is_refused(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    No clamping: the error names both sizes.
    """
    async with make_engine("work") as engine:
        with pytest.raises(PlanError, match=r"8192 MiB and this machine has 4096 MiB"):
            await run_one(engine, make_task(8192), tmp_path / "s")


async def test_past_its_time_limit_everything_is_killed(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path, left_alive: LeftAlive
) -> None:
    """
    Out of time ends grandchildren too, and is billed for the time it took.
    """
    async with make_engine("linger") as engine:
        task = make_task(time_limit_seconds=1)
        attempt, produced = await run_one(engine, task, tmp_path / "s")

    assert (OutcomeKind.OUT_OF_TIME, None) == (attempt.outcome, produced)
    assert "engine" == attempt.enforced_by["time"]
    assert attempt.measured is not None
    assert attempt.measured.wall_seconds >= 1
    assert set() == left_alive()
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("what", "how", "tail"),
    [
        ("vanish", "signal 9", "last words\n"),
        ("verbose", "status 3", "x" * (16384 - len("the end")) + "the end"),
    ],
)
async def test_a_worker_that_vanishes_is_lost(
    make_engine: MakeEngine,
    make_task: MakeTask,
    tmp_path: Path,
    *,
    what: str,
    how: str,
    tail: str,
) -> None:
    """
    Lost, with how it ended and the bounded end of what it wrote as evidence.
    """
    async with make_engine(what) as engine:
        attempt, produced = await run_one(engine, make_task(), tmp_path / "s")

    assert (OutcomeKind.LOST, None) == (attempt.outcome, produced)
    assert attempt.failure is not None
    assert (how, tail) == (
        attempt.failure.evidence["exit_status"],
        attempt.failure.evidence["stderr_tail"],
    )


async def test_a_worker_that_babbles_is_ended(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    A line that is no report ends the conversation.
    """
    async with make_engine("babble") as engine:
        attempt, _ = await run_one(engine, make_task(), tmp_path / "s")

    assert attempt.failure is not None
    assert "it wrote no report" in attempt.failure.message


@pytest.mark.parametrize("what", ["desert", "hang_at_exit"])
async def test_a_report_ends_the_attempt(
    make_engine: MakeEngine,
    make_task: MakeTask,
    tmp_path: Path,
    left_alive: LeftAlive,
    what: str,
) -> None:
    """
    Neither a child left behind nor a hang at exit spoils a success, or outlives it.
    """
    async with make_engine(what) as engine:
        attempt, _ = await run_one(engine, make_task(), tmp_path / "s")

    assert OutcomeKind.SUCCEEDED is attempt.outcome
    assert set() == left_alive()


@pytest.mark.parametrize("grouped", [True, False])
async def test_cancelling_leaves_nothing(
    make_engine: MakeEngine,
    make_task: MakeTask,
    tmp_path: Path,
    left_alive: LeftAlive,
    no_cgroups: Path,
    *,
    grouped: bool,
) -> None:
    """
    No process, no scratch, no half result, no control group; the bill is handed over.
    """
    bills: list[Attempt] = []
    more = {} if grouped else {"cgroup_root": no_cgroups}
    with anyio.fail_after(20):
        async with make_engine("linger", **more) as engine:
            with anyio.CancelScope() as scope:
                await engine.attempt(
                    make_task(),
                    number=1,
                    staging=tmp_path / "s",
                    observer=Hearing(lambda _progress: scope.cancel(), bills.append),
                )
            assert [] == own_groups()
    assert [OutcomeKind.CANCELLED] == [attempt.outcome for attempt in bills]
    assert set() == left_alive()
    assert [] == list((tmp_path / "scratch").iterdir())
    assert not (tmp_path / "s").exists()


async def test_an_error_of_the_listener_ends_the_attempt(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path, left_alive: LeftAlive
) -> None:
    """
    Who listens may fail (a closed terminal): the worker is ended all the same.
    """

    def fail(_progress: Progress) -> None:
        raise BrokenPipeError

    async with make_engine("linger") as engine:
        with pytest.raises(ExceptionGroup):
            await engine.attempt(
                make_task(), number=1, staging=tmp_path / "s", observer=Hearing(fail)
            )

    assert set() == left_alive()


async def test_a_prewarmed_worker_is_used_once(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    The first attempt takes the warm worker, the second gets a fresh one.
    """
    async with make_engine("work") as engine:
        await engine.prewarm()
        assert engine._warm is not None
        warm = engine._warm.pid
        first, _ = await run_one(engine, make_task(task_id="a"), tmp_path / "a")
        assert engine._warm is None
        assert not exists(warm)
        second, _ = await run_one(engine, make_task(task_id="b"), tmp_path / "b")

    assert (OutcomeKind.SUCCEEDED,) * 2 == (first.outcome, second.outcome)


async def test_a_warm_worker_that_is_not_needed_is_ended(
    make_engine: MakeEngine,
) -> None:
    """
    Leaving the engine ends it and its control group.
    """
    async with make_engine("work") as engine:
        await engine.prewarm()
        assert engine._warm is not None
        warm = engine._warm.pid

    assert not exists(warm)
    assert [] == own_groups()


async def test_a_warm_worker_that_died_is_replaced(
    make_engine: MakeEngine, make_task: MakeTask, tmp_path: Path
) -> None:
    """
    What happens to a worker before it has work is no attempt.
    """
    async with make_engine("work") as engine:
        await engine.prewarm()
        assert engine._warm is not None
        await engine._warm.kill()
        attempt, _ = await run_one(engine, make_task(), tmp_path / "s")

    assert OutcomeKind.SUCCEEDED is attempt.outcome


async def test_a_long_life_makes_the_janitor_no_slower(
    make_engine: MakeEngine,
    make_task: MakeTask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    What it is told of an attempt it is told to forget; it goes through all it knows.
    """
    known: list[str] = []

    def hear(_reaper: Reaper, line: str) -> None:
        if line.startswith("forget "):
            known.remove(line.removeprefix("forget "))
        else:
            known.append(line)

    async with make_engine("work") as engine:
        monkeypatch.setattr(Reaper, "_say", hear)
        for number in range(3):
            job = tmp_path / f"job-{number}"
            job.mkdir()
            with engine.guard(job):
                task = make_task(task_id=f"t{number}")
                await run_one(engine, task, job / "s")
        monkeypatch.undo()

    assert [] == known
