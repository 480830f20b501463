"""Files that ask for far more than they are worth cost seconds and megabytes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import MakeClip

MOST_SECONDS = 30
"""For a busy machine; they take about one."""
MOST_MIB = 256

_DRIVER = """
import anyio, json, resource, sys
from pathlib import Path
from transcode.errors import TranscodeError
from transcode.pipeline import Request, admit
from transcode.settings import Settings
from transcode.wiring import wire
from transcode.work.perform import perform

async def plan():
    request = Request(source=sys.argv[1], profile="preview")
    return await admit(request, wire(Settings()))

said = {}
try:
    task = anyio.run(plan).tasks[0].task
    said["memory_mib"] = task.spec.memory_mib
    said["wall_seconds"] = task.predicted.wall_seconds
    folder = Path(sys.argv[2])
    done = perform(task, staging=folder / "staging", scratch=folder / "scratch",
                   settings=Settings(), report=lambda progress: None)
    said["outcome"] = str(done.outcome)
    said["failure"] = done.failure and done.failure.type
except TranscodeError as exc:
    said["outcome"], said["failure"] = str(exc.outcome), type(exc).__name__
said["mib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(json.dumps(said))
"""


def _picture_of_12336(path: Path, make_clip: MakeClip, ffmpeg: str) -> None:
    extra = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
    clip = make_clip("bomb.webm", 1, "256x256", audio=False, extra=extra)
    data = clip.read_bytes()
    # Matroska's PixelWidth and PixelHeight.
    for element in (b"\xb0\x82", b"\xba\x82"):
        data = data.replace(element + b"\1\0", element + b"\x30\x30", 1)
    # VP9's own: 16 bits each, less one, four bits after the sync code.
    at = data.index(b"\x49\x83\x42") + 3
    fields = int.from_bytes(data[at : at + 5], "big")
    assert 0xFF_00FF == fields >> 4 & 0xFFFF_FFFF
    fields = fields & 0xF0_0000_000F | 0x302F_302F << 4
    path.write_bytes(data[:at] + fields.to_bytes(5, "big") + data[at + 5 :])


def _header_of_3900_seconds(path: Path, make_clip: MakeClip, ffmpeg: str) -> None:
    extra = ("-movflags", "frag_keyframe+empty_moov")
    data = make_clip("fragments", 1, "64x64", audio=False, extra=extra).read_bytes()
    head = bytearray(data[: data.index(b"moof") - 4])
    for box, scale_at, length_at in ((b"mvhd", 16, 20), (b"mdhd", 16, 20)):
        at = head.index(box)
        scale = int.from_bytes(head[at + scale_at : at + length_at], "big")
        head[at + length_at : at + length_at + 4] = (3900 * scale).to_bytes(4, "big")
    path.write_bytes(head)


def _clock_of_20_hours(path: Path, make_clip: MakeClip, ffmpeg: str) -> None:
    later = ("-output_ts_offset", "72052")
    clips = [make_clip("h.ts", 1, "64x64", extra=extra) for extra in ((), later)]
    path.write_bytes(b"".join(clip.read_bytes() for clip in clips))


def _fifty_streams(path: Path, make_clip: MakeClip, ffmpeg: str) -> None:
    clip = make_clip("streams", 1, "64x64")
    maps = ["-map", "0:v"] * 10 + ["-map", "0:a"] * 40
    argv = [ffmpeg, "-v", "error", "-i", str(clip), *maps, "-c", "copy"]
    subprocess.run([*argv, "-f", "mpegts", str(path)], check=True)


def _examined(path: Path, folder: Path, driver: str = _DRIVER) -> dict[str, object]:
    argv = [sys.executable, "-c", driver, str(path), str(folder)]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=True, timeout=MOST_SECONDS
    )
    said: dict[str, object] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize(
    ("make", "outcomes"),
    [
        (_picture_of_12336, {"rejected"}),
        (_header_of_3900_seconds, {"rejected"}),
        (_clock_of_20_hours, {"rejected", "succeeded"}),
        (_fifty_streams, {"succeeded"}),
    ],
    ids=lambda it: getattr(it, "__name__", None),
)
def test_a_bomb_is_refused_or_clamped(
    make: Callable[[Path, MakeClip, str], None],
    outcomes: set[str],
    make_clip: MakeClip,
    ffmpeg: str,
    tmp_path: Path,
) -> None:
    """
    Whatever its headers claim: no child grows, no large spec is chosen, none hangs.
    """
    path = tmp_path / "bomb"
    make(path, make_clip, ffmpeg)

    said = _examined(path, tmp_path)

    assert said["outcome"] in outcomes, said
    assert int(str(said["mib"])) <= MOST_MIB, said
    assert float(str(said.get("wall_seconds", 0))) <= 20, said


@pytest.mark.parametrize(
    "name",
    [
        "malformed/invalid_vp9_bitstream-bug_1416.webm",
        "malformed/invalid_vp9_bitstream-bug_1417.webm",
        "edge/dashif_init_3900s.mp4",
    ],
)
def test_the_bombs_that_were_met_are_refused(
    name: str, media_dir: Path, tmp_path: Path
) -> None:
    """
    The same from real collections.
    """
    said = _examined(media_dir / name, tmp_path)

    assert re.fullmatch("rejected|encoder_failed", str(said["outcome"])), said
    assert int(str(said["mib"])) <= MOST_MIB, said


def test_a_long_list_is_refused(tmp_path: Path) -> None:
    """
    Two hundred thousand entries are not read to see that it is a list.
    """
    path = tmp_path / "bomb.mp4"
    path.write_text("ffconcat version 1.0\n" + "file 'bomb.mp4'\n" * 200_000)

    said = _examined(path, tmp_path)

    assert ("rejected", "MediaRejected") == (said["outcome"], said["failure"])
    assert int(str(said["mib"])) <= MOST_MIB, said


def test_a_film_that_costs_too_much_is_refused_by_its_budget(
    ffmpeg: str, tmp_path: Path
) -> None:
    """
    21,766 pictures of 4K in few bytes: an honest file, and its price is known first.
    """
    one, path = tmp_path / "one.mp4", tmp_path / "bomb.mp4"
    black = ("-f", "lavfi", "-i", "color=s=3840x2160:r=25:d=0.04")
    codec = ("-c:v", "libsvtav1", "-preset", "12", "-crf", "60")
    quiet = (ffmpeg, "-v", "error")
    subprocess.run([*quiet, *black, *codec, str(one)], check=True, capture_output=True)
    loop = ("-stream_loop", "21765", "-i", str(one), "-c", "copy")
    subprocess.run([*quiet, *loop, str(path)], check=True)
    assert path.stat().st_size < 32 << 20
    driver = _DRIVER.replace('profile="preview"', 'profile="preview", budget="0.0001"')

    said = _examined(path, tmp_path, driver)

    assert "BudgetTooSmall" == said["failure"], said
    assert int(str(said["mib"])) <= MOST_MIB, said
