"""Does every rendition show the source's picture: shape, way up and colours?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from statistics import fmean, pstdev

from ...contract import DynamicRange, Task, VideoStream
from ...media.colours import is_converted
from ..report import EncodeReport
from ..reshaped import begins_reshaped
from ..seen import Seen
from .source import source_video
from .tracks import Track

_FLAT = 8.0
"""Standard deviation of luma below which a picture has no up and down."""
_LEAST_ALIKE = 0.75
"""Correlation of luma with the source's. Encoded as small as profiles allow it is above
0.95, and below 0.6 for films turned over or squeezed (tried with those beside us)."""
_PLAIN, _MOST_CONTRAST = 20.0, 0.08
"""One range taken for the other is 14 %; encoders at their coarsest stay below 5, of
pictures with more than this standard deviation."""
_MOST_LUMA, _MOST_CHROMA = 12.0, 10.0
"""Steps of 8 bits in the mean; encoders at their coarsest stay below 5."""
_PIXELS = 2
"""By which sides are rounded to even ones."""
_SHAPE_SLACK = Fraction(1, 100)
_MOST_SQUASHED = 10


def pictured(
    task: Task, report: EncodeReport, tracks: Sequence[Track]
) -> Iterator[str]:
    """
    What tells a rendition's first picture from the source's, as it was decoded.

    Shapes always; how alike they are where nothing is drawn on it, and colours where
    they stay what they were.
    """
    if report.reshaped != report.followed:
        at = report.reshaped[1].seconds
        yield f"not every picture is in its shape: pixels change theirs at {at:.2f} s"
    seen, video = report.seen, source_video(task)
    if seen is None or video is None or not _is_as_planned(video, seen):
        return
    if report.followed and begins_reshaped(report.followed, task.recipe.clip):
        return
    drawn = task.recipe.watermark is not None or task.recipe.burned_index is not None
    plain = not drawn and not video.has_alpha
    same = (
        plain
        and video.dynamic_range is DynamicRange.SDR
        and not is_converted(video)
        and not task.recipe.tone_map
    )
    for track in tracks:
        yield from _shape(track, seen)
        found = track.decoded.seen
        if found is None or not plain:
            continue
        alike = _alike(seen.luma, found.luma)
        if alike is not None and alike < _LEAST_ALIKE:
            yield f"{track.name} shows another picture than its source ({alike:.2f})"
        elif same:
            yield from _colours(track, seen, found)


def _is_as_planned(video: VideoStream, seen: Seen) -> bool:
    """
    Whether the first picture can speak for all.

    What is recorded as it comes may begin in another shape than its header promises;
    and pixels ten times as wide as high are believed by nobody.
    """
    aspect = video.sample_aspect_ratio
    return max(aspect, 1 / aspect) <= _MOST_SQUASHED and seen.aspect > 0


def _shape(track: Track, seen: Seen) -> Iterator[str]:
    width, height = track.width or 0, track.height or 0
    if not width or not height:
        return
    shown = Fraction(width, height) * (track.sample_aspect_ratio or 1)
    slack = _SHAPE_SLACK + Fraction(_PIXELS, width) + Fraction(_PIXELS, height)
    if abs(shown / seen.aspect - 1) > slack:
        yield (
            f"{track.name} is {float(shown):.3f} times as wide as high, its source "
            f"{float(seen.aspect):.3f}"
        )


def _alike(one: bytes, other: bytes) -> float | None:
    """Pearson's correlation; None where one of the two is flat."""
    means = fmean(one), fmean(other)
    spreads = pstdev(one), pstdev(other)
    if min(spreads) < _FLAT:
        return None
    both: float = fmean(
        (a - means[0]) * (b - means[1]) for a, b in zip(one, other, strict=True)
    )
    return float(both / (spreads[0] * spreads[1]))


def _colours(track: Track, seen: Seen, found: Seen) -> Iterator[str]:
    spreads = pstdev(seen.luma), pstdev(found.luma)
    if spreads[0] > _PLAIN and abs(spreads[1] / spreads[0] - 1) > _MOST_CONTRAST:
        percent = 100 * spreads[1] / spreads[0]
        yield f"{track.name} has {percent:.0f} % of its source's contrast"
    for what, one, other, most in (
        ("light", seen.luma, found.luma, _MOST_LUMA),
        ("blue", seen.blue, found.blue, _MOST_CHROMA),
        ("red", seen.red, found.red, _MOST_CHROMA),
    ):
        off = fmean(abs(a - b) for a, b in zip(one, other, strict=True))
        if off > most:
            yield f"{track.name} differs from its source in {what} by {off:.0f} of 255"
