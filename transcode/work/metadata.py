"""What is written about the media into the files, beside the media themselves."""

from __future__ import annotations

from collections.abc import Mapping

from ..contract import AudioRendition, Recipe


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
