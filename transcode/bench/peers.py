"""The same ladder by another tool, where it is installed: shaka-streamer."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..contract import Manifest
from ..errors import TranscodeError
from ..plan.profile import Profile, VideoRung
from ..wiring import Wiring
from ..work.toolchain import find_ffmpeg
from .children import Took, run, transcode
from .clips import named, own_clip
from .jobs import done, figure, scratch
from .quality import vmaf
from .report import Figure, Found
from .telling import Tell
from .variants import kept, without_copying

_HEIGHTS = {240: 242, 360: 400, 480: 1000, 720: 2000, 1080: 4000}
"""Short side → kbit/s that shaka-streamer 1.5.1 gives H.264 there by itself
(`streamer/bitrate_configuration.py`)."""
_PRESET = "slow"
"""That it encodes films with (`streamer/transcoder_node.py`); ours is set to it."""
_NAME = "shaka-streamer"
_NOTE = (
    "Both make H.264 and AAC in the same sizes, as HLS and DASH in segments of 4 s, "
    "with libx264's preset slow. shaka-streamer is given its own bit rates, ours its "
    "shipped quality with those as caps. vmaf is of the largest rendition, beside the "
    "source. They take turns at going first, after one uncounted warm-up."
)


def peers(files: Sequence[Path], *, repeat: int, wired: Wiring, tell: Tell) -> Found:
    """Each file by both; what is not installed is named."""
    program = shutil.which(_NAME, path=str(Path(sys.executable).parent)) or (
        shutil.which(_NAME)
    )
    figures: list[Figure] = []
    with scratch() as folder:
        given = named(files) or [own_clip(folder, wired.settings, seconds=10)]
        for file in given:
            of = {"file": file.name, "peer": _NAME}
            if program is None:
                why = f"{_NAME} is not installed, or not on the path"
                figures.append(_unknown(of, why))
                continue
            try:
                figures += _beside(
                    file, of, program, folder, repeat=repeat, wired=wired, tell=tell
                )
            except TranscodeError as exc:
                figures.append(_unknown(of, exc.message))
    return Found(figures=tuple(figures), notes=(_NOTE,))


def _unknown(of: dict[str, str], why: str) -> Figure:
    return Figure(name="ratio", unit="", better="less", of=of, reason=why)


def _beside(  # noqa: PLR0913 - one comparison is just this
    file: Path,
    of: dict[str, str],
    program: str,
    folder: Path,
    *,
    repeat: int,
    wired: Wiring,
    tell: Tell,
) -> Iterator[Figure]:
    ffmpeg = find_ffmpeg(wired.settings)
    media = json.loads(_probed(file))
    video = media["video"][0]
    side = min(video["display_width"], video["display_height"])
    sizes = [it for it in _HEIGHTS if it <= side]
    profile = kept(_ladder(wired.catalog.profile("hls"), sizes), folder, "peers")
    pairs: list[tuple[Took, Took]] = []
    scores: tuple[float, float] | None = None
    sound = bool(media["audio"])
    for number in range(repeat + 1):
        tell.repeat(file.name, max(0, number - 1), repeat)
        with scratch() as to:
            if number % 2:
                theirs = _streamed(file, to, program, sizes, sound=sound)
                ours, manifest = done(file, to / "ours", profile)
            else:
                ours, manifest = done(file, to / "ours", profile)
                theirs = _streamed(file, to, program, sizes, sound=sound)
            if number:
                pairs.append((ours, theirs))
            else:
                scores = (
                    vmaf(_top_of(manifest), file, ffmpeg),
                    vmaf(_largest(to / "theirs"), file, ffmpeg),
                )
    wall = [ours.wall_seconds / theirs.wall_seconds for ours, theirs in pairs]
    yield figure("ratio", "", "less", of, wall)
    cpu = [ours.cpu_seconds / theirs.cpu_seconds for ours, theirs in pairs]
    yield figure("cpu_ratio", "", "less", of, cpu)
    yield figure("ours", "s", "less", of, [it.wall_seconds for it, _ in pairs])
    yield figure("theirs", "s", None, of, [it.wall_seconds for _, it in pairs])
    if scores is not None:
        yield figure("vmaf", "", "more", of, [scores[0]])
        yield figure("their_vmaf", "", None, of, [scores[1]])


def _probed(file: Path) -> str:
    return run(transcode("probe", str(file), "--json")).out


def _ladder(base: Profile, sizes: Sequence[int]) -> Profile:
    video = base.video
    assert video is not None  # noqa: S101 - `hls` has pictures
    crf = statistics.median(it.crf for it in video.rungs)
    rungs = tuple(
        VideoRung(short_side=it, crf=crf, max_bit_rate_kbps=_HEIGHTS[it])
        for it in sizes
    )
    update = {"rungs": rungs, "preset": _PRESET}
    return without_copying(
        base.model_copy(
            update={
                "video": video.model_copy(update=update),
                "sprites": None,
                "poster": None,
            }
        )
    )


def _streamed(
    file: Path, to: Path, program: str, sizes: Sequence[int], *, sound: bool
) -> Took:
    """JSON is YAML: its two configurations are written as that."""
    inputs = [{"name": str(file), "media_type": "video"}]
    if sound:
        inputs.append({"name": str(file), "media_type": "audio"})
    pipeline = {
        "streaming_mode": "vod",
        "resolutions": [f"{it}p" for it in sizes],
        "video_codecs": ["h264"],
        "audio_codecs": ["aac"],
        "channel_layouts": ["stereo"],
        "manifest_format": ["dash", "hls"],
        "segment_size": 4,
        "segment_per_file": True,
    }
    for name, data in (("input", {"inputs": inputs}), ("pipeline", pipeline)):
        (to / f"{name}.yaml").write_text(json.dumps(data), encoding="utf-8")
    argv = [program, "-i", str(to / "input.yaml"), "-p", str(to / "pipeline.yaml")]
    return run([*argv, "-o", str(to / "theirs")], folder=to)


def _top_of(manifest: Manifest) -> Path:
    pictures = [it for it in manifest.outputs if it.kind == "rendition" and it.video]
    top = max(pictures, key=lambda it: it.video.height if it.video else 0)
    return Path(top.uri.removeprefix("file://"))


def _largest(folder: Path) -> Path:
    """The playlist whose segments weigh most."""
    lists = [it for it in folder.rglob("*.m3u8") if _weight(it)]
    return max(lists, key=_weight)


def _weight(playlist: Path) -> int:
    """Bytes of what it names; 0 of a list of lists."""
    named_ = [
        playlist.parent / line.strip()
        for line in playlist.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#") and not line.endswith(".m3u8")
    ]
    return sum(it.stat().st_size for it in named_ if it.is_file())
