"""
How near a target comes: clips made for a VMAF, judged by what knows no search.

    python bench/targets.py FILES... [--codec h264 hevc av1] [--target 93]
        [--seconds 6] [--as-is] [--keep FILE]

Of each file the middle, of `--seconds` at most, at most 640 pixels wide and without
loss, is made with `--target-vmaf` by `transcode run`, at each codec's shipped preset.
`--as-is` leaves the file as it was uploaded, at its own size and with its own groups of
pictures, which are as long as its encoder made them; longer ones are cut between two.
Then the whole rendition is compared with its source, every picture: of AV1 every
second one alone says 2.6 too much. `--keep` holds one line of JSON for each result:
what stands in it is not made again. Ends with the shares that docs/quality.md tells:
how many came near, and what of the job's CPU time the search took.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from bench.harness import parser_of

PRESETS: Mapping[str, tuple[str, int]] = {
    "h264": ("veryfast", 22),
    "hevc": ("veryfast", 25),
    "av1": ("9", 35),
}
"""As the shipped profiles have it: preset, and the rate factor the search begins at."""
FFMPEG: str = imageio_ffmpeg.get_ffmpeg_exe()
PROFILE = """
name = "{codec}-target"
title = "One file for a target"
[packaging]
type = "file"
container = "mp4"
[video]
codec = "{codec}"
preset = "{preset}"
source_bit_rate_ratio = 1000
copy = false
[[video.rungs]]
short_side = 2160
crf = {crf}
max_bit_rate_kbps = 100000
"""


def main() -> None:
    """Prints a line for each clip and codec, then the shares."""
    parser = parser_of(__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--codec", nargs="+", choices=PRESETS, default=["h264"])
    parser.add_argument("--target", type=float, default=93.0)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--as-is", action="store_true")
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    known = _kept(args.keep)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for file in args.files:
            for codec in args.codec:
                asked = {
                    "clip": file.name,
                    "codec": codec,
                    "target": args.target,
                    "seconds": args.seconds,
                    "as_is": args.as_is,
                }
                told = known.get(tuple(asked.values()))
                if told is None:
                    told = asked | _one(file, asked, Path(folder))
                    if args.keep:
                        with args.keep.open("a") as kept:
                            kept.write(json.dumps(told) + "\n")
                results.append(told)
                print(_line(told), flush=True)
    for codec in args.codec:
        print(_shares(codec, [it for it in results if it["codec"] == codec]))


def _kept(path: Path | None) -> dict[tuple[Any, ...], dict[str, Any]]:
    if path is None or not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    names = ("clip", "codec", "target", "seconds", "as_is")
    return {tuple(it[name] for name in names): it for it in lines}


def _one(file: Path, asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What became of one clip; `fault` where nothing did."""
    clip = folder / f"{file.stem}.mkv"
    if asked["as_is"] and _seconds(file) <= asked["seconds"]:
        clip = file
    how = _AS_IS if asked["as_is"] else _WITHOUT_LOSS
    if not clip.exists() and not _cut(file, clip, asked["seconds"], how):
        return {"fault": "it cannot be cut"}
    codec = asked["codec"]
    preset, crf = PRESETS[codec]
    profile = folder / f"{codec}.toml"
    profile.write_text(PROFILE.format(codec=codec, preset=preset, crf=crf))
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "transcode",
        "run",
        clip,
        "--profile",
        profile,
    ]
    argv += ["--target-vmaf", f"{asked['target']:g}", "--to", folder / "made", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"fault": done.stderr.strip().splitlines()[-1:]}
    manifest = json.loads(done.stdout)
    [found] = [it for it in manifest["outputs"] if it["kind"] == "rendition"]
    made = Path(found["uri"])
    held = found.get("quality") or {}
    size = made.stat().st_size
    tasks = {
        task["task_id"].rpartition("-")[2]: sum(
            it["measured"]["cpu_seconds"] for it in task["attempts"] if it["measured"]
        )
        for task in manifest["tasks"]
    }
    pictures = _vmaf(made, clip)
    return {
        "vmaf": statistics.fmean(pictures),
        "pictures": pictures,
        "held": held.get("vmaf"),
        "standard_error": held.get("standard_error"),
        "crf": held.get("crf"),
        "kbps": round(size * 8 / found["duration_seconds"] / 1000),
        "cpu_seconds": tasks,
        "warnings": manifest["warnings"],
    }


_AS_IS = ["-c", "copy"]
_WITHOUT_LOSS = [
    "-vf",
    "scale='trunc(min(640,iw)/2)*2':-2,setsar=1,format=yuv420p",
    *["-fpsmax", "25", "-fps_mode", "cfr", "-c:v", "ffv1"],
]


def _cut(file: Path, clip: Path, most_seconds: float, how: Sequence[str]) -> bool:
    begin = max(0.0, (_seconds(file) - most_seconds) / 2)
    argv: list[str | Path] = [FFMPEG, "-nostdin", "-v", "error", "-ss", f"{begin:.3f}"]
    argv += ["-i", file, "-map", "0:v:0", "-t", f"{most_seconds:g}", *how, clip]
    return subprocess.run(argv, check=False).returncode == 0


def _seconds(file: Path) -> float:
    said = subprocess.run(
        [FFMPEG, "-hide_banner", "-i", file],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said.stderr)
    if found is None:
        return 0.0
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def _vmaf(made: Path, source: Path) -> list[float]:
    """Of each picture of the whole rendition."""
    with tempfile.NamedTemporaryFile() as log:
        graph = f"libvmaf=log_fmt=json:log_path={log.name}"
        argv: list[str | Path] = [FFMPEG, "-nostdin", "-v", "error"]
        argv += ["-i", made, "-i", source]
        # By their number: Matroska rounds times, and would be a picture behind.
        count = "settb=1/25,setpts=N,format=yuv420p"
        # Pixels that are not square in the source are so in what was made of it.
        alike = "scale=rw:rh:flags=bicubic"
        both = (
            f"[0:v]{count},split[a][size];[1:v][size]{alike},{count}[b];[a][b]{graph}"
        )
        argv += ["-filter_complex", both, "-an", "-enc_time_base", "1/25"]
        argv += ["-f", "null", "-"]
        subprocess.run(argv, check=True)
        told = json.loads(Path(log.name).read_text())["frames"]
        return [round(it["metrics"]["vmaf"], 2) for it in told]


def _line(told: Mapping[str, Any]) -> str:
    if "fault" in told:
        return f"{told['clip']:<44} {told['codec']}  {told['fault']}"
    return (
        f"{told['clip']:<44} {told['codec']}  whole {told['vmaf']:.1f}"
        f"  held {told['held']}  crf {told['crf']}  {told['kbps']} kbit/s"
        f"  CPU {told['cpu_seconds']}  {'; '.join(told['warnings'])}"
    )


def _shares(codec: str, results: Sequence[Mapping[str, Any]]) -> str:
    away = sorted(_away(results))
    near = sum(abs(it) <= 1.0 for it in away)
    if not away:
        return f"{codec}: nothing was made"
    searches = [
        it["cpu_seconds"].get("sample", 0.0) / sum(it["cpu_seconds"].values())
        for it in results
        if "fault" not in it
    ]
    return (
        f"{codec}: {near} of {len(away)} within 1, worst {away[0]:+.1f} and"
        f" {away[-1]:+.1f}, deviation {statistics.pstdev(away):.2f}; search"
        f" {statistics.median(searches):.0%} of the CPU time, most {max(searches):.0%}"
    )


def _away(results: Sequence[Mapping[str, Any]]) -> Iterator[float]:
    for it in results:
        if "fault" not in it:
            yield it["vmaf"] - it["target"]


if __name__ == "__main__":
    main()
