"""The cheapest way to a quality: made, kept and delivered."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcode.catalog import Catalog
from transcode.contract import Capabilities, Constraints, Media, Money, Plan, Source
from transcode.errors import ProfileError, QualityError
from transcode.plan.coefficients import parse_coefficients
from transcode.plan.make_plan import make_plan
from transcode.plan.profile import DeliveryProfile, Profile, parse_profile
from transcode.plan.ways import CodecWay, cheapest
from transcode.platforms.platform import Machine
from transcode.settings import Settings

Change = Callable[..., Media]

TEXT = """
name = "seen"
title = "seen"
[packaging]
type = "file"
[video]
codec = "h264"
preset = "veryfast"
codec_profile = "high"
copy = false
target_vmaf = 93
ways = ["h264:veryfast", "h264:slow", "av1:10"]
[[video.rungs]]
short_side = 1080
crf = 23
max_bit_rate_kbps = 6000
{0}
"""
DELIVERY = """
[delivery]
views = {views}
egress_per_gb = 0.05
storage_months = 12
storage_per_gb_month = 0.02
currency = "USD"
"""


def seen(text: str = "") -> Profile:
    return parse_profile(TEXT.format(text), origin="seen.toml")


def way(cost: Decimal, size: int, preset: str = "veryfast") -> CodecWay:
    money = Money(amount=cost, currency="USD")
    return CodecWay(
        codec="h264", preset=preset, encode=money, stored_bytes=size, viewed_bytes=size
    )


COSTS = st.decimals("0.0001", "10", places=4)
SIZES = st.integers(1_000, 10**11)


@given(st.lists(st.tuples(COSTS, SIZES), min_size=1, max_size=6), st.integers(0, 10**7))
def test_nothing_that_was_left_is_cheaper(
    ways: list[tuple[Decimal, int]], views: int
) -> None:
    """Whatever they cost and take; without views or storage the encode decides."""
    asked = DeliveryProfile(views=views, egress_per_gb=Decimal("0.05"))
    several = [way(cost, size) for cost, size in ways]

    best = cheapest(several, asked)

    assert all(best.price(asked) <= it.price(asked) for it in several)
    assert min(cost for cost, _ in ways) == cheapest(several, None).encode.amount


@given(st.lists(st.tuples(COSTS, SIZES), min_size=1, max_size=6), st.integers(0, 10**6))
def test_who_is_seen_more_often_takes_no_more_bits(
    ways: list[tuple[Decimal, int]], views: int
) -> None:
    """More views never lead to a larger file."""
    several = [way(cost, size) for cost, size in ways]
    price = Decimal("0.05")

    few = cheapest(several, DeliveryProfile(views=views, egress_per_gb=price))
    many = cheapest(several, DeliveryProfile(views=10 * views + 1, egress_per_gb=price))

    assert many.viewed_bytes <= few.viewed_bytes


@pytest.fixture
def plan(change: Change, upload: Source, capable: Capabilities) -> Callable[..., Plan]:
    """Of ten minutes that cannot be copied."""
    long = {"duration_seconds": 600.0}
    media = change(
        media={**long, "bytes": 800_000_000},
        video={**long, "bit_rate": 9_000_000, "frames": 18_000},
    )
    catalog = Catalog(Settings())
    path = Path(__file__).resolve().parents[2] / "transcode/plan/coefficients.toml"
    coefficients = parse_coefficients(path.read_text(encoding="utf-8"))

    def made(profile: Profile, platform: str = "local") -> Plan:
        return make_plan(
            upload,
            media,
            profile,
            catalog.platform(platform),
            machine=Machine(milli_cpus=8000, memory_mib=32768, scratch_mib=100_000),
            constraints=Constraints(),
            capabilities=capable,
            coefficients=coefficients,
            engine="local",
        )

    return made


def test_what_is_seen_once_is_encoded_fast_and_what_is_seen_often_small(
    plan: Callable[..., Plan],
) -> None:
    """And the plan says what each would have come to; the job is the profile's."""
    once = plan(seen(DELIVERY.format(views=0)))
    often = plan(seen(DELIVERY.format(views=1_000_000)))

    def encoders(made: Plan) -> set[tuple[str | None, str | None]]:
        return {(it.encoder, it.preset) for it in made.tasks[0].task.recipe.video}

    assert {("libsvtav1", "10")} == encoders(often)
    assert encoders(once) <= {("libx264", "veryfast"), ("libsvtav1", "10")}
    (why,) = (it for it in often.reasons if it.startswith("Encoded as av1 10"))
    assert "seen 1000000 times" in why
    assert "h264 veryfast" in why
    assert seen(DELIVERY.format(views=0)).digest == once.profile.digest


def test_delivery_in_another_currency_is_refused(plan: Callable[..., Plan]) -> None:
    """No rate is made up."""
    with pytest.raises(QualityError, match="in USD and functiongraph is paid in CNY"):
        plan(seen(DELIVERY.format(views=1)), "functiongraph")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("av1:10", "vp9:4", "measured are 'h264:veryfast'"),
        ("target_vmaf = 93", "", "without target_vmaf"),
    ],
)
def test_what_was_not_measured_is_no_way(old: str, new: str, said: str) -> None:
    """Nor are ways that nothing makes comparable."""
    with pytest.raises(ProfileError, match=said):
        parse_profile(TEXT.format("").replace(old, new), origin="seen.toml")


def test_without_ways_a_digest_is_what_it_was() -> None:
    """Jobs of before are the same jobs."""
    plain = seen().video
    assert plain
    assert "ways" in str(plain.model_dump())
    bare = TEXT.replace('ways = ["h264:veryfast", "h264:slow", "av1:10"]', "")
    same = parse_profile(bare.format(""), origin="a")
    assert same.digest != seen().digest
    assert (
        same.digest
        != parse_profile(bare.format(DELIVERY.format(views=1)), origin="a").digest
    )


def test_ways_are_compared_at_equal_vmaf(tmp_path: Path) -> None:
    """Another target by hand is refused: nothing says what it saves."""
    path = tmp_path / "seen.toml"
    path.write_text(TEXT.format(""))

    with pytest.raises(QualityError, match="equal VMAF"):
        Catalog(Settings()).asked(str(path), target_xpsnr=40.0)
