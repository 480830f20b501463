"""The simulated day: what arrives, what it is planned in, and what it costs."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from statistics import median

import pytest

from transcode.bench.report import Figure, Found
from transcode.bench.simulate import (
    BURST_SECONDS,
    DAY_SECONDS,
    DayAsked,
    arrivals_of,
    classes_of,
    day_cost,
    simulated_days,
)
from transcode.bench.simulation import SimulatedDay
from transcode.bench.telling import Tell
from transcode.platforms.platform import parse_platform
from transcode.settings import Settings
from transcode.wiring import wire

ROOT = Path(__file__).resolve().parents[2]
DAY = DayAsked(uploads=20_000, profile="mp4", seed=1)
SMALL = DayAsked(
    uploads=300,
    profile="mp4",
    seed=1,
    shares={(640, 360): 0.6, (1920, 1080): 0.4},
    lengths=2,
)


def test_uploads_come_in_a_wave_with_a_burst() -> None:
    """All of them, in order; most around 20:00, three times as many for a while."""
    found = arrivals_of(DAY, random.Random(1))  # noqa: S311 - no secret
    top = DAY_SECONDS * 20 / 24

    assert sorted(found) == found
    assert DAY.uploads == len(found)
    evening = sum(top <= at < top + BURST_SECONDS for at in found)
    after = sum(top + BURST_SECONDS <= at < top + 2 * BURST_SECONDS for at in found)
    early = sum(top - 12 * 3600 <= at < top - 12 * 3600 + BURST_SECONDS for at in found)
    assert 2.4 < evening / after < 3.6
    assert 2.2 < after / early < 4.5


def test_lengths_have_the_median_that_is_cited() -> None:
    """And all classes together are all uploads."""
    classes = classes_of(DAY)
    lengths = sorted({one.seconds for one in classes})

    assert 55 < median(lengths) < 70
    assert abs(sum(one.share for one in classes) - 1) < 1e-9


def test_a_day_costs_what_its_calls_cost() -> None:
    """By the price list: a GiB-second of FunctionGraph, and a request."""
    text = (ROOT / "profiles/platforms/functiongraph.toml").read_text(encoding="utf-8")
    platform = parse_platform(text, origin="it")
    day = SimulatedDay(busy={"512": 2_000_000}, calls={"512": 1000})

    cost = day_cost(platform, day, ())

    half_a_gib = Decimal("0.5") * 2000 * Decimal("0.00011108")
    assert half_a_gib + Decimal("0.00133") == cost.amount


def test_requests_to_the_store_are_in_the_cost_where_their_price_is_known() -> None:
    """S3's, to the letter; of OBS none is made up."""
    platforms = {
        name: parse_platform(
            (ROOT / f"profiles/platforms/{name}.toml").read_text(encoding="utf-8"),
            origin=name,
        )
        for name in ("aws-lambda", "functiongraph")
    }
    day = SimulatedDay(puts=97_000, gets=50_000)

    cost = day_cost(platforms["aws-lambda"], day, ())

    assert Decimal("0.485") + Decimal("0.02") == cost.amount
    assert 0 == day_cost(platforms["functiongraph"], day, ()).amount


@pytest.fixture(scope="module")
def small() -> Found:
    return simulated_days(wire(Settings()), Tell(lambda _line: None), SMALL)


def one(found: Found, name: str, **of: str) -> Figure:
    (figure,) = [
        it
        for it in found.figures
        if it.name == name and all(it.of.get(key) == of[key] for key in of)
    ]
    return figure


def test_specs_chosen_for_cost_cost_less_than_one_for_all(small: Found) -> None:
    """And take longer; nothing of so small a day is lost."""
    for platform in ("functiongraph", "aws-lambda"):
        at = {"platform": platform, "concurrency": "no limit"}
        chosen = one(small, "cost", **at, specs="chosen, cost").values[0]
        fixed = one(small, "cost", **at, specs="fixed").values[0]
        assert 0 < chosen < fixed
        share = one(small, "store_of_cost", **at, specs="chosen, cost")
        assert share.reason if platform == "functiongraph" else 1 < share.values[0] < 60
        lost = one(small, "without_result", **at, specs="chosen, cost")
        assert (0.0,) == lost.values


def test_what_was_assumed_is_swept_and_said(small: Found) -> None:
    """Each with its source, or as ours."""
    swept = {it.of["swept"] for it in small.figures if "swept" in it.of}

    assert {"no burst", "twice as long", "1080p and 2160p alone"} <= swept
    assert any("SVE, SOSP 2017" in note for note in small.notes)
    assert any("are assumed and swept" in note for note in small.notes)
