"""A part of a video: the right pictures, the sound with them, and nothing else."""

from __future__ import annotations

import subprocess
from array import array
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from transcode.contract import Manifest, Plan
from transcode.pipeline import admit, run
from transcode.plan.profile import ClipProfile
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire

Command = Callable[..., Any]
_RATE, _SECONDS = 25, 5
_NUMBERED = (
    f"color=black:size=160x120:rate={_RATE}:duration={_SECONDS},format=yuv420p,"
    "geq=lum='16+219*mod(floor(N/pow(2,floor(X/20))),2)':cb=128:cr=128"
)
"""Each picture shows its number, in eight bars."""
_CLICKS = (
    f"aevalsrc='if(lt(mod(t,1),0.02),0.9*sin(2*PI*1000*t),0)':s=48000:d={_SECONDS}"
)
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-c:a", "aac")
_FILES = {
    "clip.mp4": (*_H264, "-bf", "2"),
    "late.mp4": (*_H264, "-output_ts_offset", "3"),
    "clip.mkv": (*_H264, "-bf", "2"),
    "clip.ts": (*_H264, "-bf", "2"),
    "fragments.mp4": (*_H264, "-movflags", "frag_keyframe+delay_moov"),
    "clip.avi": ("-c:v", "mjpeg", "-q:v", "3", "-c:a", "pcm_s16le"),
    "clip.ogv": ("-c:v", "libtheora", "-q:v", "8", "-c:a", "libvorbis"),
}


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> Command:
    """Five seconds of numbered pictures with a click at every whole second."""
    folder = tmp_path_factory.mktemp("numbered")

    def make(name: str, options: tuple[str, ...]) -> Path:
        path = folder / name
        argv = [ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", _NUMBERED]
        argv += ["-f", "lavfi", "-i", _CLICKS, *options, str(path)]
        subprocess.run(argv, check=True)
        return path

    return make


def numbers(path: str, ffmpeg: str) -> list[int]:
    """The numbers that its pictures show."""
    argv = [ffmpeg, "-v", "error", "-i", path, "-map", "0:v:0", "-fps_mode"]
    argv += ["passthrough", "-vf", "format=gray,scale=8:1:flags=area"]
    raw = subprocess.run(
        [*argv, "-f", "rawvideo", "-"], capture_output=True, check=True
    ).stdout
    return [
        sum((raw[at + bit] > 127) << bit for bit in range(8))
        for at in range(0, len(raw), 8)
    ]


def first_click(path: str, ffmpeg: str) -> float:
    """Seconds until the first click begins."""
    argv = [ffmpeg, "-v", "error", "-i", path, "-map", "0:a:0", "-ac", "1", "-f"]
    raw = subprocess.run(
        [*argv, "s16le", "-ar", "48000", "-"], capture_output=True, check=True
    ).stdout
    loud = (n for n, sample in enumerate(array("h", raw)) if abs(sample) > 6000)
    return next(loud) / 48000


def made(
    path: Path, folder: Path, *, start: float | None, end: float | None, profile: str
) -> tuple[Plan, Manifest]:
    request = Request(
        source=str(path),
        profile=profile,
        to=str(folder / "results"),
        clip=ClipProfile(start_seconds=start, end_seconds=end),
    )
    wiring = wire(Settings(scratch=str(folder)))

    async def both() -> tuple[Plan, Manifest]:
        return await admit(request, wiring), await run(request, wiring)

    return anyio.run(both)


@pytest.mark.parametrize("name", _FILES)
def test_a_clip_has_the_pictures_and_the_sound_between_its_ends(
    name: str, numbered: Command, tmp_path: Path, ffmpeg: str
) -> None:
    """
    From the first picture at or after the start to the last before the end.

    Where an index can be relied on, reading begins at a keyframe; the pictures are the
    same where it cannot. A click is heard when it was, within 20 ms.
    """
    path = numbered(name, _FILES[name])

    plan, manifest = made(path, tmp_path, start=2.71, end=4.25, profile="mp4")

    recipe, video = plan.tasks[0].task.recipe, plan.media.video[0]
    assert recipe.clip is not None
    seeks = name in {"clip.mp4", "late.mp4", "clip.mkv"}
    assert seeks == (recipe.clip.seek_seconds is not None)
    file = manifest.outputs[0]
    assert file.made_by == "encoded"
    shown = numbers(file.uri, ffmpeg)
    late = max(
        0.0, (video.start_seconds or 0) - max(0.0, plan.media.start_seconds or 0)
    )
    begins = [n for n in range(_RATE * _SECONDS) if 2.71 <= n / _RATE + late < 4.25]
    assert begins == shown
    assert file.video is not None
    assert len(begins) == file.video.frames
    assert len(begins) / _RATE == pytest.approx(file.duration_seconds, abs=0.03)
    # Picture 75 was shown when the fourth click began.
    seen = shown.index(75) / _RATE
    assert seen == pytest.approx(first_click(file.uri, ffmpeg), abs=0.02)


def test_a_clip_between_keyframes_is_copied_into_segments(
    numbered: Command, tmp_path: Path
) -> None:
    """
    The top rendition is copied from keyframe to keyframe, the others follow its cuts.
    """
    options = (*_H264, "-bf", "0", "-sc_threshold", "0", "-g", "25")
    path = numbered("keys.mp4", options)

    _, manifest = made(path, tmp_path, start=1.0, end=4.0, profile="hls")

    found = [
        (it.made_by, it.video.frames if it.video else 0)
        for it in manifest.outputs
        if it.kind == "rendition"
    ]
    assert [("copied", 75)] == found


def test_a_clip_off_the_keyframes_is_encoded_and_the_plan_says_why(
    numbered: Command, tmp_path: Path
) -> None:
    """
    A copy cannot begin where nothing can be decoded from.
    """
    path = numbered("keys.mp4", (*_H264, "-bf", "0", "-sc_threshold", "0", "-g", "25"))

    plan, manifest = made(path, tmp_path, start=1.2, end=None, profile="mp4")

    assert "The clip begins at 1.200 s, which is no keyframe." in plan.reasons
    assert "encoded" == manifest.outputs[0].made_by


def test_stills_and_captions_are_those_of_the_clip(
    numbered: Command, tmp_path: Path, ffmpeg: str
) -> None:
    """
    Cues are moved and cut with the picture, thumbnails cover the clip alone.
    """
    film = numbered("film.mp4", _FILES["clip.mp4"])
    text = tmp_path / "words.srt"
    text.write_text(
        "1\n00:00:00,500 --> 00:00:01,000\nbefore\n\n"
        "2\n00:00:01,500 --> 00:00:02,500\nacross\n\n"
        "3\n00:00:03,000 --> 00:00:03,400\nwithin\n\n"
        "4\n00:00:04,500 --> 00:00:04,900\nafter\n"
    )
    path = tmp_path / "words.mkv"
    argv = [ffmpeg, "-v", "error", "-i", str(film), "-i", str(text)]
    subprocess.run([*argv, "-c", "copy", "-c:s", "srt", str(path)], check=True)

    _, manifest = made(path, tmp_path, start=2.0, end=4.0, profile="hls")

    by_kind = {it.kind: Path(it.uri) for it in manifest.outputs}
    cues = by_kind["captions"].read_text().split("\n\n")[1:]
    assert ["00:00:00.000 --> 00:00:00.500\nacross"] == [cues[0].strip()]
    assert ["00:00:01.000 --> 00:00:01.400\nwithin"] == [it.strip() for it in cues[1:]]
    thumbnails = by_kind["thumbnails"].read_text()
    assert "00:00:02.000" == thumbnails.split("-->")[-1].split()[0]


def test_a_clip_is_another_job(numbered: Command, tmp_path: Path) -> None:
    """
    And the same clip the same one, whether a profile or the command line asks.
    """
    path = numbered("film.mp4", _FILES["clip.mp4"])
    ids = []
    for start in (None, 1.0, 1.0, 2.0):
        clip = None if start is None else ClipProfile(start_seconds=start)
        request = Request(source=str(path), profile="preview", clip=clip)
        ids.append(anyio.run(admit, request, wire(Settings())).job_id)

    assert ids[1] == ids[2]
    assert all(a != b for a, b in pairwise([ids[0], ids[1], ids[3], ids[0]]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--start", "9"), "the source lasts 5"),
        (("--start", "5"), "the source lasts 5"),
        (("--end", "0:06"), "the source lasts 5"),
        (("--start", "3", "--end", "2"), "is not after"),
        (("--start", "3", "--end", "3"), "is not after"),
        (("--start", "-1"), "is no place in a video"),
        (("--end", "1:75"), "is no place in a video"),
        (("--start", "2.001", "--end", "2.01"), "No picture begins between"),
    ],
)
def test_a_clip_that_is_not_in_the_source_is_refused(
    arguments: tuple[str, ...], words: str, numbered: Command, transcode: Command
) -> None:
    """
    With exit code 2, before anything is encoded.
    """
    path = numbered("film.mp4", _FILES["clip.mp4"])

    ended = transcode("plan", path, *arguments)

    assert 2 == ended.code
    assert words in ended.err


@pytest.mark.parametrize(
    ("name", "profile"),
    # Of transport streams the headers are listed, too.
    [("long.mp4", "preview"), ("long.ts", "hls")],
)
def test_what_follows_a_clip_is_not_read(
    transcode: Command, tmp_path: Path, ffmpeg: str, name: str, profile: str
) -> None:
    """Five seconds of six minutes were billed as six minutes."""
    source = tmp_path / name
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"]
    argv += ["-f", "lavfi", "-i", "sine", "-t", "120", *_H264, str(source)]
    subprocess.run(argv, check=True)

    done = transcode(
        "run", source, "--profile", profile, "--start", "2", "--end", "5", "--json"
    )

    assert 0 == done.code, done.err
    ((attempt,),) = (task["attempts"] for task in done.document["tasks"])
    # With what verification reads of a result a tenth as large, and with what ffmpeg
    # reads of a stream without an index to know it, which may be twice.
    assert attempt["measured"]["read_bytes"] < source.stat().st_size / 3
