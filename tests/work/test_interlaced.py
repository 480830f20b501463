"""Fields become frames where they are, and frames stay as they are."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import FilePackaging, OutputFile

PAL = "720x576"
MP4 = FilePackaging(
    files=(OutputFile(name="video.mp4", container="mp4", video="576p"),)
)


@pytest.fixture
def deinterlaced(
    make_task: Any, make_recipe: Any, video: Any, performed: Any
) -> Callable[[Path], Path]:
    """The clip as one file of the same size, deinterlaced."""

    def make(clip: Path) -> Path:
        rendition = video(720, 576, max_bit_rate=20_000_000, buffer_bits=40_000_000)
        recipe = make_recipe(
            video=(rendition.model_copy(update={"crf": 10}),),
            audio=(),
            packaging=MP4,
            deinterlace=True,
        )
        produced, staging = performed(make_task(clip, recipe))
        assert ("succeeded", None) == (produced.outcome.value, produced.failure)
        return Path(staging / "video.mp4")

    return make


def likeness(ffmpeg: str, one: Path, other: Path, chain: str = "null") -> float:
    """PSNR in dB of two videos, the second through *chain*."""
    graph = (
        f"[1:v]{chain},settb=1/25,setpts=N[b];[0:v]settb=1/25,setpts=N[a];[a][b]psnr"
    )
    argv = [ffmpeg, "-nostdin", "-i", str(one), "-i", str(other)]
    argv += ["-lavfi", graph, "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found = re.findall(r"average:(\S+)", done.stderr)[-1]
    return float(found)


def test_flagged_progressive_and_woven(
    make_clip: Any, deinterlaced: Any, ffmpeg: str
) -> None:
    """
    Without a flag, combs are gone all the same: like the frames before weaving, and
    not like the woven ones.
    """
    whole = make_clip("whole", 2, PAL, rate="50", audio=False)
    for first in ("tff", "bff"):
        chain = f"interlace=scan={first}:lowpass=0,setfield=prog"
        clip = make_clip(first, 2, PAL, rate="50", audio=False, extra=("-vf", chain))

        made = deinterlaced(clip)

        every_other = "framestep=2"
        after = likeness(ffmpeg, made, whole, every_other)
        assert after > likeness(ffmpeg, clip, whole, every_other) + 1


def test_flagged_interlaced_and_progressive(
    make_clip: Any, deinterlaced: Any, ffmpeg: str
) -> None:
    """
    A flag alone softens nothing: whole frames pass as they are.
    """
    extra = ("-vf", "setfield=tff", "-x264-params", "tff=1")
    clip = make_clip("flag", 2, PAL, audio=False, extra=extra)

    made = deinterlaced(clip)

    assert likeness(ffmpeg, made, clip) > 40


def test_real_interlaced_files(
    media_dir: Path, make_task: Any, make_recipe: Any, video: Any, performed: Any
) -> None:
    """
    AVCHD and XDCAM in fields come out complete, frame for frame.
    """
    for name in ("fixture-raw.mts", "xdcam-hd-1080i60.mov"):
        file = OutputFile(name="video.mp4", container="mp4", video="180p")
        recipe = make_recipe(
            video=(video(320, 180),),
            audio=(),
            packaging=FilePackaging(files=(file,)),
            deinterlace=True,
        )
        task = make_task(media_dir / "formats" / name, recipe)
        assert task.media.video[0].interlaced

        produced, _ = performed(task)

        assert ("succeeded", None) == (produced.outcome.value, produced.failure)
