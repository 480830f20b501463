"""
Chunks against one piece, judged by a second tool, over files of every container.

    python bench/chunk_equality.py [--files FILE …] [--profile preview] [--chunks 2]
                                   [--seconds 24] [--optimize balanced] [--quality]
                                   [--json FILE]

What is shorter than *seconds* is played several times over first, its packets copied
into the same container, so that there is something to cut. Each file is then made in
one piece and in chunks, and ffprobe of another build compares what came of it: frames,
times of all packets, keyframes, durations, and what packets of sound hold; with
*--optimize time* those were encoded by a task of their own, if at all. A file that is
refused chunks says why; one that was made in one piece after all, since its chunks made
no whole, says so, too.

With *--quality* both are compared with the source as well: VMAF (mean), bit rate, and
the pictures around each cut, where a chunk's encoder has seen nothing of its neighbour.
Chunks may lose 0.3 VMAF and take 3 % more bits.

The files are those of the workload and formats of the media beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.harness import SECOND_FFMPEG, SECOND_FFPROBE, parser_of
from transcode.settings import Settings
from transcode.work.toolchain import find_ffmpeg

ROOT = Path(__file__).resolve().parents[1]
MEDIA = ROOT.parent / "shared" / "media"
KINDS = frozenset(
    {
        *(".mp4", ".mov", ".m4v", ".3gp", ".mkv", ".webm", ".ts", ".mts", ".m2ts"),
        *(".avi", ".flv", ".mpg", ".ogv", ".mxf", ".wmv"),
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one file."""

    file: str
    container: str
    seconds: float | None
    looped: bool
    verdict: str
    """`equal`, `different`, `refused`, `in one piece` or `unusable`."""
    why: str = ""
    vmaf: float | None = None
    """Of chunks, less that of one piece: the worst of all renditions."""
    vmaf_at_cuts: float | None = None
    """The same of the `AROUND` pictures to either side of each cut."""
    bits: float | None = None
    """Bytes of chunks beside those of one piece, less 1."""


AROUND = 12
MOST_VMAF, MOST_BITS = 0.3, 0.03


def scores(file: Path, source: Path) -> list[float]:
    """VMAF of every picture of *file* beside the source's, scaled to its size."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.json"
        graph = (
            "[1:v:0]settb=AVTB,setpts=PTS-STARTPTS[made];"
            "[0:v:0]settb=AVTB,setpts=PTS-STARTPTS[seen];"
            "[seen][made]scale2ref=flags=bicubic[seen][made];"
            "[made]setsar=1,format=yuv420p[made];[seen]setsar=1,format=yuv420p[seen];"
            f"[made][seen]libvmaf=log_fmt=json:log_path={log}:n_threads=2:ts_sync_mode=nearest"
        )
        argv = [find_ffmpeg(Settings()), "-nostdin", "-v", "error", "-i", str(source)]
        argv += ["-i", str(file), "-lavfi", graph, "-f", "null", "-"]
        subprocess.run(argv, check=True, capture_output=True)
        frames = json.loads(log.read_text())["frames"]
    return [float(it["metrics"]["vmaf"]) for it in frames]


def cuts_of(file: Path, options: argparse.Namespace) -> list[float]:
    """When its chunks begin, in seconds, but for the first."""
    _, plan = transcode(
        "plan", str(file), "--profile", options.profile, "--platform", "functiongraph",
        "--memory", "1024", "--chunks", str(options.chunks), "--sample", "never",
        "--optimize", options.optimize,
    )  # fmt: skip
    first = plan["tasks"][0]["task"]["recipe"]["chunks"]
    return [float(it["start_seconds"]) for it in first[1:]]


def compared(
    pairs: Iterable[tuple[Path, Path]], source: Path, cuts: Sequence[float]
) -> tuple[float, float, float]:
    """Of chunks beside one piece: VMAF, VMAF at the cuts, and bits; the worst each."""
    vmaf = at_cuts = math.inf
    bits = -math.inf
    for chunked, whole in pairs:
        here, there = scores(chunked, source), scores(whole, source)
        lasts = float(tracks(whole)[0][1])
        rate = len(there) / lasts
        near = [
            number
            for cut in cuts
            for number in range(round(cut * rate) - AROUND, round(cut * rate) + AROUND)
            if 0 <= number < min(len(here), len(there))
        ]
        vmaf = min(vmaf, fmean(here) - fmean(there))
        beside = [fmean(it[number] for number in near) for it in (here, there)]
        at_cuts = min(at_cuts, beside[0] - beside[1])
        bits = max(bits, chunked.stat().st_size / whole.stat().st_size - 1)
    return vmaf, at_cuts, bits


def transcode(*args: str) -> tuple[int, dict[str, Any]]:
    """The command line's exit code and document."""
    argv = [sys.executable, "-m", "transcode", *args, "--json"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, json.loads(done.stdout or "{}")


def tracks(path: Path) -> list[tuple[Any, ...]]:
    """
    Kind, duration, packets, of sound what they hold; and of every packet its times and
    whether it is a keyframe.
    """
    show = "stream=index,codec_type,duration,nb_frames"
    show += ":packet=stream_index,pts,dts,flags,data_hash"
    argv = [SECOND_FFPROBE, "-v", "error", "-show_entries", show, "-of", "json"]
    argv += ["-show_data_hash", "MD5"]
    done = subprocess.run([*argv, str(path)], check=True, capture_output=True)
    found = json.loads(done.stdout)
    return [
        (
            stream["codec_type"],
            stream.get("duration"),
            stream.get("nb_frames"),
            [
                it["data_hash"]
                for it in found["packets"]
                if it["stream_index"] == stream["index"]
                and stream["codec_type"] == "audio"
            ],
            sorted(
                (it.get("pts", 0), it.get("dts", 0), "K" in it["flags"])
                for it in found["packets"]
                if it["stream_index"] == stream["index"]
            ),
        )
        for stream in found["streams"]
    ]


def same(here: Sequence[Any], there: Sequence[Any], more: int) -> bool:
    """Whether tracks are alike, but for so many keyframes *more* in the former."""
    if [it[:4] for it in here] != [it[:4] for it in there]:
        return False
    for (*_, ours), (*_, theirs) in zip(here, there, strict=True):
        if [it[:2] for it in ours] != [it[:2] for it in theirs]:
            return False
        keys = [it[2] for it in ours], [it[2] for it in theirs]
        apart = [a for a, b in zip(*keys, strict=True) if a != b]
        if len(apart) > more or not all(apart):
            return False
    return True


def lengthened(file: Path, probed: dict[str, Any], least: float, folder: Path) -> Path:
    """*file*, or its packets so often that it lasts *least* seconds."""
    lasts = probed.get("duration_seconds") or 0.0
    if lasts >= least or not lasts:
        return file
    path = folder / f"{file.stem}-long{file.suffix}"
    argv = [SECOND_FFMPEG, "-nostdin", "-v", "error", "-y"]
    argv += ["-stream_loop", str(int(least / lasts) + 1), "-i", str(file)]
    argv += ["-map", "0:v:0", "-map", "0:a:0?", "-c", "copy"]
    if probed.get("fragmented"):
        argv += ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    done = subprocess.run([*argv, str(path)], check=False, capture_output=True)
    return path if done.returncode == 0 and path.exists() else file


def judged(file: Path, options: argparse.Namespace, folder: Path) -> Iterator[Verdict]:
    """One file, unless there is no picture in it."""
    code, probed = transcode("probe", str(file))
    if code or not probed.get("video"):
        return
    name, container = file.name, str(probed["container"])
    if probed.get("fragmented"):
        container += ", fragmented"
    long = lengthened(file, probed, options.seconds, folder)

    def verdict(word: str, why: str = "") -> Verdict:
        seconds = probed.get("duration_seconds")
        return Verdict(name, container, seconds, long != file, word, why)

    spec = ("--profile", options.profile, "--platform", "functiongraph")
    made: list[tuple[Path, dict[str, Any]]] = []
    for count in (options.chunks, 1):
        to = folder / str(count)
        code, said = transcode(
            "run", str(long), *spec, "--memory", "1024", "--to", str(to),
            "--chunks", str(count), "--sample", "never", "--quiet",
            "--optimize", options.optimize,
        )  # fmt: skip
        if code:
            error = said.get("error", {})
            refused = error.get("type") == "PlanError" and count > 1
            yield verdict(
                "refused" if refused else "unusable", str(error.get("message"))
            )
            return
        made.append((Path(said["location"]), said))
    (parts, said), (whole, _) = made
    if [it["kind"] for it in said["tasks"]].count("chunk") != options.chunks:
        yield verdict("in one piece", "no chunks were made")
        return
    if said["tasks"][-1]["kind"] == "encode" or any(
        "made no whole" in note
        for task in said["tasks"]
        for attempt in task["attempts"]
        for note in attempt.get("notes", ())
    ):
        yield verdict("in one piece", "its chunks made no whole")
        return
    pairs = [
        (parts / path.name, path)
        for path in sorted(whole.iterdir())
        if path.suffix == ".mp4"
    ]
    # At no constant rate each chunk begins with a keyframe that the whole has not.
    _, played = transcode("probe", str(long))
    steady = played["video"][0].get("variable_frame_rate") is False
    cuts = cuts_of(long, options) if options.quality or not steady else ()
    more = 0 if steady else len(cuts)
    wrong = [it.name for one, it in pairs if not same(tracks(one), tracks(it), more)]
    if wrong or not options.quality:
        yield verdict("different", ", ".join(wrong)) if wrong else verdict("equal")
        return
    vmaf, at_cuts, bits = compared(pairs, long, cuts)
    worse = vmaf < -MOST_VMAF or bits > MOST_BITS
    told = f"VMAF {vmaf:+.2f}, at cuts {at_cuts:+.2f}, bits {bits:+.1%}"
    one = verdict("different" if worse else "equal", told)
    yield replace(one, vmaf=vmaf, vmaf_at_cuts=at_cuts, bits=bits)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--files", nargs="+", type=Path)
    parser.add_argument("--profile", default="preview")
    parser.add_argument("--chunks", type=int, default=2)
    parser.add_argument("--optimize", default="balanced")
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = options.files or [
        path
        for folder in ("formats", "workload")
        for path in sorted((MEDIA / folder).iterdir())
        if path.suffix.lower() in KINDS
    ]
    found: list[Verdict] = []
    for file in files:
        with tempfile.TemporaryDirectory() as folder:
            for one in judged(file, options, Path(folder)):
                found.append(one)
                why = f"  {one.why}" if one.why else ""
                print(f"{one.verdict:12}  {one.container:16}  {one.file}{why}")
                sys.stdout.flush()
        if options.json:
            options.json.write_text(json.dumps([asdict(it) for it in found], indent=1))
    counts = Counter((it.container, it.verdict) for it in found)
    for (container, word), count in sorted(counts.items()):
        print(f"{container:18} {word:14} {count}")
    sys.exit(any(it.verdict == "different" for it in found))


if __name__ == "__main__":
    main()
