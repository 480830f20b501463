"""How much of what was made is decoded to verify it."""

from __future__ import annotations

from fractions import Fraction

from ..contract import Clip
from .metrics import Metric

MOST_SAMPLES = 8
SAMPLED_SHARE = 0.04
"""Of the duration, between first and last group: decoding costs about a tenth of
encoding, so this adds less than half a percent."""
MANY_GROUPS = 8
"""From here on at least one group between first and last is decoded."""
_MOST_PIXELS = 600e6
"""Of a copied picture that is decoded throughout: about 2 s of CPU."""
MOST_SOUND_SECONDS = 600.0
"""Likewise of copied sound: about 1 s."""
SCORED_AT_LEAST = 5
"""Pictures of each part, where it has so many."""
SCORED_OF_ALL = 120
"""About so many pictures of a whole, where it has more than some hundred."""
MOST_VMAF_THREADS = 4
"""Each of them holds memory."""
COMPARED_EVERY = 3
"""Of the pictures that are compared with their source, every so many-th is scored:
scoring is most of the work. An odd number, as encoders repeat themselves every two,
four or eight pictures: the same parts came to 90.6 with four and 89.6 with three."""


def groups_between(seconds: float, group_seconds: float) -> int:
    """How many groups are decoded between the first and the last."""
    if group_seconds <= 0:
        return 0
    # Which of two neighbours a rounding chooses does not matter, but that both agree.
    count = min(MOST_SAMPLES, int(round(seconds * SAMPLED_SHARE / group_seconds, 6)))
    if not count and seconds >= MANY_GROUPS * group_seconds:
        return 1
    return count


def most_copied_seconds(width: int, height: int, frame_rate: float) -> float:
    """How long a copied picture may be to be decoded throughout."""
    return _MOST_PIXELS / (width * height * frame_rate)


LEAD_PICTURES = 10
"""Of a part that rate factors are tried on: encoded, not scored, and before its
keyframe. x264 and x265 take a keyframe's quantiser from the pictures before it. Beside
the same pictures in the whole, by means of four to six places in each of three clips:
with three x265 came to -1.1 to -0.2 of VMAF and x264 to -0.8 and -0.3, with eight x265
to -1.9 and -1.0, with ten x265 to -0.1 to 0.6 and x264 to 0.1 to 0.3, as with 25."""
TAIL_SECONDS = 0.24
"""Encoded behind it and not scored: an encoder that looks ahead sees no end there.
Beside the same pictures in the whole, six places in each of three or four clips: with
0.12 s H.264 came to -0.3 of VMAF, HEVC to -0.2 and AV1 to -0.3, with 0.4 s to -0.1, 0
and 0; longer ones are no better."""
_ASSUMED_RATE = 25


_MOST_TELLING = 6


def telling_parts(parts: int) -> int:
    """On how many a further factor is tried: what it changes is alike in all."""
    return min(max(parts // 2, 1), _MOST_TELLING)


def lead_seconds(rate: Fraction | None) -> float:
    return LEAD_PICTURES / float(rate or _ASSUMED_RATE)


SETTLED_SECONDS = 0.36
"""So long after its keyframe scoring begins: it and what follows at once are better
than the rest of their group. Of groups of 2 s of ten clips the first 0.4 s had 0.4 to
2.1 of VMAF more than all, the second -0.8 to 0.7, on average 0."""
BELOW_WHOLE = 0.3
"""VMAF: so much lower parts come out than the whole they are of, which has better
pictures at the beginning of each group (0.1 of VMAF), and whose encoder sees for how
long each is referred to (0.1 to 0.3; see `TAIL_SECONDS`). Without it 22 clips of 30 s
came out 0.2 (H.264) and 0.6 (HEVC) better than asked, on average, medians 0.4 and 0.3
(2026-12-01)."""
_LEAST_SECONDS = 0.3
"""Weighed of a part; what leaves less has no pictures to spare."""


def weighed_window(clip: Clip, rate: Fraction | None) -> tuple[float, float] | None:
    """
    From where to where in *clip*, in seconds of it, a search weighs pictures: from the
    keyframe behind the lead on.

    None: all of it, as it is too short for anything else, or all that is made: what is
    made begins and ends there, too.
    """
    if clip.entire:
        return None
    lasts = (clip.end_seconds or 0.0) - clip.start_seconds
    lead = lead_seconds(rate)
    if lasts < lead + _LEAST_SECONDS + TAIL_SECONDS:
        return None
    return lead, lasts - TAIL_SECONDS


def scored_window(clip: Clip, rate: Fraction | None) -> tuple[float, float] | None:
    """From where to where a search scores pictures; as `weighed_window`, but later."""
    weighed = weighed_window(clip, rate)
    if weighed is None:
        return None
    begin, end = weighed
    return begin + min(SETTLED_SECONDS, (end - begin) / 2), end


def of_whole(score: float, metric: Metric) -> float:
    """What the whole has whose parts have *score*."""
    higher = score + BELOW_WHOLE * metric.per_vmaf
    return higher if metric.perfect is None else min(higher, metric.perfect)
