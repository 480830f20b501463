"""What is wrong with the times of a result is found by the decoder's word."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from array import array
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import (
    Clip,
    CmafPackaging,
    FilePackaging,
    OutputFile,
    Recipe,
    Task,
)
from transcode.work.report import EncodeReport
from transcode.work.shown import OPTIONS, Shown, read_shown
from transcode.work.verify.read import read_cmaf, read_file
from transcode.work.verify.shown import near_their_length, shown
from transcode.work.verify.timing import duration
from transcode.work.verify.tracks import Track

MP4 = FilePackaging(
    files=(OutputFile(name="video.mp4", container="mp4", video="120p", audio=()),)
)
STILL = "select='lt(t,2)+gt(t,6.99)'"


@pytest.fixture(scope="module")
def still(made: Callable[..., Path]) -> Path:
    """Of 9 s, 5 s without a picture; in order, and a keyframe every second."""
    picture = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=9")
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "0")
    return made("still.mp4", *picture, "-vf", STILL, "-fps_mode", "vfr", *coding, "-an")


@pytest.fixture
def look(
    still: Path, make_task: Any, video: Any, ffmpeg: str, tmp_path: Path
) -> Callable[[Path], tuple[Task, EncodeReport, list[Track]]]:
    """A file as if it had been made of the recording: task, report and tracks."""
    recipe = Recipe(
        video_index=0, video=(video(160, 120),), audio=(), packaging=MP4, gop_seconds=2
    )
    task = make_task(still, recipe)

    def do(path: Path) -> tuple[Task, EncodeReport, list[Track]]:
        tracks, problems = read_file(task, MP4.files[0], staging=path.parent)
        assert [] == problems
        return task, reported(told(ffmpeg, still, tmp_path)), tracks

    return do


def told(ffmpeg: str, source: Path, folder: Path) -> Shown:
    """The source's times as the encoder's process writes them."""
    options = [it for key, value in OPTIONS.items() for it in (f"-{key}", value)]
    path = folder / "shown"
    argv = [ffmpeg, "-nostdin", "-v", "error", "-y", "-i", str(source)]
    subprocess.run([*argv, "-map", "0:v", *options, str(path)], check=True)
    found = read_shown(path)
    assert found is not None
    return found


def reported(found: Shown) -> EncodeReport:
    return EncodeReport(
        decoded_frames=len(found.times),
        decode_errors=0,
        packets_read=len(found.times),
        encoded_frames={},
        audio_samples=None,
        argv=(),
        stderr_tail="",
        wall_seconds=1.0,
        shown=found,
    )


def changed(ffmpeg: str, source: Path, folder: Path, *options: str) -> Path:
    """A copy of *source* by ffmpeg with *options*."""
    folder.mkdir()
    path = folder / "video.mp4"
    argv = [ffmpeg, "-nostdin", "-v", "error", "-y", "-i", str(source)]
    subprocess.run([*argv, *options, str(path)], check=True)
    return path


def test_the_source_itself_is_right(
    look: Any, still: Path, ffmpeg: str, tmp_path: Path
) -> None:
    """
    A copy shows at each time what its source shows.
    """
    path = changed(ffmpeg, still, tmp_path / "made", "-c", "copy")

    assert [] == list(shown(*look(path)))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        # Everything after 3 s comes half a second late.
        ("setts=ts=TS+gt(TS*TB\\,3)*0.5/TB", "lacks 50 of 100 pictures"),
        # A fragment that began before its time: the hole is a second shorter.
        ("setts=ts=TS-gt(TS*TB\\,3)/TB", "lacks 25 of 100 pictures"),
        ("noise=drop=eq(n\\,40)", "lacks 1 of 100 pictures, the one at 1.600 s"),
    ],
)
def test_pictures_at_other_times_are_found(
    *, look: Any, still: Path, ffmpeg: str, tmp_path: Path, how: str, said: str
) -> None:
    """
    Late, early or missing: that it lasts as long as was promised is not enough.
    """
    broken = ("-c", "copy", "-bsf:v", how)

    task, report, tracks = look(changed(ffmpeg, still, tmp_path / "made", *broken))

    assert said in "; ".join(shown(task, report, tracks))


def test_a_picture_that_nobody_showed_is_found(
    look: Any, still: Path, ffmpeg: str, tmp_path: Path
) -> None:
    """
    A picture may be shown again where a keyframe is due, and nowhere else.
    """
    path = changed(ffmpeg, still, tmp_path / "made", "-c", "copy")
    task, report, (track,) = look(path)

    for seconds, problems in ((4, 0), (5, 1)):
        at = int(Fraction(seconds) / track.time_base)
        more = replace(track, times=array("q", sorted([*track.times, at])))
        assert problems == len(list(shown(task, report, [more])))


def test_a_header_that_says_more_is_found(
    look: Any, still: Path, ffmpeg: str, tmp_path: Path
) -> None:
    """
    A file whose header lasts longer than its samples is not as planned.
    """
    path = changed(ffmpeg, still, tmp_path / "made", "-c", "copy")
    task, _, (track,) = look(path)
    assert [] == list(duration(task, [track]))

    data = bytearray(path.read_bytes())
    at = data.index(b"stts")
    entries = int.from_bytes(data[at + 8 : at + 12])
    last = at + 12 + (entries - 1) * 8 + 4
    # The last sample is said to last 17 s longer, as it was said of `static.mp4`.
    more = struct.unpack_from(">I", data, last)[0] + int(17 / track.time_base)
    struct.pack_into(">I", data, last, more)
    path.write_bytes(data)
    task, _, tracks = look(path)
    assert list(duration(task, tracks))


def test_a_segment_across_a_still_stretch_is_found(
    still: Path, make_task: Any, video: Any, performed: Any
) -> None:
    """
    Segments that last longer than was asked for are none to switch or seek by.
    """
    recipe = Recipe(
        video_index=0,
        video=(video(160, 120),),
        audio=(),
        packaging=CmafPackaging(segment_seconds=4),
        gop_seconds=2,
    )
    task = make_task(still, recipe)
    produced, staging = performed(task)
    assert produced.failure is None
    track = read_cmaf(task, recipe.video[0], 0, staging=staging)
    assert isinstance(track, Track)
    assert [] == list(near_their_length(task, [track]))

    one, two, *rest = track.segments
    merged = replace(one, duration=one.duration + two.duration)
    broken = replace(track, segments=(merged, *rest))
    (said,) = near_their_length(task, [broken])
    assert "lasts 8.000 s, asked for were 4 s" in said


def test_a_playlist_that_adds_up_samples_is_found(
    still: Path, make_task: Any, make_recipe: Any, performed: Any, tmp_path: Path
) -> None:
    """
    Of each segment the playlists say when its pictures are shown, to 2 ms.
    """
    task = make_task(still, make_recipe(audio=()))
    produced, staging = performed(task)
    assert produced.failure is None
    broken = shutil.copytree(staging, tmp_path / "broken")
    path = broken / "video/120p/index.m3u8"
    text = path.read_text()
    path.write_text(re.sub("EXTINF:4.000", "EXTINF:4.006", text, count=1))

    from transcode.work.verify.verify import verify  # noqa: PLC0415

    report = reported(Shown(array("q"), Fraction(1, 25), 1))
    found = {it.name: it.detail for it in verify(task, report, staging=broken).failed}
    assert "is said to last 4.006 s, it lasts 4.000 s" in found["playlists"]


@pytest.mark.parametrize(("late_ms", "found"), [(0, 0), (2, 0), (21, 1), (-21, 1)])
def test_a_chunk_that_does_not_begin_with_its_picture_is_found(
    look: Any, still: Path, tmp_path: Path, late_ms: int, found: int
) -> None:
    """Joined, it would show it early or late; a clip may begin between two pictures."""
    made = tmp_path / "made" / "video.mp4"
    made.parent.mkdir()
    shutil.copy(still, made)
    task, report, tracks = look(made)
    start = 2 - late_ms / 1000
    part = Clip(start_seconds=start, seek_seconds=None, slack_seconds=0.03)
    cut = {"recipe": task.recipe.model_copy(update={"clip": part})}
    told_times = report.shown.times
    later = array("q", [it + round(2 / report.shown.base) for it in told_times])
    told_of = replace(report, shown=replace(report.shown, times=later))

    def said(kind: str) -> list[str]:
        asked = task.model_copy(update={**cut, "kind": kind})
        return [it for it in shown(asked, told_of, tracks) if "not cut" in it]

    assert found == len(said("chunk"))
    assert [] == said("encode")
