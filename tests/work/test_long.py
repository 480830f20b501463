"""Memory of what reads back does not grow with the length but by what is foreseen."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import FilePackaging, OutputFile, Poster
from transcode.plan.memory import (
    INDEX_PACKET_BYTES,
    KEPT_PACKET_BYTES,
    OPENED_INDEX_BYTES,
    SOURCE_INDEX_BYTES,
    WRITTEN_INDEX_BYTES,
)
from transcode.settings import Settings
from transcode.work.command.build import build
from transcode.work.shown import ordered
from transcode.work.toolchain import find_ffmpeg

MIB = 2**20
HOURS = 3
PACKETS = HOURS * 3600 * 48000 / 1024
READER = """
import json, resource, sys
from pathlib import Path
from types import SimpleNamespace as N
import av
from transcode.contract import AudioRendition
from transcode.work.verify.read import read_cmaf

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

plan = AudioRendition.model_construct(name="sound", made_by="copied")
recipe = N(verify="sample", gop_seconds=2.0, video=[], audio=[plan])
media = N(duration_seconds=float(sys.argv[2]), video=(), audio=())
task = N(kind="encode", media=media, recipe=recipe, heard={})
before = peak()
track = read_cmaf(task, plan, 0, staging=Path(sys.argv[1]))
assert not isinstance(track, str), track
print(json.dumps([len(track.times), track.times.itemsize, peak() - before]))
"""


def test_hours_of_sound_cost_what_is_foreseen(
    make_clip: Any, ffmpeg: str, tmp_path: Path
) -> None:
    """Half a million packets: each is eight bytes, and libavformat's index."""
    clip = make_clip("sound", seconds=60, size="64x64")
    folder = tmp_path / "audio/sound"
    folder.mkdir(parents=True)
    argv = f"{ffmpeg} -v error -stream_loop {HOURS * 60 - 1} -i {clip} -map 0:a -c copy"
    argv += " -f hls -hls_time 4 -hls_playlist_type vod -hls_segment_type fmp4"
    argv += " -hls_segment_filename %05d.m4s index.m3u8"
    subprocess.run(argv.split(), cwd=folder, check=True)
    reader = [sys.executable, "-c", READER, str(tmp_path), str(HOURS * 3600)]

    told = subprocess.run(reader, check=True, capture_output=True, text=True)
    packets, each, grown = json.loads(told.stdout)

    assert packets > HOURS * 3600 * 40
    assert each == KEPT_PACKET_BYTES
    foreseen = packets * (KEPT_PACKET_BYTES + INDEX_PACKET_BYTES)
    # One group of packets, a decoder and the playlist come on top, whatever the length.
    assert grown < foreseen + 16 * MIB


@pytest.fixture(scope="module")
def hours(
    make_clip: Any, ffmpeg: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """MP4 of `HOURS` of sound, and of a minute: half a million packets, and few."""
    folder = tmp_path_factory.mktemp("hours")
    clip = make_clip("sound", seconds=60, size="64x64")
    for name, times in (("short", 0), ("long", HOURS * 60 - 1)):
        argv = f"{ffmpeg} -v error -stream_loop {times} -i {clip} -map 0:a -c copy"
        for kind in ("mp4", "avi", "mkv"):
            subprocess.run([*argv.split(), folder / f"{name}.{kind}"], check=True)
    return folder


LAUNCHER = """
import resource, subprocess, sys
null = subprocess.DEVNULL
subprocess.run(sys.argv[1:], stdout=null, stderr=null)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_of(*argv: object, cwd: Path | None = None) -> int:
    """Most memory that a program takes, in bytes."""
    # What we fork ourselves inherits the peak of this process.
    launched = [sys.executable, "-S", "-c", LAUNCHER, *map(str, argv)]
    done = subprocess.run(launched, check=True, capture_output=True, text=True, cwd=cwd)
    return int(done.stdout) * 1024


OPENER = """
import json, sys
from pathlib import Path
import av

def resident(field):
    told = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in told if line.startswith(field))

short, long = sys.argv[1:]
# What a program's own pages take depends on what the machine holds of them just then:
# they are there before, and the peak counts from here.
with av.open(short):
    pass
Path("/proc/self/clear_refs").write_text("5")
before = resident("VmHWM:")
with av.open(long):
    kept = resident("VmRSS:")
print(json.dumps([kept - before, resident("VmHWM:") - before]))
"""


@pytest.mark.parametrize(("kind", "demuxer"), [("mp4", "mov"), ("avi", "avi")])
def test_what_a_source_s_index_takes_is_foreseen(
    hours: Path, kind: str, demuxer: str
) -> None:
    """
    Read as a whole before there is a picture, however little is made of it.
    """
    argv: list[str | Path] = [
        sys.executable,
        "-c",
        OPENER,
        hours / f"short.{kind}",
        hours / f"long.{kind}",
    ]
    told = subprocess.run(argv, check=True, capture_output=True, text=True)
    kept, most = json.loads(told.stdout)

    assert kept > PACKETS * SOURCE_INDEX_BYTES[demuxer] / 2
    assert kept < PACKETS * SOURCE_INDEX_BYTES[demuxer]
    assert most > PACKETS * OPENED_INDEX_BYTES[demuxer] / 2
    assert most < PACKETS * OPENED_INDEX_BYTES[demuxer]


def test_what_a_written_file_s_index_takes_is_foreseen(
    hours: Path, ffmpeg: str, tmp_path: Path
) -> None:
    """An MP4's entries are kept until its end, from a source that has no index."""
    argv = (ffmpeg, "-nostdin", "-y", "-i")
    mux = ("-c", "copy", "-movflags", "+faststart", tmp_path / "out.mp4")
    grown = peak_of(*argv, hours / "long.mkv", *mux) - peak_of(
        *argv, hours / "short.mkv", *mux
    )

    assert grown > PACKETS * WRITTEN_INDEX_BYTES / 2
    assert grown < PACKETS * WRITTEN_INDEX_BYTES + 16 * MIB


@settings(deadline=None)
@given(
    steps=st.lists(st.integers(1, 9), min_size=1, max_size=300),
    shuffled=st.randoms(use_true_random=False),
    reach=st.integers(0, 40),
)
def test_times_are_sorted_however_far_they_are_apart(
    steps: list[int], shuffled: Any, reach: int
) -> None:
    """As `sorted` does, in a window."""
    times = list(steps) * 40
    for index in range(len(times)):
        other = min(len(times) - 1, index + shuffled.randint(0, reach))
        times[index], times[other] = times[other], times[index]
    found = array("q", times)

    ordered(found)

    assert sorted(times) == list(found)


def test_pictures_do_not_wait_for_what_is_looked_at(
    make_clip: Any,
    make_task: Any,
    make_recipe: Any,
    *,
    video: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    """
    Seldom, where nobody knows how long the source lasts, or that is hours. Where some
    may be shown again, all between were kept until a slow encoder came to them.
    """
    peaks = []
    recipe = make_recipe(
        video=(video(640, 360, preset="slow"),),
        audio=(),
        poster=Poster(width=640, height=360, candidates=9),
        packaging=FilePackaging(
            files=(OutputFile(name="video.mp4", container="mp4", video="360p"),)
        ),
    )
    noise = ("-vf", "noise=alls=12:allf=t")
    for seconds in (3, 6):
        clip = make_clip("busy.ts", seconds, "640x360", rate="60", extra=noise)
        task = make_task(clip, recipe)
        unknown = task.media.model_copy(update={"duration_seconds": None})
        folder = tmp_path / str(seconds)
        folder.mkdir()
        command = build(
            task.model_copy(update={"media": unknown}),
            program=find_ffmpeg(Settings()),
            fifo="",
            shown=str(folder / "shown"),
        )
        peaks.append(peak_of(*command.argv, cwd=folder))
        assert (folder / "poster-001.jpg").exists()

    picture = 640 * 360 * 3 // 2
    assert peaks[1] - peaks[0] < 3 * 60 * picture / 4
