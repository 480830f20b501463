"""Does every rendition show the source's pictures: shape, way up and colours?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ...contract import DynamicRange, Task, VideoStream
from ...media.colours import is_converted, output_colour, source_colour
from ...media.samples import covariance, deviation, difference, mean
from ..report import EncodeReport
from ..reshaped import begins_reshaped
from ..seen import SIDE, SampledPicture, Seen
from .shown import made_at
from .source import source_video
from .tracks import Track

_FLAT = 8.0
"""Standard deviation of luma below which a picture has no up and down."""
_LEAST_ALIKE = 0.75
"""Correlation of luma with the source's. Encoded far smaller than profiles do, 50 films
had 0.96 and more, and one of fine lines, held to a tenth of the bits that it needs,
0.79; films turned over or squeezed have less than 0.6."""
_PLAIN, _MOST_CONTRAST = 20.0, 0.08
"""One range taken for the other is 14 %; encoders at their coarsest stay below 5, of
pictures with more than this standard deviation."""
_MOST_LUMA, _MOST_CHROMA = 12.0, 10.0
"""Steps of 8 bits in the mean; encoders at their coarsest stay below 5."""
_SQUARE = 4
"""Of so many samples a side colours are compared. Grain that is dropped of films of 144
lines is 10 steps sample by sample, and 3 so."""
_LEAST_SIDE = 8
"""Pixels, of which a codec leaves more than how they are arranged."""
_PIXELS = 2
"""By which sides are rounded to even ones."""
_SHAPE_SLACK = Fraction(1, 100)
_MOST_SQUASHED = 10


def to_look(task: Task, report: EncodeReport) -> list[tuple[Fraction, int]]:
    """When results show what was sampled of the source, in order; each its number."""
    told = report.shown
    if told is None or task.recipe.chunks or not _is_plain(task):
        return []
    made = made_at(task, told, [it.time for it in report.sampled])
    times = ((at, number) for number, at in enumerate(made) if at is not None)
    return [(Fraction(at), number) for at, number in times]


def compared(report: EncodeReport, tracks: Sequence[Track]) -> str:
    """How many pictures were, and how alike, in the words of a check that passed."""
    pairs = [it for track in tracks for it in track.decoded.beside]
    best = [_likeness(report.sampled[number], found) for number, found in pairs]
    least = min((it for it in best if it is not None), default=None)
    right = "the source's first picture as it was decoded"
    if pairs:
        right += f", and {len(pairs)} after it"
    return right if least is None else f"{right}, {least:.3f} alike at the least"


def pictured(
    task: Task, report: EncodeReport, tracks: Sequence[Track]
) -> Iterator[str]:
    """
    What tells a rendition's pictures from the source's, as they were decoded.

    Of the first the shape, always. How alike they are, of the first and of those that
    were sampled after it, where nothing is drawn on them; and colours where they stay
    what they were.
    """
    if report.reshaped != report.followed:
        at = report.reshaped[1].seconds
        yield f"not every picture is in its shape: pixels change theirs at {at:.2f} s"
    video = source_video(task)
    if video is None:
        return
    same = (
        video.dynamic_range is DynamicRange.SDR
        and not is_converted(video)
        and not task.recipe.tone_map
        and source_colour(video).matrix == output_colour(video, tone_map=False).matrix
    )
    first = _first(task, report, video)
    for track in tracks:
        if first is not None:
            yield from _shape(track, first)
        if not _is_plain(task):
            continue
        side = min(track.width or 0, track.height or 0)
        wrong: list[str] = []
        found = track.decoded.seen
        if first is not None and found is not None:
            wrong += _other(first, found, same=same, side=side)
            if not wrong and same and side >= _LEAST_SIDE:
                wrong += _contrast(first, found)
        # Two moments in one picture, where it moves, and one of them in the result's.
        still = same and not task.recipe.deinterlace
        later = list(_sampled(report, track, same=still, side=side))
        if len(later) > 1:
            later = [f"{later[0]}, and {len(later) - 1} more"]
        yield from (f"{track.name} {it}" for it in wrong or later)


def _sampled(
    report: EncodeReport, track: Track, *, same: bool, side: int
) -> Iterator[str]:
    """What tells its later pictures from those that were sampled at their times."""
    told: dict[bool, list[str]] = {False: [], True: []}
    for number, found in track.decoded.beside:
        sampled = report.sampled[number]
        at = float(sampled.time * report.shown.base) if report.shown else 0.0
        # At another rate any of them may be shown; beside a cut they differ.
        clauses = [
            list(_other(it, found, same=same, side=side)) for it in sampled.pictures
        ]
        gains = [
            list(_contrast(it, found)) if same and side >= _LEAST_SIDE else []
            for it in sampled.pictures
        ]
        for gain, several in ((False, clauses), (True, gains)):
            if all(several):
                middle = several[len(several) // 2]
                told[gain] += [f"{it}, at {at:.2f} s" for it in middle]
    yield from told[False]
    if len(told[True]) > 1 or len(track.decoded.beside) == 1:
        # One of several is an encoder's that is short of bits: it rounds the light of
        # whole blocks.
        yield from told[True]


def _is_plain(task: Task) -> bool:
    """Whether results show what the source does, and nothing else."""
    video, recipe = source_video(task), task.recipe
    drawn = recipe.watermark is not None or recipe.burned_index is not None
    return not drawn and video is not None and not video.has_alpha


def _first(task: Task, report: EncodeReport, video: VideoStream) -> Seen | None:
    """
    The source's first picture, where it can speak for all.

    What is recorded as it comes may begin in another shape than its header promises;
    and pixels ten times as wide as high are believed by nobody.
    """
    seen, aspect = report.seen, video.sample_aspect_ratio
    if report.followed and begins_reshaped(report.followed, task.recipe.clip):
        return None
    if max(aspect, 1 / aspect) > _MOST_SQUASHED or seen is None or seen.aspect <= 0:
        return None
    return seen


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


def _other(seen: Seen, found: Seen, *, same: bool, side: int) -> Iterator[str]:
    """How *found* is another picture than the one *seen*; a clause for each."""
    likeness = _alike(seen.luma, found.luma)
    if likeness is not None and likeness < _LEAST_ALIKE:
        yield f"shows another picture than its source ({likeness:.2f})"
    elif likeness is None and deviation(seen.luma) > _PLAIN:
        yield "shows nothing of its source's picture"
    elif same and side >= _LEAST_SIDE:
        yield from _colours(seen, found, side=side)


def _alike(one: bytes, other: bytes) -> float | None:
    """Pearson's correlation; None where one of the two is flat."""
    spreads = deviation(one), deviation(other)
    if min(spreads) < _FLAT:
        return None
    return covariance(one, other) / (spreads[0] * spreads[1])


def _likeness(sampled: SampledPicture, found: Seen) -> float | None:
    each = (_alike(it.luma, found.luma) for it in sampled.pictures)
    return max((it for it in each if it is not None), default=None)


def _contrast(seen: Seen, found: Seen) -> Iterator[str]:
    """
    Noise that an encoder drops or adds changes the contrast, too, and makes pictures
    less alike by as much. What is left between the two regressions, of one on the other
    and the other way round, may be noise; the gain lies there (Frisch 1934).
    """
    spreads = deviation(seen.luma), deviation(found.luma)
    likeness = _alike(seen.luma, found.luma)
    if spreads[0] > _PLAIN and likeness is not None:
        ratio = spreads[1] / spreads[0]
        least, most = ratio * likeness, ratio / likeness
        if least > 1 + _MOST_CONTRAST or most < 1 - _MOST_CONTRAST:
            yield f"has {100 * ratio:.0f} % of its source's contrast"


def _colours(seen: Seen, found: Seen, *, side: int) -> Iterator[str]:
    """
    Chroma is half as fine as luma: of pictures with a short *side* it has no places to
    compare, but a mean.
    """
    for what, one, other, most in (
        ("light", seen.luma, found.luma, _MOST_LUMA),
        ("blue", seen.blue, found.blue, _MOST_CHROMA),
        ("red", seen.red, found.red, _MOST_CHROMA),
    ):
        spread = what != "light" and side < 2 * SIDE
        off = (
            abs(mean(one) - mean(other))
            if spread
            else difference(one, other, width=SIDE, square=_SQUARE)
        )
        if off > most:
            yield f"differs from its source in {what} by {off:.0f} of 255"
