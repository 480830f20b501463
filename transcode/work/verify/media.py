"""Do the renditions agree with the plan, the source, the encoder and one another?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from ...contract import Check, CmafPackaging, Task, VideoRendition
from ..report import EncodeReport
from .colour import colour
from .counts import counted, frame_count
from .damage import complete, shorter_than_decoded
from .picture import compared, pictured
from .shown import near_their_length, shown
from .timing import aligned, av_offset, duration, lasting, timestamps
from .tracks import Track


def media_checks(
    task: Task,
    report: EncodeReport,
    tracks: Sequence[Track],
    *,
    staging: Path,
    partial: bool = False,
) -> Iterator[Check]:
    """
    Every check that needs no playlist; each says in its detail what it compared.

    With *partial*, what the source promised is known not to hold, and *task* to say so:
    results are compared with what could be decoded alone.
    """
    video = [track for track in tracks if track.is_video]
    yield _check("streams", _streams(task, tracks), "exactly the planned renditions")
    if task.recipe.video:
        yield _check(
            "dimensions", _dimensions(video), "sizes as planned, square pixels"
        )
        yield _check(
            "colour", colour(task, video, staging), "pixel formats and colour tags fit"
        )
    yield _check("timestamps", timestamps(tracks), "start near 0, strictly increasing")
    yield _check("frame_count", frame_count(task, report, tracks), counted(video))
    if video and report.shown is not None:
        yield _check(
            "shown",
            shown(task, report, video),
            "pictures at the times at which the decoder shows the source's",
        )
    if video and report.seen is not None:
        yield _check(
            "picture",
            pictured(task, report, video),
            compared(report, video),
        )
    yield _check("duration", duration(task, tracks), lasting(tracks))
    if video and len(video) < len(tracks):
        yield _check("av_offset", av_offset(task, tracks), "sound stays with picture")
    if isinstance(task.recipe.packaging, CmafPackaging) and task.recipe.video:
        yield _check(
            "keyframes_aligned",
            chain(aligned(video), near_their_length(task, video)),
            "segments cut at keyframes",
        )
    if partial:
        yield _check(
            "decodable_part",
            shorter_than_decoded(task, report, tracks),
            "as long as what could be decoded of the source",
        )
        return
    yield _check(
        "source_complete",
        complete(task, report, tracks),
        "decoded to its promised end",
    )


def _check(name: str, wrong: Iterable[str], right: str) -> Check:
    found = list(wrong)
    return Check(name=name, passed=not found, detail="; ".join(found) or right)


def _streams(task: Task, tracks: Sequence[Track]) -> Iterator[str]:
    read = {track.name for track in tracks}
    names = [plan.name for plan in task.recipe.video]
    names += [plan.name for plan in task.recipe.audio]
    for name in names:
        if name not in read:
            yield f"{name} is planned and cannot be read"
    for track in tracks:
        plan = track.plan
        if track.codec != plan.codec:
            yield f"{track.name} is {track.codec}, planned was {plan.codec}"
        if isinstance(plan, VideoRendition):
            continue
        if track.channels != plan.channels:
            yield f"{track.name} has {track.channels} channels, not {plan.channels}"
        rates = {plan.sample_rate}
        if plan.made_by == "copied":  # HE-AAC announces half of what it decodes to
            rates |= {plan.sample_rate * 2, plan.sample_rate // 2}
        if track.sample_rate not in rates:
            yield f"{track.name} has {track.sample_rate} Hz, not {plan.sample_rate}"


def _dimensions(video: Sequence[Track]) -> Iterator[str]:
    for track in video:
        plan = track.plan
        if not isinstance(plan, VideoRendition):
            continue
        wanted = (plan.width, plan.height)
        for width, height in {(track.width, track.height), *track.decoded.sizes}:
            if (width, height) != wanted:
                yield f"{track.name} is {width}x{height}, not {wanted[0]}x{wanted[1]}"
        if track.sample_aspect_ratio not in {None, 0, 1}:
            yield f"{track.name} has pixels of {track.sample_aspect_ratio}, not square"
