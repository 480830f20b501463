"""
Chunks against one piece, judged by a second tool, over files of every container.

    python bench/chunk_equality.py [--files FILE …] [--profile preview] [--chunks 2]
                                   [--seconds 24] [--json FILE]

What is shorter than *seconds* is played several times over first, its packets copied
into the same container, so that there is something to cut. Each file is then made in
one piece and in chunks, and ffprobe of another build compares what came of it: frames,
times of all packets, keyframes, durations. A file that is refused chunks says why; one
that was made in one piece after all, since its chunks made no whole, says so, too.

The files are those of the workload and formats of the media beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.harness import SECOND_FFMPEG, SECOND_FFPROBE, parser_of

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


def transcode(*args: str) -> tuple[int, dict[str, Any]]:
    """The command line's exit code and document."""
    argv = [sys.executable, "-m", "transcode", *args, "--json"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, json.loads(done.stdout or "{}")


def tracks(path: Path) -> list[tuple[Any, ...]]:
    """Kind, duration, and of every packet its times and whether it is a keyframe."""
    show = (
        "stream=index,codec_type,duration,nb_frames:packet=stream_index,pts,dts,flags"
    )
    argv = [SECOND_FFPROBE, "-v", "error", "-show_entries", show, "-of", "json"]
    done = subprocess.run([*argv, str(path)], check=True, capture_output=True)
    found = json.loads(done.stdout)
    return [
        (
            stream["codec_type"],
            stream.get("duration"),
            stream.get("nb_frames"),
            sorted(
                (it.get("pts", 0), it.get("dts", 0), "K" in it["flags"])
                for it in found["packets"]
                if it["stream_index"] == stream["index"]
            ),
        )
        for stream in found["streams"]
    ]


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
    wrong = [
        path.name
        for path in sorted(whole.iterdir())
        if path.suffix == ".mp4" and tracks(path) != tracks(parts / path.name)
    ]
    yield verdict("different", ", ".join(wrong)) if wrong else verdict("equal")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--files", nargs="+", type=Path)
    parser.add_argument("--profile", default="preview")
    parser.add_argument("--chunks", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=24.0)
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
