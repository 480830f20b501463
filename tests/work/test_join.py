"""Chunks → a whole, or a refusal that says which of them does not fit."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from transcode.contract import (
    Clip,
    FilePackaging,
    OutputFile,
    Poster,
    Produced,
    Sprites,
    Task,
)
from transcode.errors import OutputRejected
from transcode.plan.chunks import chunk_recipe, join_recipe
from transcode.work.artifacts import prepare
from transcode.work.command.build import build
from transcode.work.join import join
from transcode.work.progress import Summary

_CLIPS = (
    Clip(start_seconds=0.0, end_seconds=2.0, slack_seconds=0.02),
    Clip(start_seconds=2.0, end_seconds=4.0, seek_seconds=2.0, slack_seconds=0.02),
    Clip(start_seconds=4.0, seek_seconds=4.0, slack_seconds=0.02),
)
"""Of six seconds at 25 pictures a second."""
_NAMES = ("240p", "120p")
Done = Callable[..., Path]


@pytest.fixture(scope="module")
def whole(make_task: Any, make_recipe: Any, make_clip: Any, video: Any) -> Task:
    """Six seconds, in two sizes, with reordered pictures."""
    files = (OutputFile(name=f"{it}.mp4", container="mp4", video=it) for it in _NAMES)
    recipe = make_recipe(
        video=(video(320, 240, preset="fast"), video(160, 120, preset="fast")),
        audio=(),
        packaging=FilePackaging(files=tuple(files)),
    )
    clip = make_clip("joined", 6, audio=False, extra=("-g", "50"))
    return Task.model_validate(make_task(clip, recipe))


@pytest.fixture(scope="module")
def done(done: Callable[..., tuple[Produced, Path]]) -> Done:
    """The folder that a task of another recipe leaves."""
    return lambda *task, **changes: done(*task, **changes)[1]


@pytest.fixture(scope="module")
def encoded(whole: Task, done: Done) -> list[Path]:
    """The folder of each chunk, as workers leave them."""
    recipes = [chunk_recipe(whole.recipe, clip) for clip in _CLIPS]
    return [done(whole, it, kind="chunk") for it in recipes]


@pytest.fixture
def chunks(encoded: list[Path], tmp_path: Path) -> list[Path]:
    """Copies of them, to be spoiled."""
    for number, folder in enumerate(encoded, 1):
        shutil.copytree(folder, tmp_path / f"chunk-{number}")
    return [tmp_path / f"chunk-{number}" for number in (1, 2, 3)]


@pytest.fixture
def joined(whole: Task, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Join what lies in folders."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def do(folders: Sequence[Path], clips: Sequence[Clip] = _CLIPS) -> dict[str, str]:
        recipe = join_recipe(whole.recipe, tuple(clips))
        inputs = tuple(map(str, folders))
        update = {"kind": "join", "recipe": recipe, "inputs": inputs}
        return join(whole.model_copy(update=update), scratch)

    return do


@pytest.fixture
def refusal(joined: Any) -> Callable[..., str]:
    """What is said where chunks make no whole."""

    def do(*arguments: Any) -> str:
        with pytest.raises(OutputRejected) as refused:
            joined(*arguments)
        return refused.value.message

    return do


@pytest.fixture
def remuxed(ffmpeg: str) -> Callable[..., None]:
    """Writes a file's packets anew, the clock unchanged unless told otherwise."""

    def do(path: Path, *options: str) -> None:
        before = path.rename(path.with_name("before.mp4"))
        argv = [ffmpeg, "-v", "error", "-i", str(before), "-c", "copy"]
        argv += ["-video_track_timescale", "12800", *options, str(path)]
        subprocess.run(argv, check=True)

    return do


def packets(path: str | Path) -> list[tuple[int, int, bool, bytes]]:
    """Shown, decoded, a keyframe, and what it is; in the order of decoding."""
    with av.open(str(path)) as file:
        return [
            (it.pts, it.dts, it.is_keyframe, bytes(it))
            for it in file.demux(video=0)
            if it.pts is not None and it.dts is not None
        ]


def test_reordered_pictures_are_joined_as_if_made_in_one_piece(
    whole: Task, done: Done, encoded: list[Path], joined: Any
) -> None:
    """Shown when they would have been, decoded one after the other, none changed."""
    piece = done(whole, whole.recipe)

    paths = joined(encoded)

    assert [*_NAMES] == [*paths]
    for name in _NAMES:
        made, wanted = packets(paths[name]), packets(piece / f"{name}.mp4")
        parts = [packets(folder / f"{name}.mp4") for folder in encoded]
        assert sorted(made) != made
        shown = [sorted((pts, key) for pts, _, key, _ in it) for it in (wanted, made)]
        assert shown[0] == shown[1]
        decoded = [dts for _, dts, *_ in made]
        assert sorted(set(decoded)) == decoded
        assert all(dts <= pts for pts, dts, *_ in made)
        assert [it[3] for part in parts for it in part] == [it[3] for it in made]


@pytest.mark.parametrize("pictures", [49, 51])
def test_a_chunk_of_another_length_is_refused(
    whole: Task, done: Done, chunks: list[Path], refusal: Any, *, pictures: int
) -> None:
    """One picture too few is as wrong as one too many; what is wrong where is said."""
    clip = _CLIPS[1].model_copy(update={"end_seconds": 2.0 + pictures / 25})
    other = done(whole, chunk_recipe(whole.recipe, clip), kind="chunk")
    shutil.copy(other / "120p.mp4", chunks[1])

    said = f"120p, chunk 2: it has {pictures} pictures, its part 50."
    assert said == refusal(chunks)


@pytest.mark.parametrize(
    "change", [{"width": 304, "height": 228}, {"codec_profile": "main"}]
)
def test_a_chunk_for_another_decoder_is_refused(
    whole: Task, done: Done, chunks: list[Path], refusal: Any, *, change: dict[str, Any]
) -> None:
    """A file has one set of parameters: of another size or profile nothing fits it."""
    top, low = whole.recipe.video
    changed = {"video": (top.model_copy(update=change), low)}
    recipe = chunk_recipe(whole.recipe.model_copy(update=changed), _CLIPS[2])
    shutil.copy(done(whole, recipe, kind="chunk") / "240p.mp4", chunks[2])

    said = "240p, chunk 3: a decoder set up for the first chunk cannot show it."
    assert said == refusal(chunks)


def test_a_chunk_by_another_clock_is_refused(
    chunks: list[Path], refusal: Any, remuxed: Any
) -> None:
    """Its times would have to be rounded."""
    remuxed(chunks[1] / "120p.mp4", "-video_track_timescale", "90000")

    assert "120p, chunk 2: its clock is not the first one's." == refusal(chunks)


def test_a_chunk_that_begins_late_is_refused(
    chunks: list[Path], refusal: Any, remuxed: Any
) -> None:
    """All that follows would be late with it."""
    remuxed(chunks[2] / "240p.mp4", "-output_ts_offset", "0.04")

    assert "240p, chunk 3: it does not begin with a keyframe at 0." == refusal(chunks)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (2.00003, "it begins between two ticks of its clock."),
        (1.96, "it begins before the one before ends."),
    ],
)
def test_a_cut_where_no_chunk_can_begin_is_refused(
    chunks: list[Path], refusal: Any, *, start: float, words: str
) -> None:
    """Where its clock cannot say, or while the one before is still decoded."""
    odd = _CLIPS[1].model_copy(update={"start_seconds": start})

    assert f"240p, chunk 2: {words}" == refusal(chunks, (_CLIPS[0], odd, _CLIPS[2]))


def test_a_chunk_that_is_missing_is_noticed(
    chunks: list[Path], joined: Any, refusal: Any
) -> None:
    """Whether its folder was never told of, or holds less than it should."""
    assert "2 of 3 chunks are there." == refusal(chunks[:2])

    (chunks[1] / "120p.mp4").unlink()
    with pytest.raises(FileNotFoundError, match=r"chunk-2/120p\.mp4"):
        joined(chunks)


@pytest.mark.parametrize("kind", ["grey", "hdr"])
def test_stills_of_a_join_are_those_of_one_piece(
    make_clip: Any, make_task: Any, done: Done, whole: Task, *, kind: str
) -> None:
    """Also between keyframes, and where chunks have made SDR of HDR: not once more."""
    shades = ("-vf", "format=gray,geq=lum='20+40*floor(T)',format=yuv420p")
    tags = "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    hdr = ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-vf", tags, "-tag:v", "hvc1")
    extra = shades if kind == "grey" else (*hdr, "-x265-params", "log-level=none")
    clip = make_clip(f"{kind}-6", 6, audio=False, extra=extra)
    size = {"tile_width": 32, "tile_height": 32, "columns": 6, "rows": 1}
    sprites = Sprites(interval_seconds=1, count=6, **size)
    update = {"sprites": sprites, "tone_map": kind == "hdr"}
    recipe = whole.recipe.model_copy(update=update)
    task = make_task(clip, recipe)
    parts = [done(task, chunk_recipe(recipe, it), kind="chunk") for it in _CLIPS]

    inputs = tuple(map(str, parts))
    made = done(task, join_recipe(recipe, _CLIPS), kind="join", inputs=inputs)
    rows = []
    for folder in (done(task, recipe), made):
        with av.open(str(folder / "sprites/00001.jpg")) as file:
            plane = next(file.decode(video=0)).planes[0]
        rows.append([*bytes(plane)[16 * plane.line_size :][: 32 * 6]])
    assert rows[0] == pytest.approx(rows[1], abs=12)
    greys = pytest.approx(rows[1][16::32], abs=4)
    assert kind == "hdr" or [20, 60, 100, 140, 180, 220] == greys


def test_a_join_decodes_what_its_stills_show_and_nothing_else(
    whole: Task, encoded: list[Path], joined: Any, ffmpeg: str, tmp_path: Path
) -> None:
    """
    Of the largest rendition a keyframe for each candidate of the poster, and for tiles
    of the smallest that is no smaller than one: here at 0 and 4, and at 0, 2 and 4 s.
    """
    size = {"tile_width": 64, "tile_height": 48, "columns": 3, "rows": 1}
    stills = {
        "poster": Poster(width=160, height=120, candidates=1),
        "sprites": Sprites(interval_seconds=2, count=3, **size),
    }
    recipe = join_recipe(whole.recipe.model_copy(update=stills), _CLIPS)
    task = whole.model_copy(update={"kind": "join", "recipe": recipe})
    prepare(recipe, tmp_path)

    command = build(task, program=ffmpeg, fifo="-", joined=joined(encoded))
    told = subprocess.run(
        command.argv, cwd=tmp_path, check=True, capture_output=True, text=True
    )

    inputs = [b for a, b in pairwise(command.argv) if a == "-i"]
    line = r"Input stream #(\d+):0 \(video\).* ([1-9]\d*) frames decoded"
    found = {inputs[int(n)][-8:]: int(it) for n, it in re.findall(line, told.stderr)}
    assert {"240p.mp4": 2, "120p.mp4": 3} == found
    assert 2 == len([*tmp_path.glob("poster-*.jpg")])


def test_the_upload_is_found_among_the_inputs(
    whole: Task, make_clip: Any, make_task: Any, audio: Any
) -> None:
    """Files that were joined stand before it; what is counted of it is told by that."""
    file = OutputFile(name="a.mp4", container="mp4", video="240p", audio=("aac",))
    packaging = FilePackaging(files=(file,))
    update = {"audio": (audio(),), "packaging": packaging, "chunks": _CLIPS}
    task = make_task(make_clip("sound", 6), whole.recipe.model_copy(update=update))

    command = build(task, program="ffmpeg", fifo="-", joined={"240p": "/240p.mp4"})

    inputs = [b for a, b in pairwise(command.argv) if a == "-i"]
    assert f"file:{task.source.location}" == inputs[command.source_input]
    assert 0 != command.source_input


def test_the_upload_counts_whichever_input_it_is() -> None:
    """Not what stands beside it: chunks that were joined are no part of the source."""
    summary = Summary(source=2)
    read = "[in#0/mov @ 0x1] [verbose]   Input stream"
    sound = "9 packets read (9 bytes); 8 frames decoded; 1 decode errors (8192 samples)"
    decoder = "[dec:h264 @ 0x6] [warning] corrupt decoded frame"

    for line in (
        f"{read} #0:0 (video): 150 packets read (9 bytes); 13 frames decoded; ",
        f"{read} #1:0 (video): 151 packets read (9 bytes); 14 frames decoded; ",
        f"{read} #2:0 (video): 152 packets read (9 bytes); 0 frames decoded; ",
        f"{read} #2:1 (audio): {sound}",
        f"[vist#0:0/h264 @ 0x5] {decoder}",
        f"[vist#2:0/h264 @ 0x5] {decoder}",
        f"[vist#2:0/h264 @ 0x5] {decoder}",
    ):
        summary.take(line)

    assert {0: 152, 1: 9} == summary.packets
    assert {0: 0, 1: 8} == summary.decoded
    assert ({1: 8192}, 1) == (summary.samples, summary.decode_errors)
    assert 2 == summary.damaged_frames
