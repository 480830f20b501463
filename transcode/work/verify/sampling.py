"""How much of an output is decoded to verify it: all of it, or some groups."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ...contract import AudioRendition, Task, VideoRendition
from .source import source_video

_MOST_SAMPLES = 8
_SAMPLED_SHARE = 0.04
"""Of the duration, between first and last group: decoding costs about a tenth of
encoding, so this adds less than half a percent."""
_MANY_GROUPS = 8
"""From here on at least one group between first and last is decoded."""
_MOST_PIXELS = 600e6
"""Of a copied picture that is decoded throughout: about 2 s of CPU."""
_MOST_SOUND_SECONDS = 600
"""Likewise of copied sound: about 1 s."""
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
        most = _MOST_PIXELS / (plan.width * plan.height * float(rate))
    else:
        most = _MOST_SOUND_SECONDS
    return None if seconds > most else lambda _frame: None


def sample_times(task: Task, index: int) -> list[Fraction]:
    """When groups are decoded; each rendition at other times, so more is seen."""
    seconds = Fraction(task.media.duration_seconds or 0)
    group = Fraction(task.recipe.gop_seconds)
    if group <= 0:
        return []
    count = min(_MOST_SAMPLES, int(seconds * Fraction(_SAMPLED_SHARE) / group))
    if not count and seconds >= _MANY_GROUPS * group:
        count = 1
    streams = len(task.recipe.video) + len(task.recipe.audio)
    phase = Fraction(index + 1, streams + 1)
    return [seconds * (number + phase) / count for number in range(count)]
