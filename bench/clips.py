"""Clips that calibration encodes and decodes: raw pictures, and moments of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from bench.harness import Cost, measure
from transcode.media.codecs import BITS_AS_H264

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
CONTENT_HEIGHT = 360
"""Content is compared at one height; its effect on others is taken to be the same."""
PIECES = (0.1, 0.45, 0.8)
PIECE_FRAMES = 24


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


def ffmpeg(*arguments: str) -> Cost:
    return measure(
        (FFMPEG, "-hide_banner", "-nostdin", "-y", "-v", "verbose", *arguments)
    )


def raw(source: Sequence[str], height: int, *, frames: int, into: Path) -> Clip:
    """Pictures of one height, 16:9, as raw 4:2:0."""
    width = height * 16 // 9 // 2 * 2
    graph = f"scale={width}:{height},format=yuv420p"
    stream = ("-map", "0:v:0", "-frames:v", str(frames), "-vf", graph)
    ffmpeg(*source, *stream, "-f", "rawvideo", str(into))
    made = into.stat().st_size // (width * height * 3 // 2)
    return Clip(path=into, width=width, height=height, frames=made)


def encode(clip: Clip, encoder: str, arguments: Sequence[str], *, threads: int) -> Cost:
    if encoder == "libsvtav1":
        # Its own word for threads: `-threads` does not reach it.
        arguments = (*arguments, "-svtav1-params", f"lp={threads}")
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
    packets, size = re.findall(r"\(video\): (\d+) packets read \((\d+) bytes\)", text)[
        0
    ]
    hours, minutes, seconds = re.findall(r"Duration: (\d+):(\d+):([\d.]+)", text)[0]
    bits = int(size) * 8 / (int(packets) * int(width) * int(height))
    return bits / BITS_AS_H264.get(codec, 1.0), (
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
