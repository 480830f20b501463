"""Which parts of a source a sample encode takes, and what they tell of the whole."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial

from ..contract import (
    Attempt,
    Clip,
    Content,
    FilePackaging,
    FoundFactor,
    Media,
    OutputFile,
    Recipe,
    Task,
    VideoStream,
)
from ..media.demuxers import INDEXED
from ..media.sampling import TAIL_SECONDS, lead_seconds
from ..media.timeline import made, zero_seconds
from .coefficients import Coefficients
from .estimates import frames_of
from .predict import predict, slower
from .quality import FEW_PARTS, found_factors
from .workload import MACHINE_SPREAD, Stage, Workload, workload

PARTS = 3
"""Of a sample that is taken for the time alone."""


PART_SECONDS = (0.8, 2.0)


"""Shorter ones say little of an encoder that looks ahead; longer ones cost."""


SHARE_OF_SOURCE = 0.03


"""Of the source's length, what all parts are together; within the limits above."""


SHORTEST_SECONDS = 15.0


"""Sources below this are not worth it: the sample would be a sixth of the work."""


_APART_SECONDS = 0.1
SEARCHED = 0.03
"""Of the source's length, what is scored of all parts of a search, within limits."""
SEARCHED_SECONDS = (1.8, 14.4)
SEARCHED_PART_SECONDS = 0.6
"""How long each is; more seconds are more parts, as parts differ more than pictures."""
SHORT_SEARCHED_SECONDS = 3.6
"""Of sources below `SHORT_SECONDS`, where what is searched costs little anyway."""
SHORT_SECONDS = 60.0


LOOKS = 6


"""So many parts of a finished rendition are compared with the source at first."""


LOOK_ROUNDS = 3


"""And up to so many times as many of long sources, where they differ."""


WHOLE_SECONDS = 60.0
"""Sources up to this are compared as a whole instead: that takes what as many looks do,
and leaves nothing out."""


AT_ONCE_SECONDS = 20.0
"""Sources up to this are compared as a whole at once: so much is searched of them that
no place is left for looks, and starting six programs takes as long."""


LOOK_SECONDS = (0.6, 1.5)


"""How long each is."""


CONTENT_SPREAD = 0.07


"""What is left of the content's spread after a sample: parts are not the whole."""


def parts_of(media: Media, recipe: Recipe) -> tuple[Clip, ...] | str | None:
    """
    Where the sample is taken, each from a keyframe; or why there is none.

    None where no picture is encoded.
    """
    video = next((it for it in media.video if it.index == recipe.video_index), None)
    if video is None or not any(it.made_by == "encoded" for it in recipe.video):
        return None
    if media.container not in INDEXED or media.fragmented:
        return f"{media.container} has no full index to seek by"
    if video.retimed or any(it.retimed for it in media.audio):
        return "its times are wrong and have to be counted from the beginning"
    lasts = made(media, recipe).duration_seconds
    if lasts is None or lasts < SHORTEST_SECONDS:
        return f"a source below {SHORTEST_SECONDS:g} s is encoded as soon as sampled"
    low, high = PART_SECONDS
    length = min(max(lasts * SHARE_OF_SOURCE / PARTS, low), high)
    parts = _at_keyframes(media, recipe, lasts, PARTS, length)
    return parts or f"fewer than {PARTS} keyframes to begin at are known"


def _at_keyframes(
    media: Media, recipe: Recipe, lasts: float, count: int, length: float
) -> tuple[Clip, ...] | None:
    """*count* parts in equal distances; None: so many keyframes are not known."""
    video = next(it for it in media.video if it.index == recipe.video_index)
    keys = [key - zero_seconds(media) for key in video.keyframe_seconds or ()]
    begin = recipe.clip.start_seconds if recipe.clip else 0.0
    starts = []
    for n in range(count):
        wanted = begin + lasts * (2 * n + 1) / (2 * count)
        at = bisect_right(keys, wanted) - 1
        within = at >= 0 and begin <= keys[at] <= begin + lasts - length
        if within and keys[at] not in starts:
            starts.append(keys[at])
    if len(starts) < count:
        return None
    return tuple(_part(it, length, video, seek=it or None) for it in starts)


def search_parts(media: Media, recipe: Recipe) -> tuple[Clip, ...] | str | None:
    """
    Where rate factors are tried: as `parts_of`, but of whatever length and container.

    A few per cent of the source; the longer it is, the more parts. Where there is no
    index, everything before is read, too.
    """
    told = parts_of(media, recipe)
    if told is None:
        return None
    lasts = made(media, recipe).duration_seconds
    least, most = SEARCHED_SECONDS
    total = SHORT_SEARCHED_SECONDS
    if lasts is not None and lasts >= SHORT_SECONDS:
        total = min(max(lasts * SEARCHED, least), most)
    count = math.floor(total / SEARCHED_PART_SECONDS + 1e-6)
    if lasts is not None and lasts >= SHORT_SECONDS and isinstance(told, str):
        # Before each of them everything may have to be decoded.
        count = min(count, PARTS)
    video = next(it for it in media.video if it.index == recipe.video_index)
    length = total / count + lead_seconds(video.frame_rate) + TAIL_SECONDS
    if not isinstance(told, str) and lasts is not None:
        parts = _at_keyframes(media, recipe, lasts, count, length)
        if parts is not None:
            return parts
    return _spread(media, recipe, count, length)


def looks_of(media: Media, recipe: Recipe) -> tuple[Clip, ...]:
    """
    Where the finished renditions are compared with the source: between the parts.

    The first `LOOKS` in equal distances; what follows is for where those differ: as
    many more at a time, or all of a source of up to `WHOLE_SECONDS`; nothing else of
    one of up to `AT_ONCE_SECONDS`.
    """
    parts = search_parts(media, recipe)
    if isinstance(parts, tuple) and len(parts) == 1:
        # Of so little the search has seen all, and other parts would tell less.
        return parts
    taken = parts if isinstance(parts, tuple) else ()
    lasts = made(media, recipe).duration_seconds
    video = next(it for it in media.video if it.index == recipe.video_index)
    begin = recipe.clip.start_seconds if recipe.clip else 0.0
    if lasts is not None and lasts <= AT_ONCE_SECONDS:
        return (_entire(media, video, begin, lasts),)
    low, high = LOOK_SECONDS
    length = min(max((lasts or 0.0) * SHARE_OF_SOURCE / LOOKS, low), high)
    # Keyframes of what was made are often where the source's are, and better than the
    # rest of their group: looks have to be anywhere in it.
    behind = tuple(n * recipe.gop_seconds / LOOK_ROUNDS for n in range(LOOK_ROUNDS))
    spread = partial(_spread, media, recipe, length=length, but=taken, behind=behind)
    looks = spread(LOOKS)
    all_of_them = LOOKS * LOOK_ROUNDS
    if len(looks) < LOOKS or lasts is None:
        return looks
    if lasts <= WHOLE_SECONDS:
        return (*looks, _entire(media, video, begin, lasts))
    more = spread(all_of_them)
    if len(more) < all_of_them:
        return looks
    seen = {it.start_seconds for it in looks}
    # The middle of three lies where the first ones are.
    later = (*more[2::LOOK_ROUNDS], *more[::LOOK_ROUNDS])
    return (*looks, *(it for it in later if it.start_seconds not in seen))


def _spread(  # noqa: PLR0913 - what of, how many, how long and where
    media: Media,
    recipe: Recipe,
    count: int,
    length: float,
    *,
    but: Sequence[Clip] = (),
    behind: Sequence[float] = (0.0,),
) -> tuple[Clip, ...]:
    """
    *count* parts in equal distances, on the pictures' grid; of little, all of it.

    Each begins, in turn, so many seconds *behind* a keyframe where one is near; none
    shows what *but* does where there is room beside it.
    """
    video = next(it for it in media.video if it.index == recipe.video_index)
    lasts = made(media, recipe).duration_seconds
    begin = recipe.clip.start_seconds if recipe.clip else 0.0
    least = length * count * 1.25
    if lasts is None or lasts <= least:
        if lasts is not None:
            return (_entire(media, video, begin, lasts),)
        return (_part(begin, length, video, seek=_key(media, video, begin)),)
    parts = []
    for n in range(count):
        wanted = begin + lasts * (2 * n + 1) / (2 * count) - length / 2
        start = _on_grid(video, wanted)
        later = _key(media, video, wanted + lasts / (4 * count))
        near = later is not None and wanted - later <= lasts / (4 * count)
        if later is not None and near:
            # Behind a keyframe little has to be decoded before it.
            start = _on_grid(video, later + behind[n % len(behind)])
            start = start if start + length <= begin + lasts else later
        aside = start
        for other in but:
            end = other.end_seconds or 0.0
            behind_it = _on_grid(video, end + _APART_SECONDS)
            fits = behind_it + length <= begin + lasts
            if fits and aside < end and other.start_seconds < aside + length:
                aside = behind_it
        if aside - start <= lasts / (2 * count):
            # Further on the next one is due, and all of them would gather there.
            start = aside
        parts.append(_part(start, length, video, seek=_key(media, video, start)))
    return tuple(parts)


def _entire(media: Media, video: VideoStream, begin: float, lasts: float) -> Clip:
    all_of_it = _part(begin, lasts, video, seek=_key(media, video, begin))
    return all_of_it.model_copy(update={"entire": True})


def _on_grid(video: VideoStream, start: float) -> float:
    if not video.frame_rate or video.variable_frame_rate is not False:
        return start
    return round(round(start * video.frame_rate) / float(video.frame_rate), 6)


def _key(media: Media, video: VideoStream, start: float) -> float | None:
    """The keyframe that reading may begin at; None: at the source's beginning."""
    if media.container not in INDEXED or media.fragmented:
        return None
    if video.retimed or any(it.retimed for it in media.audio):
        return None
    keys = [key - zero_seconds(media) for key in video.keyframe_seconds or ()]
    at = bisect_right(keys, start) - 1
    return keys[at] or None if at >= 0 else None


def _part(
    start: float, length: float, video: VideoStream, *, seek: float | None = None
) -> Clip:
    slack = 0.0
    if video.frame_rate and video.variable_frame_rate is False:
        slack = 0.5 / float(video.frame_rate)
    return Clip(
        start_seconds=start,
        end_seconds=start + length,
        seek_seconds=seek,
        slack_seconds=slack,
    )


def sample_recipe(recipe: Recipe, parts: tuple[Clip, ...]) -> Recipe:
    """The pictures of *recipe* alone, of *parts* alone, into files of their own."""
    encoded = tuple(it for it in recipe.video if it.made_by == "encoded")
    return recipe.model_copy(
        update={
            "video": encoded,
            "audio": (),
            "captions": (),
            "burned_index": None,
            "packaging": FilePackaging(
                files=tuple(
                    OutputFile(name=f"{it.name}.mp4", container="mp4", video=it.name)
                    for it in encoded
                )
            ),
            "keyframes": "interval",
            "poster": None,
            "sprites": None,
            "clip": None,
            "parts": parts,
            "looks": (),
            "more_looks": (),
            "chunks": (),
        }
    )


def content_of(
    attempt: Attempt, task: Task, *, coefficients: Coefficients, platform: str
) -> Content | None:
    """
    What a sample's measurements say of the whole; None where they say nothing.

    They are weighed against what was known before, each by the inverse of its variance
    (two normal distributions of the logarithm), so that nobody knows less afterwards: a
    machine busy with something else scatters the parts.
    """
    sampled = attempt.sampled
    if sampled is None or attempt.measured is None:
        return None
    seen = made(task.media, task.recipe)
    work = workload(seen, task.recipe, coefficients=coefficients)
    video = next(it for it in seen.video if it.index == task.recipe.video_index)
    expected = picture_seconds(work) * slower(work, platform)
    start = sampled.start
    parts = [part for part in sampled.parts if part.frames > start.frames]
    if not parts or not expected:
        return None
    factors = found_factors(sampled.trials, task.recipe)
    if any(it.start_seconds != (it.seek_seconds or 0.0) for it in task.recipe.parts):
        # What lies before was decoded, too: it tells nothing of the time.
        return Content(
            cpu=1.0,
            spread=math.hypot(picture_spread(work), MACHINE_SPREAD),
            bit_rates=_rates(sampled.bit_rates, factors),
            factors=factors,
        )
    per_frame = expected / frames_of(video, seen.duration_seconds or 0.0)
    ratios = [
        max(part.cpu_seconds - start.cpu_seconds, 1e-4)
        / (part.frames - start.frames)
        / per_frame
        for part in parts
    ]
    logs = [math.log(ratio) for ratio in ratios]
    scatter = statistics.stdev(logs) if len(logs) > 1 else CONTENT_SPREAD
    shown = math.hypot(FEW_PARTS * scatter / math.sqrt(len(logs)), CONTENT_SPREAD)
    known = math.hypot(picture_spread(work), MACHINE_SPREAD)
    told = known**2 / (known**2 + shown**2)
    peak = attempt.measured.peak_memory_bytes
    promised = predict(
        seen, task.recipe, spec=attempt.spec, coefficients=coefficients,
        platform=platform,
    ).usage.peak_memory_bytes  # fmt: skip
    return Content(
        cpu=math.pow(statistics.mean(ratios), told),
        spread=shown * math.sqrt(told),
        memory=max(1.0, (peak or 0) / promised) if promised else 1.0,
        bit_rates=_rates(sampled.bit_rates, factors),
        factors=factors,
    )


def _rates(
    seen: Mapping[str, int], factors: Mapping[str, FoundFactor]
) -> dict[str, int]:
    return {**seen, **{name: it.bit_rate for name, it in factors.items()}}


def picture_seconds(work: Workload) -> float:
    """CPU seconds of decoding, filtering and encoding: what a sample is compared to."""
    return sum(stage.cpu_seconds for stage in _pictures(work))


def picture_spread(work: Workload) -> float:
    """Of those, as if their errors were all alike: a sample has one ratio for them."""
    parts = sum(stage.cpu_seconds * stage.spread for stage in _pictures(work))
    return parts / max(picture_seconds(work), 1e-9)


def _pictures(work: Workload) -> list[Stage]:
    names = ("decode", "filter", "encode ")
    return [stage for stage in work.stages if stage.name.startswith(names)]
