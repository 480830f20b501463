"""
A large object on S3: probed within its budget, transcoded without a copy of it.

    python bench/stress/large.py s3://videos/bench --megabytes 2000

Makes uncompressed video of about that size, uploads it, runs a job that reads it from
there, prints what was fetched and what scratch it took, and deletes everything again.
Endpoint and credentials come from the environment, as for `transcode` itself.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

import anyio

from bench.harness import parser_of
from transcode.pipeline import probe_source, run
from transcode.request import Request
from transcode.settings import Settings
from transcode.store.open import bucket
from transcode.wiring import wire
from transcode.work.toolchain import find_ffmpeg

_FRAME_BYTES = 1280 * 720 * 3 // 2
_RATE = 25
_BUDGET = 2 * 2**20


def make(path: Path, megabytes: int, ffmpeg: str) -> None:
    """Uncompressed 720p: as large as it gets, and made as fast as the disk writes."""
    seconds = megabytes * 10**6 / (_FRAME_BYTES * _RATE)
    picture = f"testsrc2=size=1280x720:rate={_RATE}:duration={seconds:.2f}"
    tone = f"sine=frequency=440:sample_rate=48000:duration={seconds:.2f}"
    subprocess.run(
        [
            *(ffmpeg, "-nostdin", "-v", "error", "-y"),
            *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone),
            *("-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path)),
        ],
        check=True,
    )


async def measure(address: str, megabytes: int, profile: str) -> None:
    """Do it all and print it."""
    settings = Settings.from_environment(os.environ)
    wiring = wire(settings)
    async with bucket(address, settings) as store:
        source = store.uri("large.mkv")
        try:
            with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
                clip = Path(folder) / "large.mkv"
                make(clip, megabytes, find_ffmpeg(settings))
                await store.upload("large.mkv", clip)
            size = (await store.head("large.mkv")).bytes
            _, media = await probe_source(source, wiring)
            allowed = min(_BUDGET, size // 100)
            print(f"object        {size / 1e6:10.1f} MB")
            print(f"probe fetched {(media.probe_bytes or 0) / 1e6:10.3f} MB", end="")
            print(f", {allowed / 1e6:.3f} allowed, {media.probe_seconds:.2f} s")
            begun = time.monotonic()
            request = Request(source=source, profile=profile, to=f"{address}/out")
            manifest = await run(request, wiring)
            (attempt,) = (a for task in manifest.tasks for a in task.attempts)
            assert attempt.measured is not None  # noqa: S101  it was not lost
            used = attempt.measured
            print(f"work fetched  {(used.read_bytes or 0) / 1e6:10.1f} MB")
            print(f"scratch       {(used.scratch_bytes or 0) / 1e6:10.1f} MB", end="")
            print(f", {(used.scratch_bytes or 0) / size:.2%} of the object")
            print(f"peak memory   {(used.peak_memory_bytes or 0) / 1e6:10.1f} MB")
            print(f"job           {time.monotonic() - begun:10.1f} s")
        finally:
            async for entry in store.entries():
                await store.delete(entry.key)


def main() -> None:
    """Read the arguments."""
    parser = parser_of(__doc__)
    parser.add_argument("address", help="an empty prefix, s3://bucket/prefix")
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--profile", default="preview")
    args = parser.parse_args()
    anyio.run(measure, args.address, args.megabytes, args.profile)


if __name__ == "__main__":
    main()
