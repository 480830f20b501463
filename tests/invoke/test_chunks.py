"""Chunks, what joins them, and what is done where they make no whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcode.contract import (
    Artifact,
    Attempt,
    AudioFacts,
    Candidate,
    Failure,
    Money,
    OutcomeKind,
    PlannedTask,
    Produced,
    Spec,
    Task,
    TaskResult,
    WorkOrder,
)
from transcode.invoke.engine import Engine
from transcode.invoke.local.engine import LocalEngine
from transcode.invoke.local.staging import StagingEngine
from transcode.invoke.observer import AttemptObserver, JobObserver
from transcode.invoke.scheduler import invoke_all
from transcode.settings import Settings

pytestmark = pytest.mark.anyio
NOBODY = JobObserver()
Job = Callable[..., tuple[PlannedTask, ...]]
MakeEngine = Callable[..., LocalEngine]
CNY = "CNY"


@dataclass(frozen=True)
class End:
    """How an attempt is to end, and what has to have ended before."""

    outcome: OutcomeKind = OutcomeKind.SUCCEEDED
    failure: str | None = None
    cost: str = "0.10"
    after: str | None = None
    """As "c1.2": the second attempt of c1. Itself: it never ends by itself."""
    made: Artifact | None = None


_events = partial(defaultdict[str, anyio.Event], anyio.Event)


@dataclass
class FakeEngine:
    """Runs nothing: attempts end as the script has it, whatever the task."""

    script: Mapping[str, Sequence[End]]
    begun: list[Task] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    ended: dict[str, anyio.Event] = field(default_factory=_events)

    @property
    def shares_scratch(self) -> bool:
        return True

    async def prewarm(self) -> None:
        """Nothing would start sooner."""

    def guard(self, path: Path) -> AbstractContextManager[None]:
        return nullcontext()

    def fits(self, spec: Spec) -> bool:
        return True

    async def attempt(
        self, order: WorkOrder, *, observer: AttemptObserver
    ) -> tuple[Attempt, Produced | None]:
        task, number, name = order.task, order.number, order.name
        self.begun.append(task)
        self.log.append(f"{name} begins")
        end = self.script[task.task_id][number - 1]
        try:
            for _ in range(9):
                await checkpoint()  # whoever else may begin does
            if end.after is not None:
                await self.ended[end.after].wait()
        except anyio.get_cancelled_exc_class():
            observer.cancelled(_attempt(task, number, OutcomeKind.CANCELLED, end))
            raise
        self.log.append(f"{name} ends")
        self.ended[name].set()
        attempt = _attempt(task, number, end.outcome, end)
        made = () if end.made is None else (end.made,)
        told = Produced(outcome=end.outcome, artifacts=made, notes=("as told",))
        return attempt, told

    @property
    def limits(self) -> list[str]:
        """What each attempt was allowed to spend."""
        limits = [it.spend_limit for it in self.begun]
        return [f"{it.amount:.2f}" for it in limits if it is not None]


def _attempt(task: Task, number: int, outcome: OutcomeKind, end: End) -> Attempt:
    failed = end.failure and Failure(type=end.failure, message="No.", retryable=False)
    return Attempt(
        number=number,
        spec=task.spec,
        predicted=task.predicted,
        predicted_wall=task.predicted_wall,
        measured=None,
        cost=Money(amount=Decimal(end.cost), currency=CNY),
        outcome=outcome,
        failure=failed or None,
    )


UNFIT = End(OutcomeKind.ENCODER_FAILED, "OutputRejected", cost="0.20")
LOST = End(OutcomeKind.LOST, "WorkerLost", cost="0.30")


@pytest.fixture
def job(make_task: Callable[..., Task]) -> Job:
    """A join before its two chunks, as plans have them, and the whole instead of it."""
    cost = Money(amount=Decimal("0.10"), currency=CNY)

    def plan(name: str, kind: str, memory_mib: int = 256) -> PlannedTask:
        update = {"kind": kind, "predicted_cost": cost}
        task = make_task(memory_mib, task_id=name).model_copy(update=update)
        chosen = Candidate(
            spec=task.spec, predicted=task.predicted, cost=cost, chosen=True, reason="-"
        )
        return PlannedTask(task=task, candidates=(chosen,))

    def make(*memory_mib: int, whole: bool = True) -> tuple[PlannedTask, ...]:
        sizes = memory_mib or (256, 256)
        join = plan("join", "join")
        task = join.task.model_copy(update={"joins": ("c1", "c2")})
        fallback = plan("join", "encode") if whole else None
        join = join.model_copy(update={"task": task, "fallback": fallback})
        return (join, *(plan(f"c{n}", "chunk", it) for n, it in enumerate(sizes, 1)))

    return make


def with_sound(planned: Sequence[PlannedTask]) -> tuple[PlannedTask, ...]:
    """The same job, whose sound has a task of its own."""
    join, *chunks = planned
    update = {"task_id": "s", "kind": "sound"}
    alike = chunks[0].task.model_copy(update=update)
    task = join.task.model_copy(update={"joins": ("c1", "c2", "s")})
    return (
        join.model_copy(update={"task": task}),
        chunks[0].model_copy(update={"task": alike}),
        *chunks,
    )


async def invoke(
    engine: Engine,
    planned: Sequence[PlannedTask],
    *,
    budget: str | None = None,
    staging: Path = Path("/s"),
    observer: JobObserver = NOBODY,
) -> dict[str, TaskResult]:
    # A join that waits in vain would wait for ever.
    with anyio.fail_after(30):
        results = await invoke_all(
            planned,
            engine,
            budget=Money(amount=Decimal(budget), currency=CNY) if budget else None,
            order_for=lambda task, number: WorkOrder(
                task=task,
                number=number,
                place=str(staging / f"{task.task_id}.{number}"),
                records=None,
                profile="mp4",
            ),
            observer=observer,
        )
    assert len({it.task_id for it in results}) == len(results)
    return {it.task_id: it for it in results}


def outcomes(results: Mapping[str, TaskResult]) -> dict[str, list[str]]:
    return {name: [a.outcome for a in it.attempts] for name, it in results.items()}


def names(folder: str) -> list[str]:
    return [it.name for it in Path(folder).iterdir()]


async def test_a_join_waits_for_the_last_chunk_and_is_told_folders_in_order(
    job: Job,
) -> None:
    """The second chunk ends first, and the first one succeeds at its second try."""
    late = replace(LOST, after="c2.1")
    engine = FakeEngine({"c1": [late, End()], "c2": [End()], "join": [End()]})

    results = await invoke(engine, job())

    assert ["join", "c1", "c2"] == [*results]
    assert ["c1.2 ends", "join.1 begins", "join.1 ends"] == engine.log[-3:]
    assert ("/s/c1.2", "/s/c2.1") == engine.begun[-1].inputs
    assert [()] * 3 == [it.inputs for it in engine.begun[:-1]]


async def test_what_is_joined_lies_there_when_the_join_begins(
    make_engine: MakeEngine, job: Job, tmp_path: Path
) -> None:
    """With real workers, of whom nobody knows who is done first."""
    there: list[list[str]] = []

    class Looking(JobObserver):
        async def keep(self, task: Task, attempt: Attempt) -> None:
            if task.kind == "join" and attempt.outcome is OutcomeKind.LOST:
                there.extend([[*task.inputs], *map(names, task.inputs)])

    async with StagingEngine(make_engine("work"), Settings()) as engine:
        results = await invoke(engine, job(), staging=tmp_path, observer=Looking())

    folders = [str(tmp_path / name) for name in ("c1.1", "c2.1")]
    assert [folders, ["out.bin"], ["out.bin"]] == there
    assert [["succeeded"]] * 3 == [*outcomes(results).values()]


async def test_what_was_never_begun_is_not_asked_for_at_once(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that refuses each task for a while is asked later each time."""
    pauses: list[float] = []

    async def slept(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(anyio, "sleep", slept)
    unbegun = replace(LOST, cost="0")
    engine = FakeEngine({"c1": [*[unbegun] * 5, End()], "c2": [End()], "join": [End()]})

    results = await invoke(engine, job())

    assert [*["lost"] * 5, "succeeded"] == outcomes(results)["c1"]
    assert 15.5 <= sum(pauses) <= 31


async def test_a_chunk_that_fails_for_good_ends_the_job(job: Job) -> None:
    """Its sibling is cancelled, the join never begins, and the result tells which."""
    rejected = End(OutcomeKind.REJECTED, "MediaRejected")
    engine = FakeEngine({"c1": [End(after="c1.1")], "c2": [rejected]})

    results = await invoke(engine, job())

    assert {"c1": ["cancelled"], "c2": ["rejected"]} == outcomes(results)
    assert "join" not in {it.task_id for it in engine.begun}
    failure = results["c2"].attempts[0].failure
    assert "No. Trying again could not help." == (failure and failure.message)


async def test_an_unfit_chunk_ends_a_job_that_has_no_other_way(job: Job) -> None:
    """Where the whole fits nowhere in one piece."""
    engine = FakeEngine({"c1": [End()], "c2": [UNFIT]})

    results = await invoke(engine, job(whole=False))

    assert {"c1": ["succeeded"], "c2": ["encoder_failed"]} == outcomes(results)


@pytest.mark.usefixtures("cgroups")
async def test_an_unfit_chunk_leads_to_one_piece_and_a_note(
    make_engine: MakeEngine, job: Job, tmp_path: Path
) -> None:
    """With real workers; what is in 64 MiB makes something unfit of its chunk."""
    async with StagingEngine(make_engine("copy"), Settings()) as engine:
        results = await invoke(engine, job(96, 64), staging=tmp_path)

    whole = results["join"]
    assert ["encoder_failed"] == outcomes(results)["c2"]
    assert ("encode", ["succeeded"]) == (whole.kind, outcomes(results)["join"])
    assert whole.produced is not None
    said, _went_well = whole.produced.notes
    assert said.startswith("Its chunks made no whole, so it was encoded in one piece")
    assert said.endswith("What was wrong: Unfit. Trying again could not help.")


async def test_unfit_sound_leads_to_one_piece_as_an_unfit_chunk_does(job: Job) -> None:
    """A join of everything but the sound would be none."""
    late = replace(UNFIT, after="c2.1")
    ends = {"s": [late], "c1": [End()], "c2": [End()], "join": [End()]}

    results = await invoke(FakeEngine(ends), with_sound(job()))

    assert ("encode", "sound") == (results["join"].kind, results["s"].kind)
    assert results["join"].produced is not None
    assert results["join"].produced.notes[0].startswith("Its chunks made no whole")


async def test_a_join_is_told_how_the_sound_was_heard(job: Job) -> None:
    """By whoever made it: nobody listens to it once more."""
    facts = AudioFacts(codec="aac", sample_rate=48_000, channels=2)
    made = Artifact(
        path="aac.mp4", kind="audio", made_by="encoded", bytes=1, sha256="", audio=facts
    )
    ends = {"s": [End(made=made)], "c1": [End()], "c2": [End()], "join": [End()]}
    engine = FakeEngine(ends)

    await invoke(engine, with_sound(job()))

    assert {"aac": facts} == engine.begun[-1].heard


async def test_one_piece_gets_what_its_chunks_have_left_of_the_budget(job: Job) -> None:
    """To the last cent, and a second try what the first one has left."""
    late = replace(UNFIT, after="c1.1")
    engine = FakeEngine({"c1": [End()], "c2": [late], "join": [LOST, End()]})

    results = await invoke(engine, job(), budget="1.00")

    assert ["encode", "encode"] == [it.kind for it in engine.begun[2:]]
    assert ["0.70", "0.40"] == engine.limits[2:]
    assert ["lost", "succeeded"] == outcomes(results)["join"]


async def test_a_cancelled_chunk_frees_what_it_had_reserved(job: Job) -> None:
    """One piece gets all that was not spent."""
    never = End(cost="0.15", after="c1.1")
    engine = FakeEngine({"c1": [never], "c2": [UNFIT], "join": [End()]})

    results = await invoke(engine, job(), budget="1.00")

    ended = outcomes(results)
    assert (["cancelled"], ["succeeded"]) == (ended["c1"], ended["join"])
    assert "0.65" == engine.limits[-1]


async def test_chunks_that_do_not_fit_together_lead_to_one_piece(job: Job) -> None:
    """The join finds it out; what follows needs no chunk, and is its next attempt."""
    engine = FakeEngine({"c1": [End()], "c2": [End()], "join": [UNFIT, End()]})

    results = await invoke(engine, job(), budget="1.00")

    told = [(it.kind, len(it.inputs)) for it in engine.begun[2:]]
    assert [("join", 2), ("encode", 0)] == told
    assert ["0.80", "0.60"] == engine.limits[2:]
    assert ["encoder_failed", "succeeded"] == outcomes(results)["join"]
    produced = results["join"].produced
    assert produced is not None
    assert produced.notes[0].startswith("Its chunks made no whole, so it was encoded")


async def test_one_piece_is_not_begun_where_the_join_left_too_little(job: Job) -> None:
    """It would be stopped before its end, and be paid for in vain."""
    engine = FakeEngine({"c1": [End()], "c2": [End()], "join": [UNFIT]})

    results = await invoke(engine, job(), budget="0.45")

    (attempt,) = results["join"].attempts
    said = attempt.failure.message if attempt.failure else ""
    assert said.endswith("would cost 0.10 CNY and the budget leaves 0.05 CNY.")


async def test_one_piece_is_not_begun_where_chunks_left_too_little(job: Job) -> None:
    """Nor is what they had cost lost: the unfit one says why it ended there."""
    engine = FakeEngine({"c1": [End(cost="0.10")], "c2": [UNFIT], "join": [End()]})

    results = await invoke(engine, job(), budget="0.35")

    assert {"c1", "c2"} == {it.task_id for it in engine.begun}
    (attempt,) = results["c2"].attempts
    said = attempt.failure.message if attempt.failure else ""
    assert "Not tried again" in said
