"""
A source of hours with a whole ladder: memory against the prediction, and the manifest.

    python bench/stress/long.py --hours 1 4 10 [--copied] [--files]

Makes sources of 30 pictures a second and with sound, as small as encoders take them,
by repeating a minute; runs each with a ladder of six renditions, segments, poster and
thumbnails, and prints a line for each. *--copied*: one rendition, whose pictures
conform already. *--files*: six MP4 instead, each with its sound. Exits 1 where an
attempt took more memory than its prediction and a margin, or what a manifest names is
not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio

from bench.harness import Stopwatch, parser_of
from transcode.contract import Manifest
from transcode.media.margins import MEMORY_MARGIN
from transcode.pipeline import run
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire
from transcode.work.toolchain import find_ffmpeg

_SIDES = (72, 64, 56, 48, 40, 32)
_MIB = 2**20
_PROFILE = """\
name = "long"
title = "As many renditions as a ladder has, each as small as can be"

{packaging}
[video]
codec = "h264"
preset = "ultrafast"
copy = {copy}
max_frame_rate = 60.0
gop_seconds = 2.0
{rungs}
[[audio]]
codec = "aac"
bit_rate_kbps_per_channel = 32

[poster]

[sprites]
"""
_STREAMED = """\
[packaging]
type = "cmaf"
segment_seconds = 4.0
"""
_FILES = """\
[packaging]
type = "file"
container = "mp4"
"""
_RUNG = """
[[video.rungs]]
short_side = {side}
crf = 26
max_bit_rate_kbps = 200
"""


def make(folder: Path, hours: float, ffmpeg: str) -> Path:
    """A minute, encoded, and then as often as it takes, copied."""
    minute, path = folder / "minute.mp4", folder / f"{hours:g}h.mp4"
    quiet = (ffmpeg, "-nostdin", "-v", "error", "-y")
    bars = f"smptebars=size={_SIDES[0] * 16 // 9}x{_SIDES[0]}:rate=30:duration=60"
    subprocess.run(
        [
            *(*quiet, "-f", "lavfi", "-i", bars),
            *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=60"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline"),
            *("-pix_fmt", "yuv420p", "-g", "60", "-sc_threshold", "0"),
            *("-c:a", "aac", "-b:a", "32k", str(minute)),
        ],
        check=True,
    )
    times = round(hours * 60) - 1
    subprocess.run(
        [
            *(*quiet, "-stream_loop", str(times), "-i", str(minute)),
            *("-c", "copy", "-movflags", "+faststart", str(path)),
        ],
        check=True,
    )
    return path


def judge(manifest: Manifest, out: Path) -> tuple[str, list[str]]:
    """A line of figures, and what is wrong."""
    wrong = []
    attempts = [a for task in manifest.tasks for a in task.attempts]
    worst = 0.0
    for attempt in attempts:
        took = attempt.measured.peak_memory_bytes if attempt.measured else None
        told = attempt.predicted.peak_memory_bytes
        worst = max(worst, (took or 0) / (told or 1))
    if worst > MEMORY_MARGIN:
        wrong.append(f"{worst:.2f} of the predicted memory")
    (path,) = out.glob("*/manifest.json")
    listings = [it for it in manifest.outputs if it.uri.endswith("/segments.json")]
    named = 0
    for listing in listings:
        body = Path(listing.uri).read_bytes()
        if hashlib.sha256(body).hexdigest() != listing.sha256:
            wrong.append(f"{listing.uri} is not what the manifest names")
        named += len(json.loads(body)["segments"])
    singly = sum(it.kind == "segment" for it in manifest.outputs) - len(listings)
    last = attempts[-1]
    took = last.measured.peak_memory_bytes if last.measured else 0
    told = last.predicted.peak_memory_bytes or 0
    return (
        f"{(took or 0) / _MIB:.0f} MiB, {told / _MIB:.0f} predicted; manifest "
        f"{path.stat().st_size / 1000:.0f} kB, {len(manifest.outputs)} outputs, "
        f"{named} segments in {len(listings)} listings, {singly} named singly; "
        f"{len(attempts)} attempts; verified: {manifest.verification.passed}"
    ), wrong


def main() -> int:
    """Read the arguments, and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[1, 4, 10])
    parser.add_argument("--copied", action="store_true")
    parser.add_argument("--files", action="store_true")
    given = parser.parse_args()
    settings = Settings.from_environment(os.environ)
    wiring = wire(settings)
    failed = False
    with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
        home = Path(folder)
        sides = _SIDES[:1] if given.copied else _SIDES
        rungs = "".join(_RUNG.format(side=side) for side in sides)
        copy = "true" if given.copied else "false"
        profile = home / "long.toml"
        packaging = _FILES if given.files else _STREAMED
        profile.write_text(_PROFILE.format(packaging=packaging, rungs=rungs, copy=copy))
        for hours in given.hours:
            source = make(home, hours, find_ffmpeg(settings))
            out = home / f"out-{hours:g}"
            watch = Stopwatch()
            request = Request(source=str(source), profile=str(profile), to=str(out))
            manifest = anyio.run(run, request, wiring)
            line, wrong = judge(manifest, out)
            print(f"{hours:g} h: {line}; {watch.seconds:.0f} s", flush=True)
            for one in wrong:
                print(f"WRONG {one}", flush=True)
            failed |= bool(wrong)
            source.unlink()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
