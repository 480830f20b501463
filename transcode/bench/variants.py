"""Profiles that a bench makes of one that ships: another codec, preset or quality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..plan.profile import Packaging, Profile


def kept(profile: Profile, folder: Path, name: str) -> str:
    """The profile as a TOML file in *folder*; its path, as `--profile` takes it."""
    path = folder / f"{name}.toml"
    data = profile.model_copy(update={"name": name}).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    path.write_text(
        "".join(f"{key} = {_inline(value)}\n" for key, value in data.items()),
        encoding="utf-8",
    )
    return str(path)


def _inline(value: Any) -> str:
    """In one line: TOML 1.0 takes tables there, too."""
    if isinstance(value, Mapping):
        parts = (f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=True)


def without_copying(profile: Profile) -> Profile:
    """Every rendition is encoded."""
    video = profile.video
    return profile.model_copy(
        update={
            "video": video and video.model_copy(update={"copy_conforming": False}),
            "audio": tuple(
                it.model_copy(update={"copy_conforming": False}) for it in profile.audio
            ),
        }
    )


def pictures_alone(profile: Profile) -> Profile:
    """No sound, captions or stills; the pictures encoded, in one file."""
    webm = profile.video is not None and profile.video.codec == "vp9"
    packaging = Packaging(type="file", container="webm" if webm else "mp4")
    return without_copying(profile).model_copy(
        update={
            "packaging": packaging,
            "also": (),
            "audio": (),
            "poster": None,
            "sprites": None,
        }
    )
