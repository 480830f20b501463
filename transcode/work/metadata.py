"""What is written about the media into the files, beside the media themselves."""

from __future__ import annotations

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


def metadata(recipe: Recipe) -> dict[str, str]:
    if recipe.keep_metadata:
        return {"map_metadata": "0"}
    return {
        # Places, serial numbers and names of people stay with the owner.
        "map_metadata": "-1",
        "map_chapters": "-1",
    }
