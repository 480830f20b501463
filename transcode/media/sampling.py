"""How much of what was made is decoded to verify it."""

from __future__ import annotations

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
