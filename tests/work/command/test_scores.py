"""Which pictures of a part are scored beside their source."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transcode.contract import Clip, Task
from transcode.contract.recipe import QualityTarget
from transcode.work.command.scores import MadeFile, compare


@pytest.fixture
def scored(
    make_recipe: Any, video: Any, make_task: Any, make_clip: Callable[..., Path]
) -> Callable[[Clip], str]:
    """Every how many-th of a clip's pictures is, as the filter is told."""
    film = make_clip("film", seconds=2, size="320x180", audio=False)
    target = QualityTarget(score=93.0, model="1080p")
    recipe = make_recipe(video=(video(320, 180, target=target),), audio=())

    def every(clip: Clip) -> str:
        asked = recipe.model_copy(update={"clip": clip})
        task: Task = make_task(film, asked)
        named = {it.name: MadeFile("/made.mp4", "mov") for it in asked.video}
        said = " ".join(compare(task, named, program="ffmpeg"))
        (found,) = re.findall(r"n_subsample=(\d+)", said)
        return str(found)

    return every


@pytest.mark.parametrize("start", [3.36, 8.84, 14.76, 18.24, 10.56])
def test_parts_of_one_length_have_as_many_pictures_scored(
    scored: Callable[[Clip], str], start: float
) -> None:
    """0.6 s are 15 pictures wherever they begin: 9.44 less 8.84 is a little less."""
    assert "3" == scored(Clip(start_seconds=start, end_seconds=start + 0.6))


def test_of_few_pictures_none_is_left_out(scored: Callable[[Clip], str]) -> None:
    """Of nine every third would be two, as the first is no judge of motion."""
    assert "1" == scored(Clip(start_seconds=1.0, end_seconds=1.36))
