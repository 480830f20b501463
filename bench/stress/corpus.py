"""
Every file of a folder through every profile, judged by a second tool.

    python bench/stress/corpus.py ../shared/media --profiles preview mp4 hls

Prints a line per run, then a table: how many runs of each profile were verified, how
many refused and with which error, and what else happened, which is nothing when all is
well. For verified outputs it measures again, with tools that neither made nor checked
them (`second_opinion.py`): durations, frames, sound against picture at start and end,
shape, orientation, colours, loudness. A second table lists each disagreement.

Last come the attempts: how many tasks succeeded at their first, and in how many more
memory was used than was predicted. `--platform` says whose specs they get, and with
`--seconds` no more than the beginning is made, which nobody judges.

`--results FILE` keeps a JSON line per run and goes on where it stopped; runs start
with the cheap files. Exits 1 when anything is neither verified nor refused, when the
second tool disagrees, or when a first attempt was not enough.
"""

from __future__ import annotations

import collections
import fnmatch
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.harness import container_seconds, parser_of
from bench.stress.second_opinion import Original, look, original
from bench.stress.second_tool import Unreadable, probe

SKIPPED_NAMES = {"MANIFEST.tsv", "README.md"}
REFUSALS = {2, 3, 5}
CRASHES = {"InternalError", None}
MIB = 2**20


@dataclass
class Line:
    """What became of one file under one profile."""

    file: str
    profile: str
    verdict: str = ""
    seconds: float = 0.0
    complaints: list[str] = field(default_factory=list)
    unjudged: str = ""
    """Why the second tool has no opinion, if it has none."""
    attempts: list[dict[str, Any]] = field(default_factory=list)
    """Of each: task, number, outcome; memory in MiB as given, predicted and used."""

    @property
    def ended(self) -> bool:
        return self.verdict.startswith(("verified", "refused"))


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("paths", nargs="+", type=Path, help="files or folders")
    parser.add_argument("--profiles", nargs="+", default=["preview", "mp4", "hls"])
    parser.add_argument(
        "--only", action="append", default=[], help="a pattern of names"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--results", type=Path, help="JSON lines, kept and gone on with"
    )
    parser.add_argument("--limit-seconds", type=float, default=600)
    parser.add_argument("--platform", help="whose specs; default: this machine's")
    parser.add_argument(
        "--seconds", type=float, help="make so much of each, and judge nothing"
    )
    options = parser.parse_args()
    asked = ["--platform", options.platform] if options.platform else []
    files = list(_files(options.paths, options.only))
    done = _kept(options.results)
    rest = [
        (name, path)
        for name, path in sorted(files, key=lambda it: _work(it[1]))
        if any((name, profile) not in done for profile in options.profiles)
    ]

    def one(item: tuple[str, Path]) -> None:
        name, path = item
        wanted = [p for p in options.profiles if (name, p) not in done]
        for line in _judged(
            name,
            path,
            wanted,
            limit=options.limit_seconds,
            asked=asked,
            clip=options.seconds,
        ):
            done[name, line.profile] = line
            _tell(line, options.results)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, rest))
    names = {name for name, _ in files}
    lines = [
        line
        for (name, profile), line in sorted(done.items())
        if name in names and profile in options.profiles
    ]
    return report(lines, options.profiles)


def _files(paths: Sequence[Path], only: Sequence[str]) -> Iterable[tuple[str, Path]]:
    for path in paths:
        inside = [path] if path.is_file() else sorted(path.rglob("*"))
        base = path.parent if path.is_file() else path
        for file in inside:
            name = str(file.relative_to(base))
            wanted = not only or any(fnmatch.fnmatch(name, one) for one in only)
            if file.is_file() and file.name not in SKIPPED_NAMES and wanted:
                yield name, file


def _work(path: Path) -> float:
    """Roughly how much there is to decode; the cheap come first."""
    try:
        found = probe(str(path))
    except Unreadable:
        return 0.0
    most = 0.0
    for stream in found["streams"]:
        if stream.get("codec_type") == "video":
            packets = float(stream.get("nb_read_packets") or 0)
            most = max(most, packets * stream.get("width", 0) * stream.get("height", 0))
    return most


def _kept(path: Path | None) -> dict[tuple[str, str], Line]:
    if path is None or not path.exists():
        return {}
    lines = [Line(**json.loads(row)) for row in path.read_text("utf-8").splitlines()]
    return {(line.file, line.profile): line for line in lines}


def _tell(line: Line, results: Path | None) -> None:
    mark = " " if line.ended and not line.complaints else "!"
    print(f"{mark} {line.seconds:6.1f} s  {line.profile:8} {line.verdict:34}"
          f" {line.file}", flush=True)  # fmt: skip
    for complaint in line.complaints:
        print(f"             ↳ {complaint}", flush=True)
    if results is not None:
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(line)) + "\n")


def _judged(  # noqa: PLR0913  one file, and what was asked for
    name: str,
    path: Path,
    profiles: Sequence[str],
    *,
    limit: float,
    asked: Sequence[str],
    clip: float | None,
) -> Iterable[Line]:
    """Run the tool as a user would, and have the second tool look at its outputs."""
    source: Original | None = None
    if clip is not None and _lasts(path) > clip:
        asked = [*asked, "--end", f"{clip:g}"]
    for profile in profiles:
        line = Line(name, profile)
        with tempfile.TemporaryDirectory(prefix="corpus-") as out:
            document = _run(line, path, Path(out, "to"), limit=limit, asked=asked)
            if document is not None and clip is None:
                try:
                    source = source or original(path, document, seconds=limit)
                    line.complaints += look(document, source, seconds=limit)
                except (Unreadable, subprocess.TimeoutExpired) as error:
                    line.unjudged = str(error)[:300]
        yield line


def _lasts(path: Path) -> float:
    return container_seconds(str(path), seconds=60) or 0.0


def _run(
    line: Line, file: Path, to: Path, *, limit: float, asked: Sequence[str]
) -> dict[str, Any] | None:
    """The manifest of a verified job; everything else is told in *line*."""
    argv = [sys.executable, "-m", "transcode", "run", str(file)]
    argv += ["--profile", line.profile, "--to", str(to), "--json", "--quiet", *asked]
    started = time.monotonic()
    try:
        run = subprocess.run(
            argv, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        line.verdict, line.seconds = "HANG", limit
        return None
    line.seconds = round(time.monotonic() - started, 2)
    try:
        document: dict[str, Any] = json.loads(run.stdout)
    except ValueError:
        line.verdict = f"NO JSON, exit {run.returncode}"
        line.complaints.append(run.stderr[-300:])
        return None
    line.attempts = list(_attempts(document))
    if run.returncode == 0 and document["status"] == "succeeded":
        line.verdict = f"verified {document.get('rung') or ''}".strip()
        if not document["verification"]["passed"]:
            line.complaints.append("its own verification did not pass")
        return document
    error = document.get("error") or {}
    refused = run.returncode in REFUSALS and error.get("type") not in CRASHES
    line.verdict = f"{'refused' if refused else 'FAILED'} {error.get('type')}"
    if not refused:
        line.complaints.append(f"exit {run.returncode}: {error.get('message')}"[:300])
    if "Traceback" in run.stderr:
        line.complaints.append("a traceback on standard error")
    if to.exists() and any(to.rglob("*")):
        line.complaints.append("something was left in the destination")
    return None


def _attempts(document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for task in document.get("tasks") or []:
        for one in task["attempts"]:
            measured = one["measured"] or {}
            yield {
                "task": task["kind"],
                "number": one["number"],
                "outcome": one["outcome"],
                "spec_mib": one["spec"]["memory_mib"],
                "predicted_mib": round(one["predicted"]["peak_memory_bytes"] / MIB, 1),
                "used_mib": round((measured.get("peak_memory_bytes") or 0) / MIB, 1),
            }


def report(lines: Sequence[Line], profiles: Sequence[str]) -> int:
    """Prints both tables; 1 when something needs a look."""
    print("\n| profile | runs | verified | refused | anything else |")
    print("| --- | --- | --- | --- | --- |")
    for profile in profiles:
        mine = [line for line in lines if line.profile == profile]
        verified = sum(line.verdict.startswith("verified") for line in mine)
        kinds = collections.Counter(
            line.verdict.partition(" ")[2]
            for line in mine
            if line.verdict.startswith("refused")
        )
        said = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        others = [f"{it.file}: {it.verdict}" for it in mine if not it.ended]
        print(f"| {profile} | {len(mine)} | {verified} | {sum(kinds.values())}: {said}"
              f" | {'; '.join(others)} |")  # fmt: skip
    disputed = [line for line in lines if line.complaints]
    if disputed:
        print("\n| file | profile | verdict | disagreement |")
        print("| --- | --- | --- | --- |")
    for line in disputed:
        for complaint in line.complaints:
            print(f"| {line.file} | {line.profile} | {line.verdict} | {complaint} |")
    unjudged = [line for line in lines if line.unjudged]
    for line in unjudged:
        print(f"\nnot judged: {line.file}, {line.profile}: {line.unjudged}")
    again = _report_attempts(lines)
    bad = [line for line in lines if line.complaints or not line.ended]
    print(f"\n{len(lines)} runs, {len(bad)} in need of a look")
    return 1 if bad or again else 0


def _report_attempts(lines: Sequence[Line]) -> int:
    """Prints those that were not enough; their number."""
    tried = [(line, one) for line in lines for one in line.attempts]
    first = [(line, one) for line, one in tried if one["number"] == 1]
    failed = [(line, one) for line, one in first if one["outcome"] != "succeeded"]
    under = [
        (line, one) for line, one in tried if one["used_mib"] > one["predicted_mib"]
    ]
    print(f"\n{len(first)} tasks, {len(first) - len(failed)} done at their first"
          f" attempt; {len(under)} of {len(tried)} attempts used more memory than"
          " was predicted")  # fmt: skip
    for line, one in failed + [it for it in under if it not in failed]:
        print(f"  {line.file}, {line.profile}: {one['task']} {one['outcome']},"
              f" {one['used_mib']:g} MiB, {one['predicted_mib']:g} predicted,"
              f" {one['spec_mib']} given")  # fmt: skip
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
