"""A pass over all packets: what it counts is what a second tool counts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import FilePackaging, Indexed, OutcomeKind, Recipe
from transcode.plan.indexing import with_index

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=6")
SOUND = ("-f", "lavfi", "-i", "sine=d=6:sample_rate=48000", "-c:a", "aac")
REORDERED = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "40")
OPEN = ("-x264-params", "open-gop=1:b-pyramid=normal:scenecut=0")
FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov+delay_moov+default_base_moof")
FILES: dict[str, tuple[str, ...]] = {
    "closed.ts": (*PICTURE, *SOUND, *REORDERED),
    "open.ts": (*PICTURE, *SOUND, *REORDERED, *OPEN),
    "intra.ts": (*PICTURE, "-c:v", "mpeg2video", "-g", "1"),
    "over.ts": (*PICTURE, *SOUND, *REORDERED, "-output_ts_offset", "95440"),
    "fragments.mp4": (*PICTURE, *SOUND, *REORDERED, *FRAGMENTS),
    "variable.ts": (
        *(*PICTURE, *SOUND, "-vf", "select='not(between(t,2,4.5))'"),
        *("-fps_mode", "vfr", *REORDERED),
    ),
}


@pytest.fixture
def looked_at(
    made: Callable[..., Path], make_task: Any, performed: Any
) -> Callable[[Path], tuple[Any, Indexed]]:
    """A source as it was probed, and what the pass saw."""

    def do(path: Path) -> tuple[Any, Indexed]:
        recipe = Recipe(video_index=0, packaging=FilePackaging(files=()))
        task = make_task(path, recipe).model_copy(update={"kind": "index"})
        produced, _ = performed(task)
        assert OutcomeKind.SUCCEEDED is produced.outcome, produced.failure
        assert produced.artifacts == ()
        assert produced.indexed is not None
        return task.media, produced.indexed

    return do


def packets(ffprobe: str, path: Path) -> list[tuple[float, bool]]:
    """When each is shown, and whether it is a keyframe, in the order of showing."""
    argv = [ffprobe, "-v", "error", "-of", "json", "-select_streams", "v:0"]
    argv += ["-show_entries", "packet=pts_time,flags", str(path)]
    found = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return sorted(
        (float(it["pts_time"]), "K" in it["flags"]) for it in found["packets"]
    )


@pytest.mark.parametrize("name", FILES)
def test_it_sees_what_a_second_tool_sees(
    name: str, made: Callable[..., Path], looked_at: Any, ffprobe: str
) -> None:
    """Count, keyframes, first, last and longest; the clock may run over."""
    path = made(name, *FILES[name])
    shown = packets(ffprobe, path)
    times = [time for time, _ in shown]
    steps = [b - a for a, b in pairwise(times)]
    _, seen = looked_at(path)

    assert len(shown) == seen.pictures
    assert (0, 0) == (seen.untimed, seen.leaps)
    keys = [time for time, key in shown if key]
    assert keys == pytest.approx(list(seen.keyframe_seconds), abs=2e-6)
    assert len(keys) > 1
    ends = (times[0], times[-1])
    assert ends == pytest.approx((seen.first_seconds, seen.last_seconds), abs=2e-6)
    longest, shortest = seen.longest_step_seconds, seen.shortest_step_seconds
    assert (max(steps), min(steps)) == pytest.approx((longest, shortest), abs=3e-6)


@pytest.mark.parametrize("name", [it for it in FILES if it != "variable.ts"])
def test_it_says_what_the_probe_says_of_a_short_one(
    name: str, made: Callable[..., Path], looked_at: Any
) -> None:
    """Which has seen every packet of it, too: both find the same places to cut."""
    media, seen = looked_at(made(name, *FILES[name]))
    (video,) = media.video
    head = {"frames": None, "keyframe_seconds": None, "longest_gop_seconds": None}
    unread = media.model_copy(update={"video": (video.model_copy(update=head),)})
    found = with_index(unread, 0, seen)

    assert not isinstance(found, str), found
    assert video.frames == found.video[0].frames
    assert video.keyframe_seconds == pytest.approx(
        found.video[0].keyframe_seconds, abs=2e-6
    )


def test_a_clock_that_is_set_back_is_seen(
    made: Callable[..., Path], looked_at: Any, tmp_path: Path
) -> None:
    """Of two recordings one after the other."""
    one = made("closed.ts", *FILES["closed.ts"])
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() * 2)
    media, seen = looked_at(both)

    assert seen.leaps > 0
    assert 300 == seen.pictures
    (video,) = media.video
    varied = video.model_copy(update={"variable_frame_rate": True, "frames": None})
    unread = media.model_copy(update={"video": (varied,)})
    assert "its clock jumps" == with_index(unread, 0, seen)
