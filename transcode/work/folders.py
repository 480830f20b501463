"""The folder in which a task's files are made: what it needs, and how it is emptied."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..contract import Recipe
from .captions_listing import FOLDER as CAPTIONS_FOLDER
from .stills import SPRITES_FOLDER


def prepare(recipe: Recipe, staging: Path) -> None:
    """Make the folders that ffmpeg expects to exist."""
    if recipe.sprites is not None:
        (staging / SPRITES_FOLDER).mkdir(exist_ok=True)
    if recipe.captions:
        (staging / CAPTIONS_FOLDER).mkdir(exist_ok=True)


def clear(staging: Path) -> None:
    """What a failed way left behind must not be taken for a result."""
    for path in staging.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
