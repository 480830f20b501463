"""The page of `transcode plan` where a job is done in chunks, or could be."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from transcode.cli.show.plan import WIDTH, explain
from transcode.contract import (
    Candidate,
    Capabilities,
    Division,
    Elsewhere,
    Interval,
    Media,
    Money,
    Plan,
    PlannedTask,
    PlatformRef,
    ProfileRef,
    Source,
    Spec,
    Task,
    Usage,
)
from transcode.plan.profile import Profile
from transcode.plan.recipe import make_recipe

Golden = Callable[[str, str], None]


def candidate(memory_mib: int, wall: float, reason: str, *, chosen: bool) -> Candidate:
    return Candidate(
        spec=Spec(memory_mib=memory_mib, milli_cpus=memory_mib, scratch_mib=512),
        predicted=Usage(
            wall_seconds=wall, cpu_seconds=3 * wall, peak_memory_bytes=500_000_000
        ),
        cost=Money(amount=Decimal(str(wall)) / 10_000, currency="CNY"),
        chosen=chosen,
        reason=reason,
    )


def divided(
    upload: Source, media: Media, capable: Capabilities, profile: Profile
) -> Plan:
    """Two chunks, the second one longer, sound beside them, and their join."""
    decision = make_recipe(media, profile, capable)

    def planned(name: str, memory_mib: int, wall: float) -> PlannedTask:
        best = candidate(memory_mib, wall, "of 2 chunks at once", chosen=True)
        loser = candidate(512, 2 * wall, f"slower than {name}", chosen=False)
        task = Task.model_validate(
            {
                "task_id": name,
                "kind": name.split("-", maxsplit=1)[0],
                "job_id": "0" * 32,
                "source": upload,
                "media": media,
                "recipe": decision.recipe,
                "spec": best.spec,
                "predicted": best.predicted,
                "predicted_wall": Interval(low=wall / 2, high=wall * 2),
                "predicted_cost": best.cost,
            }
        )
        return PlannedTask(task=task, candidates=(best, loser))

    tasks = (
        planned("join", 1024, 3.0),
        planned("sound", 256, 13.0),
        planned("chunk-1", 4096, 11.0),
        planned("chunk-2", 4096, 12.0),
    )
    return Plan(
        job_id="0" * 32,
        source=upload,
        profile=ProfileRef(name="hls", digest="sha256:0"),
        platform=PlatformRef(name="functiongraph", price_table="2024-09-09"),
        engine="local",
        media=media,
        rung=decision.rung,
        reasons=decision.reasons,
        tasks=tasks,
        predicted=Usage(
            wall_seconds=17.5,
            cpu_seconds=78.0,
            peak_memory_bytes=500_000_000,
            scratch_bytes=40_000_000,
        ),
        predicted_cost=Money(amount=Decimal("0.0026"), currency="CNY"),
        division=Division(
            chunks=2,
            possible=True,
            reason="In one piece it does not fit, in chunks it does.",
        ),
        elsewhere=(
            Elsewhere(
                platform="aws-lambda",
                spec=Spec(memory_mib=8845, milli_cpus=5000),
                wall_seconds=19.0,
                cost=Money(amount=Decimal("0.0004"), currency="USD"),
                chunks=3,
            ),
        ),
        deadline_seconds=40,
    )


def test_a_job_in_chunks_reads_well(
    upload: Source,
    change: Callable[..., Media],
    capable: Capabilities,
    shipped: Callable[[str], Profile],
    golden: Golden,
) -> None:
    """
    What is made once, then chunks, sound and join; losers are the longest chunk's, if
    sound takes longer than that.
    """
    media = change(media={}, video={"codec": "hevc"})
    page = explain(divided(upload, media, capable, shipped("hls")))

    golden("plan-hls-chunks.txt", page)
    assert "slower than chunk-2" in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_what_chunks_would_bring_is_said_of_one_piece(
    upload: Source,
    change: Callable[..., Media],
    capable: Capabilities,
    shipped: Callable[[str], Profile],
) -> None:
    """And nothing where there could be none."""
    plan = divided(upload, change(media={}, video={}), capable, shipped("hls"))
    said = Division(possible=True, reason="In 16 chunks it would take 5 s.")
    whole = plan.model_copy(update={"tasks": plan.tasks[:1], "division": said})
    cannot = said.model_copy(update={"possible": False})

    assert "Chunks    None are made. In 16 chunks it would" in explain(whole)
    assert "Chunks" not in explain(whole.model_copy(update={"division": cannot}))
