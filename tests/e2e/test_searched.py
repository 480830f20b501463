"""Chunks of what has no index: of transport streams and fragmented MP4."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import pytest

from transcode.contract import Manifest, Plan

Command = Callable[..., Any]
_SECONDS = 22
_SIZE = 320
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv422p")
"""In colours that no rendition has, so that none is a copy."""
_OPEN = (
    *(*_H264, "-bf", "3", "-x264-params"),
    "open-gop=1:b-pyramid=normal:keyint=50:min-keyint=50:scenecut=0",
)
_CLOSED = (*_H264, "-g", "60")
_HEVC = (
    *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params"),
    "open-gop=1:bframes=3:keyint=50:min-keyint=50:log-level=none",
)
_MPEG2 = ("-c:v", "mpeg2video", "-bf", "2", "-g", "15", "-b:v", "300k")
_PLAIN = ("-pix_fmt", "yuv420p")
_FILLED = ("-muxrate", "2M", "-f", "mpegts")
"""With null packets, so that it is more than the probe reads."""
_FRAGMENTS = "frag_keyframe+empty_moov+delay_moov+default_base_moof"
_STREAMS: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "open groups in H.264": ("25", _OPEN, ("-f", "mpegts")),
    "no reordering": ("30000/1001", _CLOSED, ("-f", "mpegts")),
    "open groups in HEVC": ("25", _HEVC, ("-f", "mpegts")),
    "MPEG-2": ("25", _MPEG2, ("-f", "mpegts")),
    # Its first picture is shown eight times before it begins.
    "sound begins first": ("25", (*_CLOSED, "-output_later"), ("-f", "mpegts")),
    # 2^33 ticks of 90 kHz are 95,443.7 s.
    "a clock that runs over": (
        *("25", _OPEN),
        ("-output_ts_offset", "95430", "-f", "mpegts"),
    ),
    "fragments": ("25", _HEVC, ("-movflags", f"{_FRAGMENTS}+skip_trailer")),
    "fragments without an edit": (
        *("25", _HEVC),
        ("-movflags", _FRAGMENTS.replace("+delay_moov", "")),
    ),
    "fragments with sidx": (
        *("25", _HEVC),
        ("-movflags", f"{_FRAGMENTS}+dash+global_sidx"),
    ),
    "fragments with mfra": ("25", _HEVC, ("-movflags", _FRAGMENTS)),
}


_LONG: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "long, open groups in H.264": ("25", _OPEN, _FILLED),
    "long, no reordering": ("30000/1001", _CLOSED, _FILLED),
    "long, pictures are missing": (
        *("25", (*_CLOSED, "-tune", "zerolatency")),
        ("-bsf:v", "noise=drop='between(n,200,204)*not(key)'", *_FILLED),
    ),
}


@pytest.fixture(scope="module")
def stream(
    tmp_path_factory: pytest.TempPathFactory, ffmpeg: str
) -> Callable[..., Path]:
    """Black, with bars that show each picture's number, and a tone."""
    folder = tmp_path_factory.mktemp("streams")

    def make(name: str, seconds: int = _SECONDS) -> Path:
        rate, encoder, muxer = (_STREAMS | _LONG)[name]
        path = folder / (f"{name}.ts" if "mpegts" in muxer else f"{name}.mp4")
        bars = ",".join(
            f"drawbox=t=fill:x=iw*{n / 10}:y=ih/2:w=iw/10:color=white"
            f":enable='mod(floor(n/{2**n}),2)'"
            for n in range(10)
        )
        if "-output_later" in encoder:
            encoder = [it for it in encoder if it != "-output_later"]
            bars += ",setpts=PTS+0.33/TB"
        black = f"color=black:size={_SIZE}x180:rate={rate}:duration={seconds}"
        tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
        argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", black, "-f", "lavfi"]
        argv += ["-i", tone, "-vf", bars, *_PLAIN, *encoder]
        argv += ["-c:a", "aac", *muxer, str(path)]
        subprocess.run(argv, check=True)
        return path

    return make


def packets(path: Path) -> dict[str, tuple[Any, ...]]:
    """Kind of stream → its clock, and when its packets and keyframes are shown."""
    with av.open(str(path)) as file:
        found = [it for it in file.demux() if it.pts is not None]
        return {
            stream.type: (
                stream.time_base,
                sorted((it.pts, it.duration) for it in found if it.stream is stream),
                [it.pts for it in found if it.stream is stream and it.is_keyframe],
            )
            for stream in file.streams
        }


def numbers(path: Path) -> list[int]:
    """The numbers that its pictures show."""
    with av.open(str(path)) as file:
        return [
            sum(
                (
                    bytes(it.planes[0])[135 * it.planes[0].line_size + 16 + 32 * bit]
                    > 127
                )
                << bit
                for bit in range(10)
            )
            for it in file.decode(video=0)
        ]


def pictures(manifest: Manifest) -> list[str]:
    """The tasks that make them; sound may have one of its own beside chunks."""
    return [it.kind for it in manifest.tasks if it.kind != "sound"]


def run(transcode: Command, clip: Path, *asked: str) -> tuple[Manifest, Path]:
    ended = transcode(
        "run", clip, "--profile", "preview", "--platform", "functiongraph", "--memory",
        "1024", "--to", f"to-{'-'.join(asked).strip('-')}", *asked, "--json", "--quiet",
    )  # fmt: skip
    assert (0, "") == (ended.code, ended.err)
    manifest = Manifest.from_json(ended.out)
    return manifest, Path(manifest.location or "nowhere") / "video.mp4"


@pytest.mark.parametrize("name", _STREAMS)
def test_its_chunks_are_what_one_piece_is(
    name: str, stream: Callable[..., Path], transcode: Command
) -> None:
    """Times, keyframes and sound to the tick, and every picture once in its place."""
    clip = stream(name)
    _, whole = run(transcode, clip, "--chunks", "1")
    manifest, chunked = run(transcode, clip, "--chunks", "2")

    assert ["chunk", "chunk", "join"] == pictures(manifest)
    assert {"video", "audio"} == packets(whole).keys()
    assert packets(whole) == packets(chunked)
    assert numbers(whole) == numbers(chunked)
    assert [*range(max(numbers(chunked)) + 1)] == sorted({*numbers(chunked)})


@pytest.mark.parametrize("name", [*_LONG][:2])
def test_of_a_long_one_an_index_is_made_first(
    name: str, stream: Callable[..., Path], transcode: Command
) -> None:
    """A task of its own, promised by the plan, on the bill; then it is cut as ever."""
    clip = stream(name)
    asked = ("--profile", "preview", "--platform", "functiongraph", "--memory", "1024")
    words = transcode("plan", clip, *asked, "--chunks", "2")
    foreseen = Plan.from_json(
        transcode("plan", clip, *asked, "--chunks", "2", "--json").out
    )
    made = Plan.from_json(
        transcode(
            *("plan", clip, *asked, "--chunks", "2", "--json", "--sample", "always")
        ).out
    )
    kept = transcode("plan", clip, *asked, "--chunks", "2", "--out", "plan.json")
    _, whole = run(transcode, clip, "--chunks", "1")
    manifest, chunked = run(transcode, clip, "--chunks", "2")

    assert made.indexing is not None
    assert "taken" == made.indexing.verdict
    assert made.indexing.cost is not None
    assert 2 == kept.code
    assert "where it is cut is found when it runs" in kept.err
    assert "all of its packets are looked at first" in " ".join(words.out.split())
    assert foreseen.indexing is not None
    assert foreseen.indexing.planned is not None
    planned = foreseen.indexing.planned.task
    each = [it.task.predicted_cost.amount for it in foreseen.tasks]
    assert sum(each, planned.predicted_cost.amount) == foreseen.predicted_cost.amount
    assert ["index", "chunk", "chunk", "join"] == pictures(manifest)
    (index,) = manifest.tasks[0].attempts
    # Between the two the machine was met, and for how long is another matter.
    untimed = {"time_limit_seconds": None}
    assert index.spec.model_copy(update=untimed) == planned.spec.model_copy(
        update=untimed
    )
    paid = [it.cost.amount for task in manifest.tasks for it in task.attempts]
    assert all(cost > 0 for cost in paid)
    assert sum(paid) == manifest.cost.amount
    assert packets(whole) == packets(chunked)
    assert [*range(len(numbers(whole)))] == numbers(chunked)


def test_what_an_index_contradicts_is_refused_by_name(
    stream: Callable[..., Path], transcode: Command
) -> None:
    """The pass is on the failure's bill; without chunks it is made in one piece."""
    clip = stream("long, pictures are missing")
    ended = transcode(
        "run", clip, "--profile", "preview", "--platform", "functiongraph", "--memory",
        "1024", "--chunks", "2", "--json", "--quiet",
    )  # fmt: skip
    plain, _ = run(transcode, clip)

    assert 5 == ended.code
    assert "PlanError" == ended.document["error"]["type"]
    said = "It cannot be cut: it has 545 pictures, and 550 by its rate."
    assert said in ended.document["error"]["message"]
    assert ["index"] == [it["kind"] for it in ended.document["tasks"]]
    assert ended.document["cost"]["amount"] != "0"
    assert ["encode"] == [it.kind for it in plain.tasks]
