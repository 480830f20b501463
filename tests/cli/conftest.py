"""Values made by hand, as complete as the ones that a real job makes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import manifest_of
from transcode.contract import (
    Attempt,
    AudioFacts,
    AudioStream,
    Check,
    CmafPackaging,
    DynamicRange,
    Failure,
    Interval,
    JobCost,
    Manifest,
    Media,
    Money,
    OtherStream,
    OutcomeKind,
    Output,
    Plan,
    PlannedTask,
    PlatformRef,
    ProfileRef,
    Recipe,
    Rung,
    Source,
    SourceRecord,
    Spec,
    SubtitleStream,
    Task,
    TaskRecord,
    Usage,
    Verification,
    VideoFacts,
    VideoStream,
)

JOB = "0123456789abcdef0123456789abcdef"
FOLDER = "/srv/out/clip.hls.0123456789ab/"


class Transcode(Protocol):
    """Runs the real command in a process of its own."""

    def __call__(
        self,
        *args: str | Path,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def transcode(tmp_path: Path) -> Transcode:
    """The `transcode` command, started in an empty folder."""

    def run(
        *args: str | Path,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        argv: Sequence[str] = [sys.executable, "-m", "transcode", *map(str, args)]
        env = None if environ is None else dict(environ)
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or tmp_path,
            env=env,
            timeout=120,
        )

    return run


@pytest.fixture
def media() -> Media:
    """A phone's video with everything that can be said about one."""
    return Media(
        container="mov",
        format_name="mov,mp4,m4a,3gp,3g2,mj2",
        bytes=12_345_678,
        duration_seconds=30.16,
        fragmented=False,
        faststart=False,
        bit_rate=3_274_000,
        video=(
            VideoStream(
                index=0,
                codec="hevc",
                profile="Main 10",
                level=120,
                width=1440,
                height=1080,
                sample_aspect_ratio=Fraction(4, 3),
                display_width=1080,
                display_height=1920,
                rotation_degrees=90,
                frame_rate=Fraction(30000, 1001),
                variable_frame_rate=True,
                frames=904,
                duration_seconds=30.16,
                pixel_format="yuv420p10le",
                bit_depth=10,
                color_range="tv",
                color_primaries="bt2020",
                color_transfer="smpte2084",
                color_space="bt2020nc",
                dynamic_range=DynamicRange.HDR10,
                interlaced=False,
                keyframe_seconds=tuple(float(n) for n in range(31)),
                longest_gop_seconds=1.0,
                closed_gops=None,
                bit_rate=3_100_000,
                language="eng",
                default=True,
                unknown={"closed_gops": "no keyframe was looked into"},
            ),
        ),
        audio=(
            AudioStream(
                index=1,
                codec="aac",
                profile="LC",
                sample_rate=48000,
                channels=2,
                layout="stereo",
                duration_seconds=30.1,
                bit_rate=128_000,
                language="eng",
                title="Director \x1b[31mred",
                default=True,
            ),
            AudioStream(
                index=2,
                codec="pcm_s16le",
                sample_rate=None,
                channels=6,
                layout=None,
                decodable=False,
                unknown={"duration_seconds": "no index"},
            ),
        ),
        subtitles=(
            SubtitleStream(index=3, codec="mov_text", text=True, language="fra"),
        ),
        others=(
            OtherStream(
                index=4, kind="data", codec="tmcd", reason="timecode is not transcoded"
            ),
        ),
        warnings=("the header's duration is 3.2 times what the index says",),
        probe_bytes=81_920,
        probe_seconds=0.11,
    )


SMALL = Spec(memory_mib=512, milli_cpus=600)
LARGE = Spec(memory_mib=1024, milli_cpus=1000)
PREDICTED = Usage(
    wall_seconds=10.0, cpu_seconds=9.5, peak_memory_bytes=400 * 2**20, requests=1
)


@pytest.fixture
def failed_attempt() -> Attempt:
    return Attempt(
        number=1,
        spec=SMALL,
        predicted=PREDICTED,
        measured=Usage(
            wall_seconds=1.25, cpu_seconds=1.1, peak_memory_bytes=512 * 2**20
        ),
        cost=Money(amount=Decimal("0.0000707"), currency="CNY"),
        outcome=OutcomeKind.OUT_OF_MEMORY,
        failure=Failure(
            type="OutOfMemory",
            message="The kernel killed the attempt\nat 512 MiB.",
            retryable=True,
        ),
    )


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(
        number=2,
        spec=LARGE,
        predicted=PREDICTED,
        measured=Usage(
            wall_seconds=65.4, cpu_seconds=60, peak_memory_bytes=600 * 2**20
        ),
        cost=Money(amount=Decimal("0.0072656"), currency="CNY"),
        outcome=OutcomeKind.SUCCEEDED,
    )


@pytest.fixture
def plan(media: Media) -> Plan:
    source = Source(
        uri="/srv/in/clip.mov", bytes=12_345_678, etag="x", location="/srv/in/clip.mov"
    )
    cost = Money(amount=Decimal("0.0011"), currency="CNY")
    task = Task(
        task_id="encode",
        job_id=JOB,
        source=source,
        media=media,
        recipe=Recipe(video_index=0, packaging=CmafPackaging(segment_seconds=4)),
        spec=SMALL,
        predicted=PREDICTED,
        predicted_wall=Interval(low=8, high=12),
        predicted_cost=cost,
    )
    return Plan(
        job_id=JOB,
        source=source,
        profile=ProfileRef(name="hls", digest="sha256:00"),
        platform=PlatformRef(name="functiongraph", price_table="2024-09-09"),
        engine="local",
        media=media,
        rung=Rung.FULL,
        reasons=("the picture is turned",),
        tasks=(PlannedTask(task=task, candidates=()),),
        predicted=PREDICTED,
        predicted_cost=cost,
        warnings=("subtitles are not kept",),
    )


@pytest.fixture
def manifest(plan: Plan, failed_attempt: Attempt, attempt: Attempt) -> Manifest:
    """A job that succeeded on the second try."""

    def picture(height: int, made_by: str, size: int) -> Output:
        return Output(
            uri=f"{FOLDER}video/{height}p/index.m3u8",
            kind="rendition",
            made_by=made_by,
            bytes=700,
            sha256="0" * 64,
            container="mp4",
            duration_seconds=30.16,
            video=VideoFacts(
                codec="h264",
                width=height * 16 // 9,
                height=height,
                frames=904,
                frame_rate=Fraction(30000, 1001),
            ),
            media_bytes=size,
        )

    def other(path: str, kind: str, size: int = 1000) -> Output:
        return Output(
            uri=FOLDER + path,
            kind=kind,
            made_by="generated",
            bytes=size,
            sha256="0" * 64,
        )

    return manifest_of(
        JOB,
        digest=plan.profile.digest,
        source=SourceRecord(
            uri=plan.source.uri, bytes=plan.source.bytes, etag="x", version=None
        ),
        platform=plan.platform,
        media=plan.media,
        rung=Rung.FULL,
        outputs=(
            picture(360, "encoded", 900_000),
            picture(720, "copied", 12_000_000),
            Output(
                uri=f"{FOLDER}audio/eng/index.m3u8",
                kind="audio",
                made_by="encoded",
                bytes=600,
                sha256="0" * 64,
                container="mp4",
                duration_seconds=30.1,
                audio=AudioFacts(
                    codec="aac", sample_rate=48000, channels=2, language="eng"
                ),
                media_bytes=480_000,
            ),
            other("video/720p/00001.m4s", "segment", 10**6),
            other("master.m3u8", "playlist"),
            other("manifest.mpd", "manifest"),
            other("poster.jpg", "poster", 54_321),
            other("sprites/00001.jpg", "sprite", 20_000),
            other("sprites/00002.jpg", "sprite", 10_000),
            other("thumbnails.vtt", "thumbnails", 999),
        ),
        tasks=(
            TaskRecord(
                task_id="encode", kind="encode", attempts=(failed_attempt, attempt)
            ),
        ),
        cost=JobCost(
            amount=Decimal("0.0073363"), currency="CNY", predicted=Decimal("0.0011")
        ),
        verification=Verification(
            passed=True,
            checks=(
                Check(name="duration", passed=True, detail="30.16 s"),
                Check(name="duration", passed=True, detail="30.16 s"),
                Check(name="frame_count", passed=True, detail="904"),
            ),
        ),
        warnings=("subtitles are not kept",),
        location=FOLDER,
        finished_at="2026-11-22T19:00:00+00:00",
        wall_seconds=68.1,
    )
