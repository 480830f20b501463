"""In which clock pictures are timed, so that no time is rounded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm

from ...contract import (
    Media,
    Recipe,
    Task,
    VideoStream,
)
from ...media.timeline import (
    clipped,
    end_seconds,
    lead_pictures,
    still_seconds,
    zero_seconds,
)

_FINE_CLOCK = 10_000
_FINEST_CLOCK = 1_000_000
_MPEG_CLOCK = 90_000
_STILL_SECONDS = Fraction(1, 4)
"""At a constant rate a picture that stands this long is shown again: what comes between
is a hole that probing did not see, or a dropped frame or two."""
_TAIL_SHARE = Fraction(1, 10)
"""So much of the whole may be the last picture's, shown again at the usual rate."""
_EVEN = Fraction(3, 2)
"""Of a frame: from here on one is missing."""


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
    """As `lead_pictures`, of a task."""
    video = _picture(task.media, task.recipe)
    return 0 if video is None else lead_pictures(task.media, video, task.recipe)


@dataclass(frozen=True, slots=True)
class Hold:
    """Where a picture that stands still is shown again."""

    every: Fraction
    """Seconds from one place to the next."""
    first: Fraction | None
    """One of them, in seconds as filters count; None: where the first picture is."""
    rate: Fraction | None
    """Of the pictures, where it is constant: none is shown again before it is late."""
    after: Fraction = Fraction(0)
    """So long after the first picture, where they count from that."""


def hold(task: Task) -> Hold | None:
    """
    How pictures are held that stand still, so that segments can be cut there.

    Whoever records a screen stores a picture when something changed. At a variable rate
    it is shown again wherever a keyframe is due: one small picture for each. At a
    constant one only where it stands for longer than pictures do; that is looked for
    where not every picture's time was seen. Beside a copied rendition nothing is shown
    that the copy does not show.
    """
    recipe = task.recipe
    video = _picture(task.media, recipe)
    copied = any(it.made_by == "copied" for it in recipe.video)
    if video is None or video.untimed or copied:
        return None
    clip = recipe.clip
    steady = video.frame_rate if video.variable_frame_rate is False else None
    if steady is not None:
        longest = video.longest_still_seconds
        still = longest is None or longest * steady >= _EVEN
        if video.retimed == "count" or not still:
            return None
        frames = max(1, ceil(_STILL_SECONDS * steady / 2))
        return Hold(frames / steady, None, steady)
    every = _exact(recipe.gop_seconds)
    if clip is None:
        # Where it begins is where segments are counted from. What ffmpeg calls 0 is
        # its own business: in some formats the start of what is used alone.
        if not lead_pictures(task.media, video, recipe):
            return Hold(every, None, None)
        # It is shown from where the sound begins.
        late = (video.start_seconds or 0.0) - (task.media.start_seconds or 0.0)
        return Hold(every, None, None, -_exact(late) % every)
    # In a chunk as in the whole.
    begins = _exact((video.start_seconds or 0.0) - zero_seconds(task.media))
    if task.kind != "chunk":
        begins = _exact(clip.start_seconds)
    return Hold(every, (begins - _exact(clip.seek_seconds or 0.0)) % every, None)


def steady_rate(task: Task) -> Fraction | None:
    """
    Frames per second of the source; None where they are not evenly spaced.

    Nor are they where the last one is held for many: it is then shown again at each
    keyframe, and none is reordered.
    """
    video = _picture(task.media, task.recipe)
    if video is None or video.variable_frame_rate is not False:
        return None
    media = clipped(task.media, task.recipe.clip)
    tail = still_seconds(media, task.recipe)
    whole = end_seconds(media, task.recipe) or Fraction(0)
    few = tail <= max(_exact(task.recipe.gop_seconds), whole * _TAIL_SHARE)
    return video.frame_rate if few else None


def evenly_spaced(task: Task) -> bool:
    """Whether it is known that every picture of every rendition follows at one rate."""
    video = _picture(task.media, task.recipe)
    copied = any(it.made_by == "copied" for it in task.recipe.video)
    return video is None or (
        not copied and hold(task) is None and steady_rate(task) is not None
    )


def _picture(media: Media, recipe: Recipe) -> VideoStream | None:
    return next((it for it in media.video if it.index == recipe.video_index), None)


def _exact(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(_FINEST_CLOCK)


def _refined(ticks: int) -> int:
    while ticks < _FINE_CLOCK:
        ticks *= 2
    return ticks
