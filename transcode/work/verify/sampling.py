"""How much of an output is decoded to verify it: all of it, or some groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
_CLOCK_SECONDS = Fraction(3, 2000)
"""Two clocks of a millisecond do not tell less apart."""


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


def near(task: Task, plan: VideoRendition) -> Fraction:
    """
    Seconds by which a picture of a result may be shown before or after its source's:
    half a picture on the grid of a constant rate, and never beyond the source's next.

    Without such a rate it is shown when the source's is.
    """
    source = source_video(task)
    rate = source and source.frame_rate
    if not rate or (source and source.variable_frame_rate is not False):
        return _CLOCK_SECONDS
    return min(1 / (2 * (plan.frame_rate or rate)), 1 / rate) + _CLOCK_SECONDS


def sample_times(
    task: Task,
    plan: VideoRendition | AudioRendition,
    index: int,
    look: Sequence[Fraction] = (),
) -> list[Fraction]:
    """
    When groups are decoded; each rendition at other times, so more is seen.

    Where there are times to *look*, those next to them. None of what a join puts
    together of chunks: each was decoded where it was made, and these are its packets.
    """
    joined = isinstance(plan, VideoRendition) and plan.made_by == "encoded"
    if task.kind == "join" and joined:
        return []
    seconds = Fraction(task.media.duration_seconds or 0)
    count = groups_between(float(seconds), task.recipe.gop_seconds)
    streams = len(task.recipe.video) + len(task.recipe.audio)
    phase = Fraction(index + 1, streams + 1)
    times = [seconds * (number + phase) / count for number in range(count)]
    if not look:
        return times
    return sorted({min((abs(it - at), it) for it in look)[1] for at in times})
