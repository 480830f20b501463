"""Sources, profiles and tools for tests of planning: values only, nothing is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from transcode.contract import AudioStream, Capabilities, Media, Source, VideoStream
from transcode.plan.profile import Profile, parse_profile

PROFILES = Path(__file__).resolve().parents[2] / "profiles"

Change = Callable[..., Media]


@pytest.fixture(scope="session")
def upload() -> Source:
    """A file on a disk."""
    return Source(
        uri="file:///videos/clip.mp4",
        bytes=3_100_000,
        etag="3100000-1",
        location="/videos/clip.mp4",
    )


@pytest.fixture(scope="session")
def conforming() -> Media:
    """An ordinary upload that the profile `hls` can copy: 12 s of 720p30 and sound."""
    return Media(
        container="mp4",
        format_name="mov,mp4,m4a,3gp,3g2,mj2",
        bytes=3_100_000,
        duration_seconds=12.0,
        start_seconds=0.0,
        bit_rate=2_066_000,
        fragmented=False,
        faststart=True,
        video=(
            VideoStream(
                index=0,
                codec="h264",
                profile="High",
                level=31,
                width=1280,
                height=720,
                display_width=1280,
                display_height=720,
                frame_rate=Fraction(30),
                variable_frame_rate=False,
                frames=360,
                start_seconds=0.0,
                duration_seconds=12.0,
                bit_rate=1_930_000,
                pixel_format="yuv420p",
                bit_depth=8,
                color_range="tv",
                interlaced=False,
                has_b_frames=True,
                keyframe_seconds=(0.0, 2.0, 4.0, 6.0, 8.0, 10.0),
                longest_gop_seconds=2.0,
                closed_gops=True,
                default=True,
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
                start_seconds=0.0,
                duration_seconds=12.0,
                bit_rate=128_000,
                default=True,
            ),
        ),
    )


@pytest.fixture(scope="session")
def change(conforming: Media) -> Change:
    """The conforming upload with other facts about its container, picture or sound."""

    def make(
        *,
        media: Mapping[str, object] | None = None,
        video: Mapping[str, object] | None = None,
        audio: Mapping[str, object] | None = None,
    ) -> Media:
        return conforming.model_copy(
            update={
                "video": (conforming.video[0].model_copy(update=video or {}),),
                "audio": (conforming.audio[0].model_copy(update=audio or {}),),
                **(media or {}),
            }
        )

    return make


@pytest.fixture(scope="session")
def capable() -> Capabilities:
    """A machine with every software encoder and the packager."""
    return Capabilities(
        ffmpeg="/usr/bin/ffmpeg",
        ffmpeg_version="9.0.2",
        encoders=frozenset(
            {"libx264", "libx265", "libsvtav1", "libvpx-vp9", "aac", "libopus"}
        ),
        decoders=frozenset({"h264", "aac", "libvpx-vp9"}),
        measures_vmaf=True,
        packager="/usr/bin/packager",
    )


@pytest.fixture(scope="session")
def shipped() -> Callable[[str], Profile]:
    """A profile that ships, by name."""

    def load(name: str) -> Profile:
        path = PROFILES / f"{name}.toml"
        return parse_profile(path.read_text(encoding="utf-8"), origin=path.name)

    return load
