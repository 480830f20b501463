"""A job in chunks, as a user meets it: the same results, and a bill that says how."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from transcode.contract import Manifest, Plan

Command = Callable[..., Any]
_SCENES = ("red", "lime", "blue", "yellow", "cyan", "magenta")
"""Each lasts four seconds."""
_FILMS = {
    "hls": ("640x360", "30000/1001", 24),
    "preview": ("426x240", "25", 20),
    "av1": ("160x90", "10", 24),
}
"""The source of each profile: its size, its rate, its seconds."""
_PICTURES = {"hls": 720, "preview": 500, "av1": 240}
_CHUNKS = ("--platform", "functiongraph", "--memory", "1024", "--chunks")


def pictures(manifest: Manifest) -> list[str]:
    """The tasks that make them; sound may have one of its own beside chunks."""
    return [it.kind for it in manifest.tasks if it.kind != "sound"]


@dataclass(frozen=True)
class Made:
    """What a run has printed, and what it left where it was to work and to end."""

    manifest: Manifest
    left: list[str]
    results: list[str]

    @property
    def folder(self) -> Path:
        return Path(self.manifest.location or "nowhere")

    def paths(self, *kinds: str) -> list[str]:
        """Of the outputs of these kinds, below the result's folder."""
        chosen = (it for it in self.manifest.outputs if it.kind in kinds)
        return [str(Path(it.uri).relative_to(self.folder)) for it in chosen]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> Callable[..., Path]:
    """Scenes of plain colours over bars that show each picture's number."""
    folder = tmp_path_factory.mktemp("films")

    def make(size: str, rate: str, seconds: int) -> Path:
        path = folder / f"{size}.mp4"
        boxes = [
            f"h=ih/2:color={colour}:enable='gte(t,{4 * n})'"
            for n, colour in enumerate(_SCENES)
        ]
        boxes += [
            f"x=iw*{n / 10}:y=ih/2:w=iw/10:color=white:enable='mod(floor(n/{2**n}),2)'"
            for n in range(10)
        ]
        drawn = ",".join(f"drawbox=t=fill:{box}" for box in boxes)
        black = f"color=black:size={size}:rate={rate}:duration={seconds}"
        tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
        argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", black, "-f", "lavfi"]
        argv += ["-i", tone, "-vf", drawn, "-c:v", "libx264", "-preset", "ultrafast"]
        argv += ["-pix_fmt", "yuv420p", "-bf", "2", "-c:a", "aac", str(path)]
        subprocess.run(argv, check=True)
        return path

    return make


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, film: Callable[..., Path]
) -> Callable[[str, int], Made]:
    """The film of a profile, made in so many chunks, once."""

    @cache
    def run(profile: str, chunks: int) -> Made:
        folder = tmp_path_factory.mktemp(f"{profile}-{chunks}")
        mine = {it: str(folder / it) for it in ("TRANSCODE_SCRATCH", "TMPDIR")}
        for path in mine.values():
            Path(path).mkdir()
        argv = [sys.executable, "-m", "transcode", "run", str(film(*_FILMS[profile]))]
        argv += ["--profile", profile, *_CHUNKS, str(chunks), "--json", "--quiet"]
        done = subprocess.run(
            argv, cwd=folder, env=os.environ | mine, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert (0, "") == (done.returncode, done.stderr)
        return Made(
            Manifest.from_json(done.stdout),
            left=[it.name for path in mine.values() for it in Path(path).iterdir()],
            results=[it.name for it in (folder / "transcoded").iterdir()],
        )

    return run


def opened(path: Path) -> Any:
    """A file; of a playlist, its header and all its segments."""
    if path.suffix != ".m3u8":
        return av.open(str(path))
    parts = [path.parent / "init.mp4", *sorted(path.parent.glob("*.m4s"))]
    return av.open(io.BytesIO(b"".join(part.read_bytes() for part in parts)))


def tracks(path: Path) -> dict[str, tuple[Any, ...]]:
    """Kind of stream → its clock, times with lengths, keyframes, and packets."""
    with opened(path) as file:
        packets = [it for it in file.demux() if it.pts is not None]
        return {
            stream.type: (
                stream.time_base,
                sorted((it.pts, it.duration) for it in packets if it.stream is stream),
                [it.pts for it in packets if it.stream is stream and it.is_keyframe],
                [bytes(it) for it in packets if it.stream is stream],
            )
            for stream in file.streams
        }


def number(plane: Any, *, left: int, right: int, row: int) -> int:
    """The number that the bars between two columns show in a row."""
    line = bytes(plane)[row * plane.line_size :]
    centres = (left + (right - left) * (2 * bit + 1) // 20 for bit in range(10))
    return sum((line[at] > 127) << bit for bit, at in enumerate(centres))


def numbers(path: Path) -> list[int]:
    """The numbers that its pictures show."""
    with opened(path) as file:
        return [
            number(it.planes[0], left=0, right=it.width, row=it.height * 3 // 4)
            for it in file.decode(video=0)
        ]


def picture(path: Path) -> Any:
    """The one that a file holds."""
    with av.open(str(path)) as file:
        return next(file.decode(video=0))


@pytest.mark.parametrize("profile", _FILMS)
def test_renditions_are_timed_and_cut_as_those_made_in_one_piece(
    profile: str, made: Callable[[str, int], Made]
) -> None:
    """To the tick: each picture, each keyframe, each segment; sound to the byte."""
    whole, parts = made(profile, 1), made(profile, 2)
    paths = whole.paths("rendition", "audio")
    here, there = ([tracks(one.folder / it) for it in paths] for one in (whole, parts))

    assert {"video", "audio"} == {kind for found in there for kind in found}
    for wanted, found in zip(here, there, strict=True):
        for kind, (*times, data) in wanted.items():
            assert times == [*found[kind][:3]]
            assert kind == "video" or data == found[kind][3]
    assert whole.paths("segment") == parts.paths("segment")


@pytest.mark.parametrize("profile", _FILMS)
def test_every_picture_is_there_once_and_in_its_place(
    profile: str, made: Callable[[str, int], Made]
) -> None:
    """None is lost, doubled or moved where chunks meet."""
    parts = made(profile, 2)

    for path in parts.paths("rendition"):
        assert list(range(_PICTURES[profile])) == numbers(parts.folder / path)


@pytest.mark.parametrize("profile", _FILMS)
def test_the_bill_has_the_chunks_and_then_their_join(
    profile: str, made: Callable[[str, int], Made]
) -> None:
    """In the order in which they were done; every attempt is paid for, and no more."""
    manifest = made(profile, 2).manifest

    assert ["chunk", "chunk", "join"] == pictures(manifest)
    attempts = [it for task in manifest.tasks for it in task.attempts]
    assert ["succeeded"] * len(manifest.tasks) == [it.outcome for it in attempts]
    assert all(it.cost.amount > 0 for it in attempts)
    assert sum((it.cost.amount for it in attempts), Decimal(0)) == manifest.cost.amount


@pytest.mark.parametrize("profile", _FILMS)
def test_outputs_and_checks_are_those_of_one_piece(
    profile: str, made: Callable[[str, int], Made]
) -> None:
    """The same files of the same kinds, each checked once, and all of it encoded."""
    whole, parts = (made(profile, chunks).manifest for chunks in (1, 2))
    listed = [
        [(str(it.uri).removeprefix(one.location or ""), it.kind) for it in one.outputs]
        for one in (whole, parts)
    ]
    # In another order: what a decoder has to tell was checked of the chunks.
    checked = [
        sorted(it.name for it in one.verification.checks) for one in (whole, parts)
    ]

    assert listed[0] == listed[1]
    assert checked[0] == checked[1]
    assert len(set(checked[1])) == len(checked[1])
    assert parts.verification.passed
    renditions = [it for it in parts.outputs if it.kind == "rendition"]
    assert {"encoded"} == {it.made_by for it in renditions}
    assert {_PICTURES[profile]} == {it.video.frames for it in renditions if it.video}


@pytest.mark.parametrize("profile", _FILMS)
def test_nothing_but_the_results_is_left(
    profile: str, made: Callable[[str, int], Made]
) -> None:
    """No chunk, no scratch: neither there, nor among temporary files, nor beside."""
    parts = made(profile, 2)

    assert [] == parts.left
    assert [parts.folder.name] == parts.results


def test_what_a_clock_has_gone_wrong_moves_no_chunk(
    tmp_path: Path, ffmpeg: str
) -> None:
    """
    Recordings that were put together lose a third of a millisecond at each seam: in the
    whole and in its chunks pictures stay at one distance, across the cut, too.
    """
    source = tmp_path / "seams.mp4"
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i"]
    argv += ["testsrc2=size=160x90:rate=30000/1001:duration=24", "-c:v", "mpeg4"]
    argv += ["-pix_fmt", "yuv420p", "-g", "60", "-enc_time_base:v", "1/19200"]
    argv += ["-video_track_timescale", "19200"]
    lost = "7*floor(N/60)"
    argv += ["-bsf:v", f"setts=pts=PTS-{lost}:dts=DTS-{lost}", str(source)]
    subprocess.run(argv, check=True)
    found = []
    for chunks in ("1", "2"):
        run = [sys.executable, "-m", "transcode", "run", str(source), "--json"]
        run += ["--profile", "preview", *_CHUNKS, chunks, "--to", chunks, "--quiet"]
        done = subprocess.run(
            run, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        manifest = Manifest.from_json(done.stdout)
        kinds = ["chunk", "chunk", "join"] if chunks == "2" else ["encode"]
        assert kinds == pictures(manifest)
        found.append(tracks(Path(manifest.location or "") / "video.mp4")["video"])

    whole, parts = found
    assert whole[:3] == parts[:3]
    assert {1001} == {b[0] - a[0] for a, b in pairwise(parts[1])}


def test_stills_show_the_whole_film(made: Callable[[str, int], Made]) -> None:
    """Each thumbnail is the very picture that it is in one piece, of either chunk."""
    whole, parts = made("hls", 1), made("hls", 2)
    sheets = [picture(one.folder / "sprites/00001.jpg") for one in (whole, parts)]
    shown = [
        [number(grey, left=160 * n, right=160 * n + 160, row=67) for n in range(10)]
        for grey in (it.reformat(format="gray").planes[0] for it in sheets)
    ]
    plane = sheets[1].reformat(format="rgb24").planes[0]
    line = bytes(plane)[20 * plane.line_size :]
    blue, yellow = (line[3 * (160 * n + 80) :][:3] for n in (4, 6))

    assert [60 * n for n in range(10)] == shown[1]
    assert shown[0] == shown[1]
    assert (0, 0, 255) == pytest.approx(tuple(blue), abs=8)
    assert (255, 255, 0) == pytest.approx(tuple(yellow), abs=8)
    poster = picture(parts.folder / "poster.jpg")
    assert (640, 360) == (poster.width, poster.height)
    cues = (whole.folder / "thumbnails.vtt").read_text()
    assert cues == (parts.folder / "thumbnails.vtt").read_text()


def test_a_chunk_killed_for_its_memory_goes_on_with_more(
    transcode: Command, make_clip: Callable[..., Path]
) -> None:
    """128 MiB do not hold a 720p ladder; the bill has what was tried in vain."""
    large = make_clip("large.mp4", 24, size="1280x720", rate="2")

    ended = transcode(
        "run", large, "--platform", "functiongraph", "--chunks", "2",
        "--memory", "128", "--json", "--quiet",
    )  # fmt: skip

    assert 0 == ended.code, ended.err
    manifest = Manifest.from_json(ended.out)
    first, second, join = (it.attempts for it in manifest.tasks)
    if not first[0].enforced_by["memory"].startswith("cgroup"):
        pytest.skip("only a cgroup kills for memory")
    for chunk in (first, second):
        assert ["out_of_memory", "succeeded"] == [chunk[0].outcome, chunk[-1].outcome]
        assert 128 == chunk[0].spec.memory_mib < chunk[-1].spec.memory_mib
    paid = [it.cost.amount for it in (*first, *second, *join)]
    assert all(cost > 0 for cost in paid)
    assert sum(paid, Decimal(0)) == manifest.cost.amount


def test_more_chunks_than_there_are_seconds_for_are_refused(
    transcode: Command, make_clip: Callable[..., Path]
) -> None:
    """One sentence says why, and what to do."""
    ended = transcode("run", make_clip("short", 2), *_CHUNKS, "9", "--json")

    assert 5 == ended.code
    assert "PlanError" == ended.document["error"]["type"]
    said = "It is too short for 9 chunks, since each lasts 10 s at least"
    assert f"transcode: {said}: leave out --chunks.\n" == ended.err


def test_a_plan_shows_the_chunks_and_their_join(
    transcode: Command, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """To people in words, to programs as one document; nothing is made."""
    clip = make_clip("film", 24)
    words = transcode("plan", clip, *_CHUNKS, "2")
    document = transcode("plan", clip, *_CHUNKS, "2", "--json")

    assert (0, 0) == (words.code, document.code)
    said = " ".join(words.out.split())
    assert "Specs 2 chunks, each 1024 MiB memory" in said
    assert "then a join, 1024 MiB memory" in said
    assert "As many chunks as asked for." in said
    join, *parts = (it.task for it in Plan.from_json(document.out).tasks)
    kinds = [it.kind for it in parts if it.kind != "sound"]
    assert ("join", "chunk", "chunk") == (join.kind, *kinds)
    assert {*join.joins} == {it.task_id for it in parts}
    assert [] == [*tmp_path.iterdir()]
