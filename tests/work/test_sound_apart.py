"""Sound that a task of its own encodes is, packet by packet, that of one piece."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from transcode.contract import (
    CmafPackaging,
    FilePackaging,
    Loudness,
    OutputFile,
    Produced,
    Recipe,
    Task,
)
from transcode.plan.chunks import chunk_recipe, cuts, join_recipe, sound_recipe
from transcode.work.command.build import build

_SECONDS = 24
_LATE = 0.4
"""Sound begins so long after the picture, or before it."""
Done = Callable[..., tuple[Produced, Path]]


@pytest.fixture(scope="module")
def source(
    ffmpeg: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Film with a tone that swells, in any container; *late*: sound after picture."""
    folder = tmp_path_factory.mktemp("sources")

    def make(name: str, *, late: float = 0.0) -> Path:
        path = folder / f"{late}-{name}"
        if path.exists():
            return path
        codec = {"mkv": "flac", "mov": "pcm_s16le"}.get(path.suffix[1:], "aac")
        tone = f"aevalsrc='0.5*sin(2*PI*440*t)*t/{_SECONDS}|0.1*sin(2*PI*97*t)'"
        argv = [ffmpeg, "-v", "error", "-f", "lavfi"]
        argv += ["-i", f"testsrc2=size=320x180:rate=25:duration={_SECONDS}"]
        argv += ["-itsoffset", f"{late}", "-f", "lavfi"]
        argv += ["-i", f"{tone}:sample_rate=44100:duration={_SECONDS}"]
        argv += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-bf", "0"]
        argv += ["-c:a", codec]
        subprocess.run([*argv, str(path)], check=True)
        return path

    return make


@pytest.fixture(scope="module")
def recipe(make_recipe: Any, video: Any, audio: Any) -> Callable[[str], Recipe]:
    """`mp4`, `webm`, or segments with `aac` or `opus`."""
    opus = {"name": "opus", "codec": "opus", "encoder": "libopus"}

    def make(kind: str) -> Recipe:
        sound = audio(**({} if kind in {"mp4", "aac"} else opus))
        loud = Loudness(integrated_lufs=-16)
        sound = sound.model_copy(update={"loudness": loud, "bit_rate": 96_000})
        pictures = (video(320, 180),)
        packaging: Any = CmafPackaging(segment_seconds=4)
        if kind in {"mp4", "webm"}:
            if kind == "webm":
                vp9: dict[str, Any] = {
                    "codec": "vp9",
                    "encoder": "libvpx-vp9",
                    "preset": "8",
                }
                vp9 |= {"codec_profile": None}
                pictures = (video(320, 180, **vp9),)
            name = pictures[0].name
            file = OutputFile(
                name=f"video.{kind}", container=kind, video=name, audio=(sound.name,)
            )
            packaging = FilePackaging(files=(file,))
        made = make_recipe(video=pictures, audio=(sound,), packaging=packaging)
        return Recipe.model_validate(made)

    return make


def packets(folder: Path, tmp_path: Path) -> list[tuple[Any, ...]]:
    """When each packet of sound is heard, for how long, and what it is."""
    (file,) = (*folder.glob("video.*"), *folder.glob("audio/*/init.mp4"))
    if file.name == "init.mp4":
        parts = [file, *sorted(file.parent.glob("*.m4s"))]
        file = tmp_path / f"{folder.parent.name}.mp4"
        file.write_bytes(b"".join(it.read_bytes() for it in parts))
    with av.open(str(file)) as opened:
        return [
            (it.pts, it.duration, bytes(it))
            for it in opened.demux(audio=0)
            if it.pts is not None
        ]


@pytest.mark.parametrize(
    ("name", "late", "kind"),
    [
        ("clip.mp4", 0.0, "mp4"),
        ("clip.mp4", _LATE, "aac"),
        ("clip.mp4", -_LATE, "mp4"),
        ("clip.mkv", _LATE, "opus"),
        ("clip.mkv", -_LATE, "webm"),
        ("clip.mov", 0.0, "opus"),
    ],
)
def test_sound_that_was_made_apart_is_that_of_one_piece(
    source: Any,
    recipe: Any,
    make_task: Any,
    done: Done,
    tmp_path: Path,
    *,
    name: str,
    late: float,
    kind: str,
) -> None:
    """Its times count from where picture or sound begins, whichever is the first."""
    task: Task = make_task(source(name, late=late), recipe(kind))
    sound = sound_recipe(task.recipe)
    clips = cuts(task.media, task.recipe, 2)
    assert sound is not None
    assert clips is not None

    whole, here = done(task, task.recipe)
    sounds, apart = done(task, sound, kind="sound")
    assert [f"{it.name}.mp4" for it in task.recipe.audio] == [
        it.name for it in apart.iterdir()
    ]
    parts = [done(task, chunk_recipe(task.recipe, it), kind="chunk")[1] for it in clips]
    join = join_recipe(task.recipe, clips, sound_apart=True)
    inputs = tuple(map(str, (*parts, apart)))
    heard = {Path(it.path).stem: it.audio for it in sounds.artifacts}
    joined, there = done(task, join, kind="join", inputs=inputs, heard=heard)

    assert packets(here, tmp_path) == packets(there, tmp_path)
    levels = [
        [it.audio.loudness for it in one.artifacts if it.audio]
        for one in (whole, joined)
    ]
    assert levels[0] == levels[1]
    assert [None] != levels[0]


def test_a_join_reads_nothing_of_the_source_for_sound_made_apart(
    source: Any, recipe: Any, make_task: Any, ffmpeg: str
) -> None:
    """Neither the upload nor its sound: what is joined is all that it opens."""
    task: Task = make_task(source("clip.mp4"), recipe("mp4"))
    clips = cuts(task.media, task.recipe, 2)
    assert clips is not None
    name = task.recipe.video[0].name
    join = task.model_copy(
        update={
            "kind": "join",
            "recipe": join_recipe(task.recipe, clips, sound_apart=True),
        }
    )

    made = {name: "/joined.mp4", "aac": "/sound.mp4"}
    argv = build(join, program=ffmpeg, fifo="-", joined=made).argv

    inputs = {b for a, b in pairwise(argv) if a == "-i"}
    assert {"file:/joined.mp4", "file:/sound.mp4"} == inputs
    assert "copy" == argv[argv.index("-c:a:0") + 1]


@pytest.mark.parametrize("late", [_LATE, -_LATE])
def test_sound_of_a_transport_stream_counts_from_its_zero(
    source: Any, recipe: Any, make_task: Any, done: Done, tmp_path: Path, *, late: float
) -> None:
    """Of the streams that are read ffmpeg takes the first time for 0 there."""
    task: Task = make_task(source("clip.ts", late=late), recipe("mp4"))
    sound = sound_recipe(task.recipe)
    assert sound is not None

    _, here = done(task, task.recipe)
    _, apart = done(task, sound, kind="sound")

    (apart / "aac.mp4").rename(apart / "video.mp4")
    assert packets(here, tmp_path) == packets(apart, tmp_path)
