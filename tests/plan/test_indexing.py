"""Whether a pass over all packets pays, and what of it is believed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.analysis.measuring import (
    Deciding,
    Measure,
    Measurement,
    Measuring,
    alone,
)
from transcode.contract import (
    Attempt,
    Capabilities,
    Constraints,
    Division,
    Elsewhere,
    Indexed,
    Media,
    Money,
    OnePiece,
    OutcomeKind,
    Plan,
    PlannedTask,
    Source,
    VideoStream,
)
from transcode.invoke.journal import NullJournal
from transcode.plan.coefficients import parse_coefficients
from transcode.plan.indexing import (
    as_if_indexed,
    considered,
    index_of,
    lacking,
    with_index,
)
from transcode.plan.make_plan import make_plan
from transcode.plan.profile import Profile
from transcode.platforms.platform import Platform, parse_platform

RATES = [Fraction(n) for n in (24, 25, 30, 50, 60, "30000/1001")]


def stream(
    rate: Fraction = Fraction(25), seconds: float = 600.0, **changes: Any
) -> Media:
    """A transport stream of which only the head was seen."""
    video = VideoStream(
        index=0, codec="h264", width=1280, height=720, display_width=1280,
        display_height=720, frame_rate=rate, variable_frame_rate=False, frames=None,
        start_seconds=1.48, duration_seconds=seconds, time_base=Fraction(1, 90_000),
        pixel_format="yuv420p", unknown={"frames": "nobody has counted them"},
    ).model_copy(update=changes)  # fmt: skip
    return Media(
        container="mpegts", format_name="mpegts", duration_seconds=seconds,
        start_seconds=1.48, bytes=1_000_000, video=(video,),
    )  # fmt: skip


def seen(media: Media, pictures: int, **changes: Any) -> Indexed:
    """What a pass sees of so many pictures at the rate, with a keyframe each second."""
    video = media.video[0]
    assert video.frame_rate is not None
    every, first = 1 / video.frame_rate, video.start_seconds or 0.0
    last = first + float((pictures - 1) * every)
    keys = tuple(first + n for n in range(int(last - first) + 1))
    return Indexed(
        pictures=pictures, untimed=0, first_seconds=first, last_seconds=last,
        keyframe_seconds=keys, shortest_step_seconds=float(every),
        longest_step_seconds=float(every), leaps=0,
    ).model_copy(update=changes)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(rate=st.sampled_from(RATES), pictures=st.integers(2, 5_000))
def test_what_bears_out_the_head_is_believed(rate: Fraction, pictures: int) -> None:
    """Count and keyframes are then known, and nothing else is another."""
    media = stream(rate)
    pass_ = seen(media, pictures)
    found = with_index(media, 0, pass_)

    assert isinstance(found, Media)
    (video,) = found.video
    assert pictures == video.frames
    assert pass_.keyframe_seconds == video.keyframe_seconds
    assert not video.unknown
    assert lacking(found, 0) is None
    kept = {"frames", "keyframe_seconds", "longest_gop_seconds", "unknown"}
    kept |= {"longest_still_seconds"}
    before = media.video[0].model_dump(exclude=kept)
    assert before == video.model_dump(exclude=kept)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"leaps": 1}, "its clock jumps"),
        ({"untimed": 3}, "3 of its pictures have no time"),
        (
            {"first_seconds": 1.4},
            "its first picture is shown at another time than its head says",
        ),
        ({"keyframe_seconds": ()}, "it has no keyframes, or too many"),
        (
            {"keyframe_seconds": tuple(range(20_001))},
            "it has no keyframes, or too many",
        ),
        ({"keyframe_seconds": (2.0,)}, "it does not begin with a keyframe"),
        ({"pictures": 999}, "it has 999 pictures, and 1000 by its rate"),
        ({"pictures": 1001}, "it has 1001 pictures, and 1000 by its rate"),
        (
            {"shortest_step_seconds": 0.01},
            "it has 1000 pictures, and 1000 by its rate",
        ),
    ],
)
def test_what_contradicts_the_head_is_not(change: dict[str, Any], why: str) -> None:
    """Else chunks were made by another plan than one piece."""
    media = stream()

    assert why == with_index(media, 0, seen(media, 1000).model_copy(update=change))


def test_at_no_constant_rate_only_times_are_compared() -> None:
    """How many pictures there are is nobody's promise then."""
    media = stream(variable_frame_rate=True)
    found = with_index(media, 0, seen(media, 900, last_seconds=41.0))

    assert isinstance(found, Media)
    assert 900 == found.video[0].frames


@pytest.mark.parametrize(
    ("container", "fragmented", "lacks"),
    [
        ("mpegts", None, True),
        ("mp4", True, True),
        ("mp4", False, False),
        ("matroska", None, False),
        ("avi", None, False),
    ],
)
def test_only_what_can_be_searched_lacks_an_index(
    container: str, *, fragmented: bool | None, lacks: bool
) -> None:
    """Of other containers a pass would not help: what is not known stays refused."""
    media = stream().model_copy(
        update={"container": container, "fragmented": fragmented}
    )

    assert lacks == (lacking(media, 0) is not None)
    assert lacks == (as_if_indexed(media) != media)
    assert lacking(as_if_indexed(media), 0) is None or not lacks


def money(text: str) -> Money:
    return Money(amount=Decimal(text), currency="CNY")


ROOT = Path(__file__).resolve().parents[2]
COEFFICIENTS = parse_coefficients(
    (ROOT / "transcode/plan/coefficients.toml").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def functiongraph() -> Platform:
    path = ROOT / "profiles/platforms/functiongraph.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


@pytest.fixture(scope="module")
def whole(
    upload: Source,
    shipped: Callable[[str], Profile],
    capable: Capabilities,
    functiongraph: Platform,
) -> Plan:
    """Ten minutes of a stream without an index, in one piece."""
    return make_plan(
        upload, stream(), shipped("preview"), functiongraph, machine=None,
        constraints=Constraints(), capabilities=capable, coefficients=COEFFICIENTS,
        engine="local",
    )  # fmt: skip


@pytest.fixture
def plan(whole: Plan) -> Plan:
    """In four chunks: 10 s for 1.20, instead of 40 s for 1.00 in one piece."""
    beside = OnePiece(wall_seconds=40.0, cost=money("1.00"))
    return whole.model_copy(
        update={
            "predicted_cost": money("1.20"),
            "predicted": whole.predicted.model_copy(update={"wall_seconds": 10.0}),
            "division": Division(
                chunks=4, possible=True, reason="So.", one_piece=beside
            ),
        }
    )


@pytest.mark.parametrize("megabytes", [1, 1_000])
def test_a_pass_is_a_task_of_its_own_with_a_price(
    whole: Plan, functiongraph: Platform, megabytes: int
) -> None:
    """It makes nothing, decodes nothing, and takes longer the more there is to read."""
    media = whole.media.model_copy(update={"bytes": megabytes * 1_000_000})
    planned = index_of(
        whole.model_copy(update={"media": media}), platform=functiongraph,
        machine=None, coefficients=COEFFICIENTS, optimize="cost",
    )  # fmt: skip
    task = planned.task

    assert ("index", f"{task.job_id[:12]}-index") == (task.kind, task.task_id)
    assert 0 == task.recipe.video_index
    assert ((), (), None) == (task.recipe.video, task.recipe.audio, task.recipe.poster)
    read = 15_000 * 15e-6 + megabytes * 0.0015
    assert read < task.predicted.cpu_seconds < read + 0.6
    assert 0 < task.predicted_cost.amount < whole.predicted_cost.amount
    assert 128 == task.spec.memory_mib


def pass_of(plan: Plan, wall: float, cost: str) -> PlannedTask:
    """One that takes so long, for so much."""
    (one, *_) = plan.tasks
    predicted = one.task.predicted.model_copy(update={"wall_seconds": wall})
    told = {"predicted": predicted, "predicted_cost": money(cost), "kind": "index"}
    return one.model_copy(update={"task": one.task.model_copy(update=told)})


@pytest.mark.parametrize(
    ("wishes", "wall", "cost", "pays"),
    [
        ({"optimize": "time"}, 5.0, "0.05", True),
        ({"optimize": "time"}, 29.9, "0.05", False),
        ({"optimize": "cost"}, 5.0, "0.05", False),
        ({"optimize": "balanced"}, 5.0, "0.05", True),
        ({"optimize": "balanced"}, 25.0, "0.20", False),
        # One piece does not meet it, whatever the pass takes.
        ({"deadline_seconds": 39.0, "optimize": "cost"}, 25.0, "0.20", True),
        ({"deadline_seconds": 41.0, "optimize": "cost"}, 5.0, "0.05", False),
        # As many as asked for.
        ({"chunks": 4, "optimize": "cost"}, 35.0, "0.50", True),
    ],
)
def test_it_pays_where_chunks_are_better_with_what_it_takes(
    plan: Plan, wishes: dict[str, Any], wall: float, cost: str, *, pays: bool
) -> None:
    """By what is minimised, its price and its time before those of the chunks."""
    told = considered(plan, pass_of(plan, wall, cost), Constraints(**wishes))

    assert pays == (told is not None)
    if told is not None:
        assert money("1.20") + money(cost) == told.predicted_cost
        assert pytest.approx(10.0 + wall) == told.predicted.wall_seconds
        assert told.indexing is not None
        assert "pays" == told.indexing.verdict


def test_what_is_not_cut_needs_none(plan: Plan) -> None:
    """Nor does what nothing is encoded of."""
    whole = Division(chunks=1, possible=True, reason="So.")
    for division in (None, whole):
        uncut = plan.model_copy(update={"division": division})

        assert considered(uncut, pass_of(plan, 1.0, "0.01"), Constraints()) is None


class TakenOver(NullJournal):
    """Of a job that somebody had begun before."""

    def __init__(self, task_id: str, attempts: tuple[Attempt, ...]) -> None:
        super().__init__()
        self.earlier = {task_id: attempts}


class NoEngine:
    """Where nothing may be invoked."""

    async def prewarm(self) -> None:
        """What is planned next may be."""


def test_what_somebody_before_us_measured_is_not_paid_for_twice(plan: Plan) -> None:
    """Their attempts stay on the bill, as what they were."""
    index = pass_of(plan, 5.0, "0.05")
    wishes = Constraints(budget=money("1.00"), deadline_seconds=100.0)
    saw = seen(stream(), 15_000)
    lost, made = (
        Attempt(
            number=number, spec=index.task.spec, predicted=index.task.predicted,
            measured=index.task.predicted, cost=money("0.05"), outcome=outcome,
            indexed=indexed,
        )
        for number, outcome, indexed in (
            (1, OutcomeKind.LOST, None), (2, OutcomeKind.SUCCEEDED, saw),
        )
    )  # fmt: skip
    told: list[object] = []
    measuring = Measuring(
        cast("Any", NoEngine()),
        TakenOver(index.task.task_id, (lost, made)),
        told.append,
        records=lambda _name: None,
    )

    def deciding() -> Deciding[Measurement]:
        return (yield Measure(alone(plan, index, wishes), plan, wishes))

    came_to = anyio.run(measuring.drive, deciding())

    (result,) = came_to.results
    assert ("index", (lost, made)) == (result.kind, result.attempts)
    assert (made, money("0.10"), []) == (came_to.last, came_to.cost, told)
    left = came_to.left
    # What is left of a deadline was asked after they had ended.
    assert (money("0.90"), 100.0) == (left.budget, left.deadline_seconds)


def test_what_chunks_cost_elsewhere_is_told_with_the_pass_there(plan: Plan) -> None:
    """At that platform's price, and before them; one piece there needs none."""
    spec = plan.tasks[0].task.spec
    beside = {
        name: Elsewhere(
            platform=name, spec=spec, wall_seconds=9.0, cost=money("2.00"), chunks=count
        )
        for name, count in (("chunked", 4), ("nowhere", 4), ("whole", 1))
    }
    compared = plan.model_copy(update={"elsewhere": tuple(beside.values())})
    there = {"chunked": pass_of(plan, 3.0, "0.25"), "nowhere": None}

    told = considered(
        compared, pass_of(plan, 1.0, "0.01"), Constraints(chunks=4), there=there
    )

    assert told is not None
    found = {it.platform: it for it in told.elsewhere}
    chunked, nowhere = found["chunked"], found["nowhere"]
    assert (12.0, money("2.25")) == (chunked.wall_seconds, chunked.cost)
    assert (None, None) == (nowhere.wall_seconds, nowhere.cost)
    assert "No spec there does the pass" in (nowhere.reason or "")
    assert beside["whole"] == found["whole"]
