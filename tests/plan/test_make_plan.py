"""The whole plan: pure, complete, and refused before anything is spent."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import pytest

from transcode.contract import (
    Capabilities,
    Constraints,
    Media,
    Money,
    Plan,
    Rung,
    Source,
)
from transcode.errors import BudgetTooSmall, DeadlineTooShort, MediaUnsupported
from transcode.plan.coefficients import parse_coefficients
from transcode.plan.make_plan import job_id, make_plan
from transcode.plan.profile import Profile
from transcode.platforms.platform import Machine, Platform, parse_platform

ROOT = Path(__file__).resolve().parents[2]
OTHERS = ("aws-lambda", "cloud-run", "local")


class MakeThis(Protocol):
    def __call__(
        self,
        media: Media,
        profile: str = "hls",
        *,
        constraints: Constraints = ...,
        others: tuple[str, ...] = ...,
        exists: bool = ...,
    ) -> Plan: ...


@pytest.fixture(scope="session")
def platform() -> Callable[[str], Platform]:
    """A platform that ships, by name."""

    def load(name: str) -> Platform:
        path = ROOT / "profiles" / "platforms" / f"{name}.toml"
        return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)

    return load


@pytest.fixture
def planned(
    upload: Source,
    capable: Capabilities,
    shipped: Callable[[str], Profile],
    platform: Callable[[str], Platform],
) -> MakeThis:
    """A plan for FunctionGraph, with the coefficients that ship."""
    coefficients = ROOT / "transcode" / "plan" / "coefficients.toml"

    def make(
        media: Media,
        profile: str = "hls",
        *,
        constraints: Constraints = Constraints(),  # noqa: B008 - frozen
        others: tuple[str, ...] = (),
        exists: bool = False,
    ) -> Plan:
        return make_plan(
            upload,
            media,
            shipped(profile),
            platform("functiongraph"),
            machine=Machine(milli_cpus=2000, memory_mib=8192, scratch_mib=20000),
            constraints=constraints,
            capabilities=capable,
            coefficients=parse_coefficients(coefficients.read_text(encoding="utf-8")),
            engine="local",
            others=tuple(platform(name) for name in others),
            exists=exists,
        )

    return make


def test_a_plan_is_complete(
    planned: MakeThis,
    conforming: Media,
    upload: Source,
    shipped: Callable[[str], Profile],
) -> None:
    """
    One task, its spec and prediction taken from the chosen candidate.
    """
    plan = planned(conforming)
    (one,) = plan.tasks
    best, *losers = one.candidates

    assert Rung.FULL is plan.rung
    assert ("hls", shipped("hls").digest) == (plan.profile.name, plan.profile.digest)
    assert job_id(upload, shipped("hls")) == plan.job_id == one.task.job_id
    assert best.chosen
    assert not any(it.chosen for it in losers)
    assert (best.spec, best.predicted, best.cost) == (
        one.task.spec,
        one.task.predicted,
        one.task.predicted_cost,
    )
    assert (best.predicted, best.cost) == (plan.predicted, plan.predicted_cost)
    wall = one.task.predicted_wall
    assert wall.low <= best.predicted.wall_seconds <= wall.high


def test_a_plan_is_a_value(planned: MakeThis, conforming: Media) -> None:
    """
    The same question has the same answer, and survives being written down.
    """
    plan = planned(conforming, others=OTHERS)

    assert plan == planned(conforming, others=OTHERS)
    assert plan == Plan.from_json(plan.to_json())


def test_a_task_fits_into_an_asynchronous_call(
    planned: MakeThis, change: Callable[..., Media]
) -> None:
    """
    Two hours of keyframes stay in the plan: a call carries 256 kB at most.
    """
    keys = tuple(2.0 * n for n in range(3600))
    film = change(
        media={"duration_seconds": 7200.0},
        video={"keyframe_seconds": keys, "duration_seconds": 7200.0},
    )

    (one,) = planned(film).tasks

    assert one.task.media.video[0].keyframe_seconds is None
    assert len(one.task.to_json()) < 20_000


def test_other_platforms_are_priced_in_the_order_given(
    planned: MakeThis, conforming: Media
) -> None:
    """
    Each with a spec of its own.
    """
    plan = planned(conforming, others=OTHERS)

    assert list(OTHERS) == [it.platform for it in plan.elsewhere]
    assert all(it.cost and it.spec and it.wall_seconds for it in plan.elsewhere)


def test_a_forced_memory_binds_its_own_platform_only(
    planned: MakeThis, conforming: Media
) -> None:
    """
    512 MiB is a point of FunctionGraph's lattice and none of a vCPU-priced one.
    """
    forced = Constraints(memory_mib=512)

    plan = planned(conforming, constraints=forced, others=OTHERS)

    assert 512 == plan.tasks[0].task.spec.memory_mib
    assert planned(conforming, others=OTHERS).elsewhere == plan.elsewhere


def test_a_budget_in_another_currency_binds_nobody_else(
    planned: MakeThis, conforming: Media
) -> None:
    """
    A CNY is no USD; nothing here knows the rate.
    """
    budget = Constraints(budget=Money(amount=Decimal(1), currency="CNY"))

    plan = planned(conforming, constraints=budget, others=OTHERS)

    assert all(it.cost for it in plan.elsewhere)


def test_what_fits_nowhere_else_says_why(
    planned: MakeThis, change: Callable[..., Media]
) -> None:
    """
    A deadline that only a larger machine meets.
    """
    length = {"duration_seconds": 600.0}
    film = change(media=length, video={**length, "codec": "vp9", "frames": 18_000})
    usual = planned(film)
    own = usual.predicted.wall_seconds

    plan = planned(
        film,
        constraints=Constraints(deadline_seconds=own * 2.5, optimize="time"),
        others=("local",),
    )

    (local,) = plan.elsewhere
    assert (None, None) == (local.cost, local.spec)
    assert local.reason


def test_an_existing_result_is_left_alone(planned: MakeThis, conforming: Media) -> None:
    """
    Nothing to do costs nothing.
    """
    plan = planned(conforming, exists=True)

    assert (Rung.SKIP, (), Decimal(0)) == (
        plan.rung,
        plan.tasks,
        plan.predicted_cost.amount,
    )
    assert planned(conforming).job_id == plan.job_id


def test_what_fits_nowhere_is_refused(planned: MakeThis, conforming: Media) -> None:
    """
    Before anything is encoded, with exit code 5.
    """
    penny = Money(amount=Decimal("0.0000000001"), currency="CNY")

    with pytest.raises(DeadlineTooShort):
        planned(conforming, constraints=Constraints(deadline_seconds=0.001))
    with pytest.raises(BudgetTooSmall):
        planned(conforming, constraints=Constraints(budget=penny))


def test_nothing_to_make_is_refused(
    planned: MakeThis, change: Callable[..., Media]
) -> None:
    """
    The upload is at fault, not the constraints.
    """
    with pytest.raises(MediaUnsupported):
        planned(change(media={"audio": ()}), "audio")


def test_a_job_is_one_version_under_one_profile(
    upload: Source, shipped: Callable[[str], Profile]
) -> None:
    """
    The version counts if there is one, else the etag; where it is read from does not.
    """
    hls = shipped("hls")

    def same(**changes: str) -> bool:
        return job_id(upload.model_copy(update=changes), hls) == job_id(upload, hls)

    assert 32 == len(job_id(upload, hls))
    assert same(location="https://signed.example/?secret")
    assert not same(uri="file:///videos/other.mp4")
    assert not same(etag="2")
    assert not same(version="1")
    assert job_id(upload, hls) != job_id(upload, shipped("mp4"))


def test_a_version_outweighs_the_etag(
    upload: Source, shipped: Callable[[str], Profile]
) -> None:
    """
    Two notifications of one version may carry differently quoted etags.
    """
    hls = shipped("hls")
    first = upload.model_copy(update={"version": "7"})
    second = first.model_copy(update={"etag": "quoted"})

    assert job_id(first, hls) == job_id(second, hls)
