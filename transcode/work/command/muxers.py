"""How files and stills are written: options of the outputs, with their reasons."""

from __future__ import annotations

from collections.abc import Mapping

from ...contract import AudioRendition, Recipe

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


def labels(sound: AudioRendition, index: int, *, position: int) -> dict[str, str]:
    # Told explicitly, because the source's own tags are stripped below.
    labels = {f"disposition:a:{index}": "default" if sound.default else "0"}
    if sound.language is not None:
        labels[f"metadata:s:a:{index}"] = f"language={sound.language}"
    if sound.title is not None:
        # The same stream by its position: one option takes one value here.
        labels[f"metadata:s:{position}"] = f"title={sound.title}"
    return labels


def metadata(recipe: Recipe, muxer: Mapping[str, str]) -> dict[str, str]:
    """
    Whether tags of the source go into a file of *muxer*: by default none does.

    Those of streams come from the source only where they are copied or mapped, and go
    with the container's.
    """
    if not recipe.keep_metadata:
        # Places, serial numbers and names of people stay with the owner.
        return {"map_metadata": "-1", "map_chapters": "-1"}
    # In MP4 chapters are a track more, which nobody planned.
    kept = {"map_metadata": "0", "map_chapters": "-1"}
    if muxer["f"] == "mp4" and "faststart" in muxer["movflags"]:
        # Make, model and what else has no box of its own in MP4.
        kept["movflags"] = f"{muxer['movflags']}+use_metadata_tags"
    return kept
