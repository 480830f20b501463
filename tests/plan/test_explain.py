"""The page that `transcode plan` prints."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest

from transcode import units
from transcode.cli.show.plan import WIDTH, at_services, explain, source_line
from transcode.contract import (
    Candidate,
    Capabilities,
    Elsewhere,
    Interval,
    Media,
    Money,
    Plan,
    PlannedTask,
    PlatformRef,
    ProfileRef,
    Rung,
    ServicePrice,
    Source,
    Spec,
    Task,
    Usage,
)
from transcode.plan.profile import Profile
from transcode.plan.recipe import make_recipe

Golden = Callable[[str, str], None]
Explained = Callable[[Media, str], Plan]


def candidate(memory_mib: int, wall: float, yuan: str, reason: str) -> Candidate:
    return Candidate(
        spec=Spec(
            memory_mib=memory_mib,
            milli_cpus=memory_mib * 1000 // 1024,
            scratch_mib=512,
            time_limit_seconds=900,
        ),
        predicted=Usage(
            wall_seconds=wall,
            billed_milliseconds=round(wall * 1000),
            cpu_seconds=6.4,
            peak_memory_bytes=330_000_000,
            scratch_bytes=4_500_000,
        ),
        cost=Money(amount=Decimal(yuan), currency="CNY"),
        chosen=reason.startswith("cheapest"),
        reason=reason,
    )


@pytest.fixture
def plan_of(
    upload: Source, capable: Capabilities, shipped: Callable[[str], Profile]
) -> Explained:
    """A plan with figures of its own, so that no coefficient changes the page."""

    def make(media: Media, name: str) -> Plan:
        decision = make_recipe(media, shipped(name), capable)
        candidates = (
            candidate(1024, 6.9, "0.000482", "cheapest that meets the deadline"),
            candidate(768, 9.1, "0.000477", "1% cheaper, 2.2 s slower"),
            candidate(
                512,
                13.4,
                "0.000469",
                "too slow for the deadline of 20 s: could take 21.3 s where the "
                "machine is busy",
            ),
            candidate(2048, 4.1, "0.000571", "18% dearer, 2.8 s faster"),
            candidate(4096, 3.2, "0.000893", "85% dearer, 3.7 s faster"),
            candidate(128, 51.8, "0.000452", "too little memory: needs 394 MiB"),
        )
        task = Task(
            task_id="encode",
            job_id="0" * 32,
            source=upload,
            media=media,
            recipe=decision.recipe,
            spec=candidates[0].spec,
            predicted=candidates[0].predicted,
            predicted_wall=Interval(low=5.2, high=9.0),
            predicted_cost=candidates[0].cost,
        )
        return Plan(
            job_id="0" * 32,
            source=upload,
            profile=ProfileRef(name=name, digest="sha256:0"),
            platform=PlatformRef(name="functiongraph", price_table="2024-09-09"),
            engine="local",
            media=media,
            rung=decision.rung,
            reasons=decision.reasons,
            tasks=(PlannedTask(task=task, candidates=candidates),),
            predicted=task.predicted,
            predicted_cost=task.predicted_cost,
            elsewhere=(
                Elsewhere(
                    platform="aws-lambda",
                    spec=Spec(memory_mib=1769, milli_cpus=1000),
                    wall_seconds=6.9,
                    cost=Money(amount=Decimal("0.000204"), currency="USD"),
                ),
                Elsewhere(
                    platform="cloud-run",
                    spec=None,
                    wall_seconds=None,
                    cost=None,
                    reason="No spec of cloud-run takes less than 20 s; the fastest "
                    "would take 22 s.",
                ),
            ),
            deadline_seconds=20,
            budget=Money(amount=Decimal("0.01"), currency="CNY"),
            warnings=decision.warnings,
        )

    return make


def test_a_copied_ladder_reads_well(
    plan_of: Explained, conforming: Media, golden: Golden
) -> None:
    """
    The page as a newcomer sees it.
    """
    golden("plan-hls-copied.txt", explain(plan_of(conforming, "hls")))


def test_a_full_encode_reads_well(
    plan_of: Explained, change: Callable[..., Media], golden: Golden
) -> None:
    """
    With every reason why nothing is copied.
    """
    phone = change(
        media={"container": "mov", "warnings": ("Track 3 (mebx) is left alone.",)},
        video={
            "codec": "hevc",
            "display_width": 720,
            "display_height": 1280,
            "rotation_degrees": 90,
            "dynamic_range": "hlg",
            "interlaced": True,
            "frame_rate": Fraction(60000, 1001),
            "variable_frame_rate": True,
        },
        audio={"codec": "ac3", "channels": 6, "layout": "5.1(side)"},
    )

    golden("plan-hls-full.txt", explain(plan_of(phone, "hls")))


def test_sound_alone_reads_well(
    plan_of: Explained, conforming: Media, golden: Golden
) -> None:
    """
    Without a word about pictures.
    """
    golden("plan-audio.txt", explain(plan_of(conforming, "audio")))


def test_a_skipped_job_is_a_short_page(plan_of: Explained, conforming: Media) -> None:
    """
    Nothing will be made, so nothing is listed.
    """
    plan = plan_of(conforming, "hls").model_copy(
        update={
            "rung": Rung.SKIP,
            "tasks": (),
            "elsewhere": (),
            "reasons": ("The destination already holds the result of this job.",),
        }
    )

    expected = """\
Source    file:///videos/clip.mp4
          mp4, 12.0 s, 3.10 MB, h264 1280x720 at 30 fps, aac stereo
Profile   hls
Work      skip: the result is there already
          - The destination already holds the result of this job.
"""
    assert expected == explain(plan)


@pytest.mark.parametrize("name", ["hls", "mp4", "audio", "preview", "av1"])
def test_the_page_is_eighty_columns_wide(
    name: str, plan_of: Explained, conforming: Media
) -> None:
    """
    A terminal's width; and sixty, where it has no more. Names and prices stay.
    """
    plan = plan_of(conforming, name)
    narrow = explain(plan, width=60)

    assert max(map(len, explain(plan).splitlines())) <= WIDTH
    assert max(map(len, narrow.splitlines())) <= 60
    recipe = plan.tasks[0].task.recipe
    names = [*(it.name for it in recipe.video), *(it.name for it in recipe.audio)]
    assert all(f"  {it} " in narrow for it in names)
    assert all(it.platform in narrow for it in plan.elsewhere)


def test_unknown_is_said(change: Callable[..., Media]) -> None:
    """
    Never 0.
    """
    raw = change(
        media={
            "container": "h264",
            "bytes": None,
            "duration_seconds": None,
            "audio": (),
        },
        video={"frame_rate": None},
    )

    assert "h264, unknown, unknown, h264 1280x720, no sound" == source_line(raw)


def test_the_picture_in_use_is_the_one_described(conforming: Media) -> None:
    """
    A small second track stands first in some files.
    """
    small = conforming.video[0].model_copy(
        update={"index": 5, "display_width": 320, "display_height": 180}
    )
    media = conforming.model_copy(update={"video": (small, *conforming.video)})

    assert (
        "mp4, 12.0 s, 3.10 MB, h264 1280x720 at 30 fps, 2 video tracks, aac stereo"
    ) == source_line(media, 0)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "unknown"),
        (0.42, "0.42 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 00 s"),
        (200.0, "3 min 20 s"),
        (7380.0, "2 h 03 min"),
    ],
)
def test_durations(seconds: float | None, expected: str) -> None:
    """
    As one would say them.
    """
    assert expected == units.duration(seconds)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (1_288_490_189, "1.20 GiB"),
        (512 * 2**20, "512 MiB"),
        (1_072_693_248, "1023 MiB"),
    ],
)
def test_memory(count: int | None, expected: str) -> None:
    """
    In powers of two, as it is bought.
    """
    assert expected == units.memory(count)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0", "0 USD"),
        ("0.0004", "0.000400 USD"),
        ("0.00000361234", "0.00000361 USD"),
        ("0.0215", "0.0215 USD"),
        ("35.55871", "35.56 USD"),
        ("1234.5", "1234.50 USD"),
    ],
)
def test_money_has_digits_enough(amount: str, expected: str) -> None:
    """
    Three that say something, and never fewer than cents.
    """
    assert expected == units.money(Money(amount=Decimal(amount), currency="USD"))


def test_services_are_compared_where_they_have_a_price() -> None:
    """
    By the job and by the minute; without one, why.
    """
    known = ServicePrice(
        service="mine",
        price_table="2026-11-22",
        cost=Money(amount=Decimal("0.5"), currency="USD"),
        per_minute=Money(amount=Decimal("0.05"), currency="USD"),
    )
    unknown = ServicePrice(
        service="theirs",
        price_table="2026-11-22",
        cost=None,
        per_minute=None,
        reason="nobody says",
    )

    assert [
        "The same renditions at a managed service's list price",
        "  mine  0.500 USD  0.0500 USD a minute",
        "  theirs: nobody says",
    ] == list(at_services([known, unknown]))
