"""Do the renditions agree with the plan, the source, the encoder and one another?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..contract import (
    Check,
    CmafPackaging,
    DynamicRange,
    Task,
    VideoRendition,
)
from .colour import output_colour
from .report import EncodeReport
from .tracks import Track
from .verify_counts import complete, counted, frame_count
from .verify_source import source_video
from .verify_timing import aligned, av_offset, duration, lasting, timestamps

_SAME_MATRIX = {"smpte170m": "bt601", "bt470bg": "bt601"}


def media_checks(
    task: Task, report: EncodeReport, tracks: Sequence[Track]
) -> Iterator[Check]:
    """Every check that needs no playlist; each says in its detail what it compared."""
    video = [track for track in tracks if track.is_video]
    yield _check("streams", _streams(task, tracks), "exactly the planned renditions")
    if task.recipe.video:
        yield _check(
            "dimensions", _dimensions(video), "sizes as planned, square pixels"
        )
        yield _check(
            "colour", _colour(task, video), "pixel formats and colour tags fit"
        )
    yield _check("timestamps", timestamps(tracks), "start near 0, strictly increasing")
    yield _check("frame_count", frame_count(task, report, tracks), counted(video))
    yield _check("duration", duration(task, tracks), lasting(tracks))
    if video and len(video) < len(tracks):
        yield _check("av_offset", av_offset(task, tracks), "sound stays with picture")
    if isinstance(task.recipe.packaging, CmafPackaging) and task.recipe.video:
        yield _check("keyframes_aligned", aligned(video), "segments cut at keyframes")
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


def _colour(task: Task, video: Sequence[Track]) -> Iterator[str]:
    """Tags are compared where they are written; HDR has to have them."""
    source = source_video(task)
    if source is None:
        return
    wanted = output_colour(source, tone_map=task.recipe.tone_map)
    hdr = source.dynamic_range is not DynamicRange.SDR and not task.recipe.tone_map
    for track in video:
        plan, found = track.plan, track.decoded.colour
        if not isinstance(plan, VideoRendition) or plan.made_by == "copied":
            continue
        if not track.decoded.frames:
            continue  # `decodable` says so
        if track.decoded.pixel_format != plan.pixel_format:
            yield (
                f"{track.name} has pixels in {track.decoded.pixel_format}, "
                f"not {plan.pixel_format}"
            )
        for what, written, planned in (
            ("primaries", found.primaries, wanted.primaries),
            ("transfer", found.transfer, wanted.transfer),
            ("matrix", found.space, wanted.matrix),
        ):
            if written is None and not hdr:
                continue
            if _SAME_MATRIX.get(written or "", written) != _SAME_MATRIX.get(
                planned, planned
            ):
                yield f"{track.name} is tagged {what} {written}, not {planned}"
