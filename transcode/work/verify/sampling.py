"""How much of an output is decoded to verify it: all of it, or some groups."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ...contract import AudioRendition, Task, VideoRendition
from ...media.sampling import (
    MOST_SOUND_SECONDS,
    groups_between,
    most_copied_seconds,
)
from .source import source_video

_USUAL_RATE = 30


def unheard(
    task: Task, plan: VideoRendition | AudioRendition
) -> Callable[[Any], None] | None:
    """Has a short copy decoded throughout: no encoder has met what it may hide."""
    seconds = task.media.duration_seconds
    if plan.made_by == "encoded" or seconds is None:
        return None
    if isinstance(plan, VideoRendition):
        source = source_video(task)
        rate = (source and source.frame_rate) or _USUAL_RATE
        most = most_copied_seconds(plan.width, plan.height, float(rate))
    else:
        most = MOST_SOUND_SECONDS
    return None if seconds > most else lambda _frame: None


def sample_times(task: Task, index: int) -> list[Fraction]:
    """When groups are decoded; each rendition at other times, so more is seen."""
    seconds = Fraction(task.media.duration_seconds or 0)
    count = groups_between(float(seconds), task.recipe.gop_seconds)
    streams = len(task.recipe.video) + len(task.recipe.audio)
    phase = Fraction(index + 1, streams + 1)
    return [seconds * (number + phase) / count for number in range(count)]
