"""In which clock pictures are timed, so that no time is rounded."""

from __future__ import annotations

from fractions import Fraction
from math import floor, lcm

from ...contract import Task, VideoStream

_FINE_CLOCK = 10_000
_FINEST_CLOCK = 1_000_000
_MPEG_CLOCK = 90_000
_NEARLY_WHOLE = 1e-3


def timescale(
    video: VideoStream, rates: frozenset[Fraction | None], *, exact_copy: bool
) -> int:
    """
    Ticks per second of every video track of the task, one for all.

    Constant rates get a clock in which a frame is a whole number of ticks, at least
    10 000 a second so that a start offset survives; otherwise the source's own
    clock, in which its times are exact; 90 kHz (MPEG's) where neither is known.
    """
    fixed = {rate for rate in rates if rate is not None}
    if None in rates and snaps(video) and not exact_copy and video.frame_rate:
        fixed.add(video.frame_rate)
    elif None in rates or exact_copy:
        base = video.time_base
        if base is None or not _FINE_CLOCK // 10 <= base.denominator <= _FINEST_CLOCK:
            return _MPEG_CLOCK
        if not fixed:
            return _refined(base.denominator)
        fixed.add(Fraction(base.denominator))
    ticks = lcm(*(rate.numerator for rate in fixed))
    return _refined(ticks) if ticks <= _FINEST_CLOCK else _MPEG_CLOCK


def snaps(video: VideoStream) -> bool:
    """
    Whether frame times are put back on the grid of a known constant rate.

    Matroska rounds to milliseconds and MPEG-TS cannot say 24000/1001 exactly; a
    player told 29.412 instead of 29.97 is told wrong. Only where the container's
    clock cannot count frames, and only for broadcast rates (whole, or over 1001),
    where an average is no accident.
    """
    rate, base = video.frame_rate, video.time_base
    if rate is None or rate <= 0 or video.variable_frame_rate is not False:
        return False
    exact = base is not None and (1 / (rate * base)).denominator == 1
    return not exact and rate.denominator in {1, 1001}


def lead_frames(task: Task) -> int:
    """
    Frames that stand in for a picture which begins after the sound.

    Players do not agree what to show before a picture that begins late (some move it
    to 0, away from the sound), so it begins with the sound: its first frame is shown
    from there on. Nothing is filled beside a copied rendition, which cannot be; nor in
    a clip, whose first picture is shown from its start on.
    """
    recipe = task.recipe
    if recipe.clip is not None:
        return 0
    video = next((v for v in task.media.video if v.index == recipe.video_index), None)
    copied = any(it.made_by == "copied" for it in recipe.video)
    if video is None or video.frame_rate is None or copied or not recipe.audio:
        return 0
    late = (video.start_seconds or 0.0) - (task.media.start_seconds or 0.0)
    return max(0, floor(late * float(video.frame_rate) + _NEARLY_WHOLE))


def _refined(ticks: int) -> int:
    while ticks < _FINE_CLOCK:
        ticks *= 2
    return ticks
