"""Does every rendition show at each time what the source shows then?"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from ...contract import CmafPackaging, Task, VideoRendition
from ...media.timeline import still_seconds
from ..command.timing import lead_frames
from ..report import EncodeReport
from ..shown import Shown
from .source import ms, source_video
from .tracks import BUDGET, Track

_CLOCK_SECONDS = 0.0015
"""Two clocks of a millisecond do not tell less apart."""
_GRID_SHARE = 0.6
"""Of a frame: pictures put on the grid of a constant rate move by half of one."""


def shown(task: Task, report: EncodeReport, tracks: Sequence[Track]) -> Iterator[str]:
    """
    The pictures of each rendition at the times at which the source's are shown.

    By the decoder's word, not by the plan's. Every picture of the source is there, but
    for those that the encoder says it dropped. What else is there repeats the picture
    before it: where a keyframe is due in a still stretch, or until the sound ends. At a
    converted rate no picture is missing between two others.
    """
    told = report.shown
    if told is None or task.recipe.chunks:
        return
    wanted = _wanted(task, told)
    if not wanted:
        return
    seen: dict[tuple[Fraction | None, str], Track] = {}
    for track in tracks:
        plan = track.plan
        if not isinstance(plan, VideoRendition):
            continue
        key = plan.frame_rate, plan.made_by
        like = seen.setdefault(key, track)
        if like is not track and like.times == track.times:
            continue  # the usual case: said once
        if plan.frame_rate is not None:
            yield from _without_holes(task, track, plan.frame_rate)
        else:
            yield from _at_its_times(task, report, track, wanted)


def _wanted(task: Task, told: Shown) -> array[float]:
    """The source's times in the results' seconds, those that are made."""
    made = made_at(task, told, told.times)
    return array("d", (it for it in made if it is not None))


def made_at(task: Task, told: Shown, times: Iterable[int]) -> Iterator[float | None]:
    """
    For each of *times* at which the source shows a picture the second of the results.

    None where it is not made, or where a plan gives all of them other times.
    """
    clip, video = task.recipe.clip, source_video(task)
    seconds = (float(time * told.base) for time in times)
    if video is None or video.retimed == "count":
        return (None for _ in seconds)
    if clip is None:
        if video.retimed == "start":
            # Its distances are right, where it begins is not.
            late = (video.start_seconds or 0.0) - (task.media.start_seconds or 0.0)
            first = float(told.times[0] * told.base)
            return (time - first + max(0.0, late) for time in seconds)
        return seconds
    begins = clip.start_seconds - (clip.seek_seconds or 0.0)
    first = begins - (clip.slack_seconds or 0.0) - _CLOCK_SECONDS
    until = None
    if clip.end_seconds is not None:
        until = clip.end_seconds - clip.start_seconds - clip.slack_seconds
        until -= _CLOCK_SECONDS
    return (
        time - begins
        if time >= first and (until is None or time - begins < until)
        else None
        for time in seconds
    )


def _without_holes(task: Task, track: Track, rate: Fraction) -> Iterator[str]:
    steps = (after - one for one, after in pairwise(track.times))
    longest = max(steps, default=0) * track.time_base
    # The last one stands until the source ends: for what was left out after it, too,
    # and in segments for as long as there is sound.
    lasts = track.length * track.time_base
    held = 2 / rate + still_seconds(task.media, task.recipe)
    for stands, most in (longest, Fraction(3, 2) / rate), (lasts, held):
        if stands > most + Fraction(_CLOCK_SECONDS):
            yield f"{track.name} has a hole of {ms(stands)} at {rate} a second"


def _at_its_times(
    task: Task, report: EncodeReport, track: Track, wanted: array[float]
) -> Iterator[str]:
    video, copied = source_video(task), track.plan.made_by == "copied"
    near = max(_CLOCK_SECONDS, 2 * float(track.time_base))
    steady = video is not None and video.variable_frame_rate is False
    if steady and video is not None and video.frame_rate and not copied:
        near = max(near, _GRID_SHARE / float(video.frame_rate))
    times = array("d", (float(time * track.time_base) for time in track.times))
    clip = task.recipe.clip
    if task.kind == "chunk" and clip is not None and clip.start_seconds and times:
        # Joined, it stands beside pictures at their own times.
        late = wanted[0] - times[0]
        if abs(late) > 2 * _CLOCK_SECONDS:
            how = "early" if late > 0 else "late"
            yield (
                f"{track.name} begins {abs(late):.3f} s {how} at "
                f"{clip.start_seconds:.3f} s, where its source is not cut"
            )
    if clip is not None and times and wanted and not _has(times, wanted[0], near):
        # What begins a little late is shown from the start of a clip on, unless what
        # is seen before it is.
        wanted = array("d", wanted)
        wanted[0] = min(wanted[0], max(times[0], 0.0))
    missing = [it for it in wanted if not _has(times, it, near)]
    allowed = report.dropped_frames
    if copied or task.recipe.clip is not None:
        # Before its first keyframe nothing of a copy can be shown.
        allowed = max(allowed, 2, int(BUDGET * len(wanted)))
    if len(missing) > allowed:
        yield (
            f"{track.name} lacks {len(missing)} of {len(wanted)} pictures, the one "
            f"at {missing[0]:.3f} s first"
        )
    again = [it for it in times if not _has(wanted, it, near)]
    if lead_frames(task) and wanted:
        # What fills a late beginning is due wherever it is.
        again = [it for it in again if it > wanted[0]]
    if copied and again:
        yield f"{track.name} shows a picture at {again[0]:.3f} s, its source does not"
    elif not steady and not copied:
        yield from _not_due(task, track, again)


def _not_due(task: Task, track: Track, again: list[float]) -> Iterator[str]:
    """A picture is shown again where a keyframe is due, and nowhere else."""
    gop, clip = task.recipe.gop_seconds, task.recipe.clip
    anchors = [0.0, float(track.start)]
    if clip is not None and task.kind == "chunk":
        anchors = [-clip.start_seconds]
    near = 2 * _CLOCK_SECONDS
    for time in again:
        offs = [(time - it + gop / 2) % gop - gop / 2 for it in anchors]
        if all(abs(off) > near for off in offs):
            yield f"{track.name} shows a picture at {time:.3f} s, the source does not"
            return


def near_their_length(task: Task, tracks: Sequence[Track]) -> Iterator[str]:
    """Segments that are cut at our own keyframes last as long as was asked for."""
    recipe = task.recipe
    packaging = recipe.packaging
    if not isinstance(packaging, CmafPackaging) or recipe.keyframes == "source":
        return
    most = packaging.segment_seconds + recipe.gop_seconds / 2
    for track in tracks:
        if not track.is_video or not track.segments:
            continue
        starts = [float(it.start * track.time_base) for it in track.segments]
        ends = [*starts[1:], float(track.end)]
        for segment, begin, end in zip(track.segments, starts, ends, strict=True):
            if end - begin > most:
                yield (
                    f"{track.name}/{segment.name} lasts {end - begin:.3f} s, asked for "
                    f"were {packaging.segment_seconds:g} s"
                )
                break


def _has(times: array[float], time: float, near: float) -> bool:
    at = bisect_left(times, time - near)
    return at < len(times) and times[at] <= time + near
