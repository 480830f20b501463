"""Self-contained files: whole ones in each container, and broken ones."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import FilePackaging, OutputFile

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "25")
AAC = ("-c:a", "aac")
OPUS = ("-c:a", "libopus")
FAST = ("-movflags", "+faststart")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25")
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "25", "-svtav1-params", "lp=1")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")


@pytest.fixture
def encoded(
    finished: Any, tmp_path: Path, ffmpeg: str
) -> Callable[[str, Sequence[str]], Any]:
    """Encodes four seconds of picture and sound into one file."""

    def make(name: str, codecs: Sequence[str]) -> Any:
        staging = tmp_path / "file"
        staging.mkdir()
        picture = "testsrc2=size=320x240:rate=25:duration=4,format=yuv420p"
        sound = "sine=sample_rate=48000:duration=4,aformat=channel_layouts=stereo"
        argv = [ffmpeg, "-nostdin", "-v", "error", "-f", "lavfi", "-i", picture]
        argv += ["-f", "lavfi", "-i", sound, *codecs, str(staging / name)]
        subprocess.run(argv, check=True, timeout=60)
        big = finished.task.recipe.video[0]
        main = finished.task.recipe.audio[0]
        video = {"libvpx-vp9": "vp9", "libsvtav1": "av1", "libx265": "hevc"}
        codec = video.get(codecs[1], "h264")
        has_video = "-vn" not in codecs
        container = Path(name).suffix[1:]
        packaging = FilePackaging(
            files=(
                OutputFile(
                    name=name,
                    container=container,
                    video="big" if has_video else None,
                    audio=("main",),
                ),
            )
        )
        return (
            finished._replace(staging=staging)
            .with_report(
                encoded_frames={"big": 100} if has_video else {}, audio_packets={}
            )
            .with_recipe(
                video=(big.model_copy(update={"codec": codec}),) if has_video else (),
                video_index=0 if has_video else None,
                audio=(
                    main.model_copy(
                        update={"codec": "opus" if "libopus" in codecs else "aac"}
                    ),
                ),
                packaging=packaging,
                poster=None,
                sprites=None,
            )
        )

    return make


@pytest.mark.parametrize(
    ("name", "codecs"),
    [
        ("video.mp4", (*H264, *AAC, *FAST)),
        ("video.webm", (*VP9, *OPUS)),
        ("av1.mp4", (*AV1, *AAC, *FAST)),
        ("hevc.mp4", (*HEVC, *AAC, "-tag:v", "hvc1", *FAST)),
        ("audio.mp4", ("-vn", *AAC, *FAST)),
        ("audio.ogg", ("-vn", *OPUS)),
    ],
)
@pytest.mark.parametrize("how", ["sampled", "full"])
def test_a_whole_file_passes(
    encoded: Callable[[str, Sequence[str]], Any],
    name: str,
    codecs: Sequence[str],
    how: str,
) -> None:
    """
    Every container and codec that profiles ask for, sampled and in full.
    """
    verified = encoded(name, codecs).with_recipe(verify=how).verify()

    assert [] == [check for check in verified.checks if not check.passed]
    assert name.endswith(".mp4") == ("faststart" in {c.name for c in verified.checks})


def test_an_index_at_the_end_is_found(encoded: Callable[..., Any]) -> None:
    """
    Without its index first an MP4 cannot start before it is fetched whole.
    """
    assert {"faststart"} == encoded("video.mp4", (*H264, *AAC)).failed()


def test_a_missing_soundtrack_is_found(encoded: Callable[..., Any]) -> None:
    """
    Picture without the sound that was planned.
    """
    silent = encoded("video.mp4", (*H264, "-an", *FAST))

    assert {"decodable", "streams"} == silent.failed()
    assert "it holds video where video + audio was planned" in silent.detail(
        "decodable"
    )


def test_a_stream_that_nobody_planned_is_found(encoded: Callable[..., Any]) -> None:
    """
    A second soundtrack in the file.
    """
    maps = ("-map", "0", "-map", "1", "-map", "1")
    double = encoded("video.mp4", (*H264, *AAC, *maps, *FAST))

    assert {"decodable", "streams"} == double.failed()


@pytest.mark.parametrize("share", [0, 0.1, 0.6, 0.99])
def test_a_truncated_file_is_found(encoded: Callable[..., Any], share: float) -> None:
    """
    An MP4 whose last bytes were never written.
    """
    whole = encoded("video.mp4", (*H264, *AAC, *FAST))
    path = whole.staging / "video.mp4"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    assert whole.failed() & {"decodable", "duration", "frame_count"}


def test_a_text_that_calls_itself_a_video_is_found(
    encoded: Callable[..., Any], tmp_path: Path
) -> None:
    """
    A playlist by the name of an MP4 is not followed.
    """
    fake = encoded("video.mp4", (*H264, *AAC, *FAST))
    (fake.staging / "video.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/x.ts\n"
    )

    assert {"decodable", "streams", "faststart"} == fake.failed()


def test_damage_in_the_last_group_is_found(encoded: Callable[..., Any]) -> None:
    """
    The index is whole and the last second of media data is not.
    """
    whole = encoded("video.mp4", (*H264, "-c:a", "aac", *FAST))
    size = (whole.staging / "video.mp4").stat().st_size
    whole.flip("video.mp4", size - 20_000, 18_000)

    assert {"decodable"} == whole.failed()


def test_damage_in_the_last_sound_is_found(encoded: Callable[..., Any]) -> None:
    """
    The last seconds of a soundtrack are noise.
    """
    whole = encoded("audio.mp4", ("-vn", *AAC, *FAST))
    size = (whole.staging / "audio.mp4").stat().st_size
    whole.flip("audio.mp4", size - 2000, 1500)

    assert {"decodable"} == whole.failed()


def test_a_clip_of_a_few_packets_passes(encoded: Callable[..., Any]) -> None:
    """
    A clip with fewer packets of sound than are decoded at a time.
    """
    short = encoded("video.mp4", (*H264, *AAC, "-t", "0.2", *FAST))
    video, sound = short.task.media.video[0], short.task.media.audio[0]
    seconds = {"duration_seconds": 0.2}
    short = short.with_media(
        **seconds,
        video=(video.model_copy(update=seconds),),
        audio=(sound.model_copy(update=seconds),),
    ).with_report(decoded_frames=5, encoded_frames={"big": 5})

    assert set() == short.failed()
