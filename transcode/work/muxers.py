"""How files and stills are written: options of the outputs, with their reasons."""

from __future__ import annotations

from collections.abc import Mapping

MUXERS: Mapping[str, dict[str, str]] = {
    "mp4": {
        "f": "mp4",
        # The index first: playback starts before the download ends.
        "movflags": "+faststart",
    },
    "webm": {
        "f": "webm",
        # The same for WebM: seeking works before the download ends.
        "cues_to_front": "1",
    },
    "ogg": {"f": "ogg"},
}

JPEG = {
    "f": "image2",
    "c:v": "mjpeg",
    # Small pictures: threads cost more than they bring.
    "threads:v": "1",
    # JPEG is full range; the encoder insists on hearing it.
    "color_range:v": "pc",
    # Lets the encoder open for a stream that never had a frame: then one picture is
    # missing, and not the whole encode thrown away.
    "strict": "unofficial",
    # In order: when the source changes its size, the filters begin anew.
    "fps_mode:v": "vfr",
    "enc_time_base:v": "filter",
    "map_metadata": "-1",
}

POSTERS = "poster-%03d.jpg"
"""Pattern of the poster's candidates, in the folder ffmpeg is started in."""
SPRITES = "sprites/%05d.jpg"
"""Pattern of the sheets, likewise; its folder has to exist."""
