"""Chunks → a whole, or a refusal that says which of them does not fit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import pytest

from transcode.contract import (
    Clip,
    FilePackaging,
    OutcomeKind,
    OutputFile,
    Recipe,
    Task,
    VideoRendition,
)
from transcode.errors import OutputRejected
from transcode.plan.split import chunk_recipe, join_recipe
from transcode.settings import Settings
from transcode.work import perform
from transcode.work.join import join
from transcode.work.progress import Summary

_CLIPS = (
    Clip(start_seconds=0.0, end_seconds=2.0, slack_seconds=0.02),
    Clip(start_seconds=2.0, end_seconds=4.0, seek_seconds=2.0, slack_seconds=0.02),
    Clip(start_seconds=4.0, seek_seconds=4.0, slack_seconds=0.02),
)
"""Of six seconds at 25 pictures a second."""
_NAMES = ("240p", "120p")
Encode = Callable[..., Path]


@pytest.fixture(scope="module")
def whole(make_task: Any, make_recipe: Any, make_clip: Any, video: Any) -> Task:
    """Six seconds, in two sizes, with reordered pictures."""
    recipe = make_recipe(
        video=(video(320, 240, preset="fast"), video(160, 120, preset="fast")),
        audio=(),
        packaging=FilePackaging(
            files=[
                OutputFile(name=f"{name}.mp4", container="mp4", video=name)
                for name in _NAMES
            ]
        ),
    )
    clip = make_clip("joined", 6, audio=False, extra=("-g", "50"))
    made: Task = make_task(clip, recipe)
    return made


@pytest.fixture(scope="module")
def encode(whole: Task, tmp_path_factory: pytest.TempPathFactory) -> Encode:
    """What is made of the source by a recipe, in a folder of its own."""

    def do(recipe: Recipe) -> Path:
        folder = tmp_path_factory.mktemp("encoded")
        produced = perform(
            whole.model_copy(update={"recipe": recipe, "kind": "chunk"}),
            staging=folder / "staging",
            scratch=folder / "scratch",
            settings=Settings(),
            report=lambda _progress: None,
        )
        assert (OutcomeKind.SUCCEEDED, None) == (produced.outcome, produced.failure)
        return folder / "staging"

    return do


@pytest.fixture(scope="module")
def encoded(whole: Task, encode: Encode) -> list[Path]:
    """The folder of each chunk, as workers leave them."""
    return [encode(chunk_recipe(whole.recipe, clip)) for clip in _CLIPS]


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

    def do(folders: Sequence[Path], clips: tuple[Clip, ...] = _CLIPS) -> dict[str, str]:
        recipe = join_recipe(whole.recipe, clips)
        inputs = tuple(map(str, folders))
        update = {"kind": "join", "recipe": recipe, "inputs": inputs}
        return join(whole.model_copy(update=update), scratch)

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
    whole: Task, encode: Encode, encoded: list[Path], joined: Any
) -> None:
    """Shown when they would have been, decoded one after the other, none changed."""
    piece = encode(whole.recipe)

    paths = joined(encoded)

    assert [*_NAMES] == [*paths]
    for name in _NAMES:
        made, wanted = packets(paths[name]), packets(piece / f"{name}.mp4")
        parts = [packets(folder / f"{name}.mp4") for folder in encoded]
        assert [pts for pts, *_ in made] != sorted(pts for pts, *_ in made)
        assert sorted(it[0] for it in wanted) == sorted(it[0] for it in made)
        keys = [[it[0] for it in one if it[2]] for one in (wanted, made)]
        assert keys[0] == keys[1]
        decoded = [dts for _, dts, *_ in made]
        assert sorted(set(decoded)) == decoded
        assert all(dts <= pts for pts, dts, *_ in made)
        assert [it[3] for part in parts for it in part] == [it[3] for it in made]


@pytest.mark.parametrize("pictures", [49, 51])
def test_a_chunk_of_another_length_is_refused(
    whole: Task, encode: Encode, chunks: list[Path], joined: Any, *, pictures: int
) -> None:
    """One picture too few is as wrong as one too many; what is wrong where is said."""
    clip = _CLIPS[1].model_copy(update={"end_seconds": 2.0 + pictures / 25})
    other = encode(chunk_recipe(whole.recipe, clip))
    shutil.copy(other / "120p.mp4", chunks[1] / "120p.mp4")

    with pytest.raises(OutputRejected) as refused:
        joined(chunks)

    said = f"120p, chunk 2: it has {pictures} pictures, its part 50."
    assert said == refused.value.message


def smaller(rendition: VideoRendition) -> VideoRendition:
    return rendition.model_copy(update={"width": 304, "height": 228})


def simpler(rendition: VideoRendition) -> VideoRendition:
    return rendition.model_copy(update={"codec_profile": "main"})


@pytest.mark.parametrize("change", [smaller, simpler])
def test_a_chunk_for_another_decoder_is_refused(
    whole: Task,
    encode: Encode,
    chunks: list[Path],
    joined: Any,
    *,
    change: Callable[[VideoRendition], VideoRendition],
) -> None:
    """A file has one set of parameters: of another size or profile nothing fits it."""
    top, low = whole.recipe.video
    recipe = whole.recipe.model_copy(update={"video": (change(top), low)})
    other = encode(chunk_recipe(recipe, _CLIPS[2]))
    shutil.copy(other / "240p.mp4", chunks[2] / "240p.mp4")

    with pytest.raises(OutputRejected) as refused:
        joined(chunks)

    assert (
        "240p, chunk 3: a decoder set up for the first chunk cannot show it."
        == refused.value.message
    )


def test_a_chunk_by_another_clock_is_refused(
    chunks: list[Path], joined: Any, remuxed: Any
) -> None:
    """Its times would have to be rounded."""
    remuxed(chunks[1] / "120p.mp4", "-video_track_timescale", "90000")

    with pytest.raises(OutputRejected) as refused:
        joined(chunks)

    assert "120p, chunk 2: its clock is not the first one's." == refused.value.message


def test_a_chunk_that_begins_late_is_refused(
    chunks: list[Path], joined: Any, remuxed: Any
) -> None:
    """All that follows would be late with it."""
    remuxed(chunks[2] / "240p.mp4", "-output_ts_offset", "0.04")

    with pytest.raises(OutputRejected) as refused:
        joined(chunks)

    said = "240p, chunk 3: it does not begin with a keyframe at 0."
    assert said == refused.value.message


def test_a_cut_between_two_ticks_is_refused(chunks: list[Path], joined: Any) -> None:
    """No chunk can begin where its clock cannot say."""
    odd = _CLIPS[1].model_copy(update={"start_seconds": 2.00003})

    with pytest.raises(OutputRejected) as refused:
        joined(chunks, (_CLIPS[0], odd, _CLIPS[2]))

    said = "240p, chunk 2: it begins between two ticks of its clock."
    assert said == refused.value.message


def test_a_cut_before_the_end_of_the_chunk_before_is_refused(
    chunks: list[Path], joined: Any
) -> None:
    """Two pictures cannot be decoded at one time."""
    early = _CLIPS[1].model_copy(update={"start_seconds": 1.96})

    with pytest.raises(OutputRejected) as refused:
        joined(chunks, (_CLIPS[0], early, _CLIPS[2]))

    said = "240p, chunk 2: it begins before the one before ends."
    assert said == refused.value.message


def test_a_chunk_that_is_missing_is_noticed(chunks: list[Path], joined: Any) -> None:
    """Whether its folder was never told of, or holds less than it should."""
    with pytest.raises(OutputRejected, match=r"^2 of 3 chunks are there\.$"):
        joined(chunks[:2])

    (chunks[1] / "120p.mp4").unlink()
    with pytest.raises(FileNotFoundError, match=r"chunk-2/120p\.mp4"):
        joined(chunks)


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
