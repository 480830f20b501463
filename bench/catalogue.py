"""
A mixed catalogue, cut from the workload, for `transcode bench frontier` and `accuracy`.

    python bench/catalogue.py FOLDER [--all]
    transcode bench frontier FOLDER/* --keep runs.json

22 files, 240p to 2160p, 1 s to 2 minutes, most of them small, as uploads are: packets
copied, or scaled at a usual quality. `--all` has more and larger ones: what two cores
would take hours for.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

from bench.harness import parser_of

WORKLOAD = Path(__file__).resolve().parents[2] / "shared" / "media" / "workload"
CATALOGUE: Sequence[tuple[str, float, int | None]] = (
    ("big-buck-bunny-480p-30sec.mp4", 1, 240),
    ("car-detection.mp4", 3, 240),
    ("solidWhiteRight.mp4", 5, 240),
    ("Azure_Bumper.mp4", 6, 240),
    ("Butterfly-209.mp4", 7, 240),
    ("man-on-green-screen.mp4", 10, 240),
    ("example.mp4", 15, 240),
    ("bottle-detection.mp4", 20, 240),
    ("video-h265.mp4", 10, 240),
    ("long_1080p_lowbitrate.mp4", 120, 240),
    ("bottle-detection.mp4", 40, None),
    ("big-buck-bunny_trailer.webm", 32, None),
    ("bbb_360p30_60s.ts", 60, None),
    ("bun33s.mkv", 33, None),
    ("car-detection.mp4", 30, None),
    ("big-buck-bunny-480p-30sec.mp4", 12, None),
    ("v-0480p-0750k-vp9.webm", 15, None),
    ("Butterfly-209.mp4", 7, None),
    ("man-on-green-screen.mp4", 10, None),
    ("Azure_Bumper.mp4", 6, None),
    ("video-h265.mp4", 5, None),
    ("bbb_2160p60_15s_fmp4.mp4", 2, None),
)
"""Of the workload: how many seconds, and the short side it is scaled to, if it is."""
LARGER: Sequence[tuple[str, float, int | None]] = (
    ("example.mp4", 42, None),
    ("v-0480p-0750k-vp9.webm", 60, None),
    ("video-h265.mp4", 10, None),
    ("test_stereo.mp4", 10, None),
    ("long_1080p_lowbitrate.mp4", 120, None),
    ("bbb_2160p60_15s_fmp4.mp4", 16, None),
)
"""What two cores would take hours for."""


def catalogue(folder: Path, *, larger: bool) -> list[Path]:
    """The files, made in *folder*: copied packets, or scaled at a usual quality."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    made = []
    for number, (name, seconds, side) in enumerate(
        (*CATALOGUE, *(LARGER if larger else ()))
    ):
        source = WORKLOAD / name
        suffix = ".mp4" if side else source.suffix
        path = folder / f"{number:02d}-{source.stem[:16]}-{seconds:g}s{suffix}"
        how = ["-c", "copy"]
        if side:
            how = ["-vf", f"scale=-2:{side}", "-pix_fmt", "yuv420p", "-c:a", "aac"]
        argv = [ffmpeg, "-v", "error", "-i", str(source), "-t", f"{seconds:g}"]
        argv += ["-map", "0:v:0", "-map", "0:a:0?", *how, str(path)]
        subprocess.run(argv, check=True)
        made.append(path)
    return made


def main() -> None:
    """Cut them."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in catalogue(options.folder, larger=options.all):
        print(path)


if __name__ == "__main__":
    main()
