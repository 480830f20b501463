"""
Every attack file, by every way in, under every name: does anything reach its bait?

    nice -n 19 python -m bench.stress.attacks

Each file that asks for other files or addresses is tried as a path, as an object behind
http and under misleading names; in the probe, in a whole `run`, in an encode with
stills whose probe was misled, and as a watermark, measured and drawn. A listening
address and the files that are asked for are watched. Prints a table. Exits 1 on a hit,
on a hang, on an error without a type, on a success, or where nothing was looked at.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from bench.harness import parser_of
from tests.hostile.rig import Rig, rigged
from transcode.contract import MarkImage, Source, Task, Watermark
from transcode.errors import TranscodeError
from transcode.media.image import look_at
from transcode.pipeline import admit, run
from transcode.probe.probe import probe
from transcode.request import Request
from transcode.settings import Settings
from transcode.wiring import wire
from transcode.work.perform import perform
from transcode.work.toolchain import find_ffmpeg

MEDIA = Path(__file__).resolve().parents[3] / "shared" / "media" / "attack"
SUFFIXES = (".mp4", ".mkv", ".srt", ".jpg", ".ts")
LONGEST_SECONDS = 20.0
PLAYABLE = frozenset(
    {"PHP_exif_system", "metadata-link", "movie-in-skip", "reference-url"}
)
"""Honest media beside what they carry: to be transcoded like any other."""


@dataclass(frozen=True)
class Way:
    """One way in: how an attack is given, and to what."""

    name: str
    act: Callable[[Bench, str, Path], tuple[object, ...]]
    remote: bool = False
    suffixes: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Bench:
    """What all ways share."""

    rig: Rig
    honest: dict[str, Task]
    remote: bool = False

    def source(self, name: str) -> Source:
        return self.rig.source(name, remote=self.remote)

    def task(self, name: str) -> Task:
        return self.honest.get(Path(name).suffix[1:], self.honest["mp4"])


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--media", type=Path, default=MEDIA, help="further attacks")
    parser.add_argument("--ways", nargs="+", help="only these, by their beginning")
    options = parser.parse_args()
    ways = [
        way
        for way in WAYS
        if not options.ways or way.name.startswith(tuple(options.ways))
    ]
    began = time.monotonic()
    counts: dict[str, Counter[str]] = {way.name: Counter() for way in ways}
    faults = []
    with (
        tempfile.TemporaryDirectory(prefix="attacks-") as place,
        _bench(place) as bench,
    ):
        for path in sorted(options.media.glob("*")):
            shutil.copy(path, bench.rig.uploads)
            bench.rig.names.append(path.name)
        for way in ways:
            for name, verdict in _tried(way, bench):
                kind = verdict.partition(":")[0]
                counts[way.name][kind] += 1
                if kind in {"HIT", "HANG", "UNTYPED", "MADE", *UNREAD}:
                    faults.append(f"! {way.name}: {name}: {verdict}")
                    print(faults[-1], flush=True)
            print(f"  {way.name} done", file=sys.stderr, flush=True)
    files = len(bench.rig.names)
    _print(counts, files=files, seconds=time.monotonic() - began)
    return 1 if faults else 0


@contextmanager
def _bench(place: str) -> Iterator[Bench]:
    folder, ffmpeg = Path(place), find_ffmpeg(Settings())
    clips = {}
    for suffix in ("mp4", "ts", "avi"):
        clips[suffix] = folder / f"honest.{suffix}"
        _film(ffmpeg, clips[suffix], "-f", "lavfi", "-i", "sine=d=1")
    bait = folder / "clip.mp4"
    _film(ffmpeg, bait)
    honest = {suffix: _planned(clip) for suffix, clip in clips.items()}
    with rigged(folder, bait, ffmpeg) as rig:
        yield Bench(rig, honest)


def _film(ffmpeg: str, path: Path, *sound: str) -> None:
    argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:d=1", *sound]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", str(path)]
    subprocess.run(argv, check=True)


def _planned(clip: Path) -> Task:
    async def plan() -> Task:
        request = Request(source=str(clip), profile="preview")
        return (await admit(request, wire(Settings()))).tasks[0].task

    return anyio.run(plan)


def _tried(way: Way, bench: Bench) -> Iterator[tuple[str, str]]:
    bench = Bench(bench.rig, bench.honest, remote=way.remote)
    rig = bench.rig
    for attack in tuple(rig.names):
        for suffix in way.suffixes:
            name = f"as-{Path(attack).stem}{suffix}" if suffix else attack
            path = rig.uploads / name
            known = path.exists()
            if not known:
                shutil.copy(rig.uploads / attack, path)
            with tempfile.TemporaryDirectory(prefix="attacked-") as folder:
                rig.touched(name)
                yield name, _verdict(way, bench, name, Path(folder))
            if not known:
                path.unlink()


def _verdict(way: Way, bench: Bench, name: str, folder: Path) -> str:
    began = time.monotonic()
    made = False
    try:
        said = way.act(bench, name, folder)
        made = not any(getattr(it, "failure", None) for it in said)
        verdict = "made" if made else said[0].failure.type  # type: ignore[attr-defined]
    except TranscodeError as exc:
        said = (str(exc), exc.evidence, exc.manifest)
        verdict = type(exc).__name__
    except Exception as exc:  # noqa: BLE001  that it is caught here is the fault
        return f"UNTYPED: {type(exc).__name__}: {exc}"
    if touched := bench.rig.touched(name, *said, folders=(folder,)):
        return f"HIT: {sorted(touched)}"
    if time.monotonic() - began > LONGEST_SECONDS:
        return "HANG"
    if (
        made
        and way.name not in HARMLESS
        and Path(name).stem.removeprefix("as-") not in PLAYABLE
    ):
        return "MADE: what holds no media of its own"
    return verdict


def _probe(bench: Bench, name: str, _folder: Path) -> tuple[object, ...]:
    return (anyio.run(probe, bench.source(name)),)


def _run(bench: Bench, name: str, folder: Path) -> tuple[object, ...]:
    request = Request(
        source=bench.source(name).location,
        profile="preview",
        to=str(folder / "results"),
    )
    # The server of these files is a neighbour, which nobody else would be asked.
    settings = Settings(scratch=str(folder), private_hosts="127.0.0.1")

    async def ask() -> Any:
        return await run(request, wire(settings))

    return (anyio.run(ask),)


def _swapped(bench: Bench, name: str, folder: Path) -> tuple[object, ...]:
    """Encoded with stills, as planned for an honest upload that was there before."""
    task = bench.task(name).model_copy(update={"source": bench.source(name)})
    return _performed(task, folder)


def _performed(task: Task, folder: Path) -> tuple[object, ...]:
    done = perform(
        task,
        staging=folder / "staging",
        scratch=folder / "scratch",
        settings=Settings(),
        report=lambda _progress: None,
    )
    return (done,)


def _look_at(bench: Bench, name: str, _folder: Path) -> tuple[object, ...]:
    return (look_at(bench.rig.uploads / name),)


def _drawn(bench: Bench, name: str, folder: Path) -> tuple[object, ...]:
    """As if its header had passed for a picture's."""
    path = bench.rig.uploads / name
    image = MarkImage(
        path=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        format={".jpg": "jpeg", ".webp": "webp"}.get(path.suffix, "png"),
        width=64,
        height=64,
    )
    task = bench.honest["mp4"]
    mark = Watermark(
        image=image, position="top-left", size=0.2, opacity=1.0, margin=0.0
    )
    recipe = task.recipe.model_copy(update={"watermark": mark})
    return _performed(task.model_copy(update={"recipe": recipe}), folder)


NAMED = ("", *SUFFIXES)
WAYS = (
    Way("probe, path", _probe, suffixes=NAMED),
    Way("probe, object", _probe, remote=True, suffixes=("", ".mkv")),
    Way("run, path", _run),
    Way("run, object", _run, remote=True),
    Way("encode and stills, path", _swapped, suffixes=("", ".jpg")),
    Way("encode and stills, object", _swapped, remote=True),
    Way("watermark, measured", _look_at, suffixes=("", ".png", ".jpg")),
    Way("watermark, drawn", _drawn),
)
HARMLESS = frozenset({"watermark, measured", "watermark, drawn"})
"""A picture with something behind it is measured, and may be drawn."""


UNREAD = frozenset({"SourceUnreadable", "SourceNotFound", "SettingsError"})
"""Nobody looked at the file, so nothing was shown."""


def _print(counts: dict[str, Counter[str]], *, files: int, seconds: float) -> None:
    print(f"\n{'way in':28} {'runs':>5} {'hits':>5}  verdicts")
    for way, found in counts.items():
        words = ", ".join(f"{kind} {count}" for kind, count in found.most_common())
        print(f"{way:28} {found.total():5} {found['HIT']:5}  {words}")
    total = sum(found.total() for found in counts.values())
    hits = sum(found["HIT"] for found in counts.values())
    print(f"{total} runs of {files} files in {seconds:.0f} s: {hits} hits")


if __name__ == "__main__":
    sys.exit(main())
