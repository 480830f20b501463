"""GPUs of a platform: priced, and compared with the chosen spec, but never chosen."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from transcode.cli.show.plan import explain
from transcode.contract import (
    Capabilities,
    Constraints,
    Gpu,
    Media,
    Plan,
    Source,
    Spec,
    Usage,
)
from transcode.errors import PlatformError
from transcode.plan.alternatives import offers
from transcode.plan.coefficients import parse_coefficients
from transcode.plan.make_plan import make_plan
from transcode.plan.profile import Profile
from transcode.platforms.platform import Platform, parse_platform
from transcode.platforms.price import bill

ROOT = Path(__file__).resolve().parents[2]
COEFFICIENTS = parse_coefficients(
    (ROOT / "transcode/plan/coefficients.toml").read_text(encoding="utf-8")
)
Planned = Callable[[str, str], Plan]


def platform(name: str) -> Platform:
    path = ROOT / "profiles/platforms" / f"{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


@pytest.fixture
def planned(
    conforming: Media,
    upload: Source,
    capable: Capabilities,
    shipped: Callable[[str], Profile],
) -> Planned:
    """A plan of one profile on one platform."""

    def plan(where: str, name: str) -> Plan:
        return make_plan(
            upload,
            conforming,
            shipped(name),
            platform(where),
            machine=None,
            constraints=Constraints(),
            capabilities=capable,
            coefficients=COEFFICIENTS,
            engine="local",
        )

    return plan


def one_second(spec: Spec, seconds: float = 1.0) -> Usage:
    return Usage(
        wall_seconds=seconds,
        billed_milliseconds=round(seconds * 1000),
        cpu_seconds=0.0,
        peak_memory_bytes=None,
        requests=0,
    )


@pytest.mark.parametrize(
    ("where", "card", "each"),
    [
        # 1 vCPU, 4 GiB at 0.15 and the card at 33.6 CU, of 0.00002 USD each.
        ("alibaba-fc", "fc.gpu.tesla.1", Decimal("0.000704")),
        # 4 vCPU at 0.000024, 16 GiB at 0.0000025, the card at 0.0001867 USD.
        ("cloud-run", "nvidia-l4", Decimal("0.0003227")),
    ],
)
def test_a_card_is_priced_with_the_instance_that_it_needs(
    planned: Planned, where: str, card: str, each: Decimal
) -> None:
    """The price of a second by hand; and in the time it is given it costs the same."""
    plan = planned(where, "hevc")
    [offer] = plan.hardware

    assert offer.spec.gpu is not None
    assert card == offer.spec.gpu.kind
    assert offer.per_second is not None
    assert each == offer.per_second.amount
    assert offer.within_seconds is not None
    spent = bill(
        platform(where), offer.spec, one_second(offer.spec, offer.within_seconds)
    ).total.amount
    assert float(plan.predicted_cost.amount) == pytest.approx(float(spent), rel=0.05)


def test_an_unmeasured_card_is_never_a_candidate(planned: Planned) -> None:
    """What is not known is None, and the page says so."""
    plan = planned("alibaba-fc", "hevc")
    [offer] = plan.hardware

    assert (None, None) == (offer.predicted, offer.bit_rate_penalty)
    assert all(it.spec.gpu is None for it in plan.tasks[0].candidates)
    page = " ".join(explain(plan).split())
    assert "NVIDIA T4 beside 4096 MiB, 1 vCPU: 0.000704 USD a second" in page
    assert "No hardware encoder was measured" in page


@pytest.mark.parametrize(
    ("where", "name", "count"),
    [
        ("alibaba-fc", "av1", 0),  # a T4 has no encoder for it
        ("cloud-run", "av1", 1),
        ("cloud-run", "vp9", 0),
        ("cloud-run", "audio", 0),
        ("aws-lambda", "hevc", 0),
    ],
)
def test_only_cards_that_could_do_it_are_named(
    planned: Planned, where: str, name: str, count: int
) -> None:
    """Every encoded picture's codec needs a hardware encoder of the card."""
    assert count == len(planned(where, name).hardware)


def test_a_card_without_a_price_is_refused_on_a_bill() -> None:
    """Never billed as if it were for nothing."""
    gpu = Gpu(kind="nvidia-l4", memory_mib=1024)
    spec = Spec(memory_mib=16384, milli_cpus=4000, gpu=gpu)

    with pytest.raises(PlatformError, match="No price is known for nvidia-l4"):
        bill(platform("cloud-run"), spec, one_second(spec))


def test_a_card_whose_instances_are_too_small_is_not_named(
    planned: Planned,
) -> None:
    """Never an instance that could not hold the task."""
    plan = planned("cloud-run", "hevc")
    chosen, task = plan.tasks[0].candidates[0], plan.tasks[0].task
    large = chosen.predicted.model_copy(update={"peak_memory_bytes": 2**40})

    assert 1 == len(offers(platform("cloud-run"), chosen, task.media, task.recipe))
    assert () == offers(
        platform("cloud-run"),
        chosen.model_copy(update={"predicted": large}),
        task.media,
        task.recipe,
    )
