"""Finished files → checks and facts: every packet read, some groups decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from ...contract import (
    AudioRendition,
    Check,
    CmafPackaging,
    LoudnessFacts,
    Partial,
    QualityFacts,
    Task,
    VideoRendition,
)
from ..report import EncodeReport
from .audio_tracks import soundtracks_check
from .captions import captions_check
from .damage import complete, in_pictures, partial_of, without_promise
from .loudness import levels
from .media import media_checks
from .packaging import faststart_check, playlists_check
from .picture import to_look
from .read import picture_size, read_cmaf, read_file
from .source import mean_rate
from .stills import stills_check
from .tracks import Track

_From = TypeVar("_From")
_To = TypeVar("_To")


@dataclass(frozen=True, slots=True)
class RenditionFacts:
    """What a finished rendition is, by its own packets."""

    frames: int
    """Packets, for audio."""
    duration_seconds: float
    start_seconds: float
    codec: str
    media_bytes: int
    """Segments and header of a CMAF rendition; packets alone inside a file."""
    width: int | None = None
    height: int | None = None
    frame_rate: Fraction | None = None
    """Mean rate, the planned or the source's where it is within a thousandth of it."""
    sample_rate: int | None = None
    channels: int | None = None
    keyframe_seconds: tuple[float, ...] | None = None
    """None for audio."""
    loudness: LoudnessFacts | str | None = None
    """Of sound; a clause that says why where there is none."""
    quality: QualityFacts | None = None
    """Of a picture that was to have one."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The verdict. `facts` lacks a rendition that could not be read."""

    checks: tuple[Check, ...]
    facts: Mapping[str, RenditionFacts]
    notes: tuple[str, ...] = ()
    """Shortcomings that are nobody's fault, for a user to know."""
    partial: Partial | None = None
    """What is missing of the source, where the task accepts that."""

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)


def verify(task: Task, report: EncodeReport, *, staging: Path) -> Verified:
    """
    Read back everything a task made and compare it with plan, source and encoder.

    Reads every packet of every rendition; decodes the first, the last and a few groups
    of pictures between (all of them with `recipe.verify == "full"`). Broken output
    is a failed check that says what is wrong and where; nothing is raised for it.
    """
    recipe = task.recipe
    tracks: list[Track] = []
    problems: list[str] = []
    checks: list[Check] = []
    plans: tuple[VideoRendition | AudioRendition, ...]
    plans = (*recipe.video, *recipe.audio)
    look = to_look(task, report)
    if isinstance(recipe.packaging, CmafPackaging):
        for read in _side_by_side(
            lambda index: read_cmaf(
                task, plans[index], index, staging=staging, look=look
            ),
            range(len(plans)),
            task,
        ):
            if isinstance(read, Track):
                tracks.append(read)
            else:
                problems.append(read)
        checks.append(playlists_check(task, recipe.packaging, tracks, staging=staging))
        checks += soundtracks_check(recipe, staging=staging)
    else:
        files = recipe.packaging.files
        for found, wrong in _side_by_side(
            lambda file: read_file(task, file, staging=staging, look=look), files, task
        ):
            tracks += found
            problems += wrong
        checks += faststart_check(recipe.packaging, staging=staging)
    partial = None
    if recipe.accept_partial:
        partial = partial_of(task, tuple(complete(task, report, tracks)), tracks)
    notes: tuple[str, ...] = ()
    if partial is not None:
        task = without_promise(task)
    else:
        notes = tuple(in_pictures(report))
    if recipe.poster is not None or recipe.sprites is not None:
        checks.append(stills_check(task, tracks, staging=staging, measure=picture_size))
    if recipe.captions:
        checks.append(captions_check(task, tracks, staging=staging))
    level = levels(tracks)
    if level.check is not None:
        checks.append(level.check)
    return Verified(
        checks=(
            _decodable(tracks, problems, report),
            *media_checks(
                task, report, tracks, staging=staging, partial=partial is not None
            ),
            *checks,
        ),
        facts={track.name: _facts(task, track) for track in tracks},
        notes=(*level.notes, *notes),
        partial=partial,
    )


def _side_by_side(
    read: Callable[[_From], _To], each: Sequence[_From], task: Task
) -> list[_To]:
    """The encoder has ended: all of the spec's cores are free for this."""
    # Not before there is something to verify: a short job is mostly imports.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with ThreadPoolExecutor(task.spec.threads) as threads:
        return list(threads.map(read, each))


def _decodable(
    tracks: Sequence[Track], problems: Iterable[str], report: EncodeReport
) -> Check:
    """
    No packet may fail to decode.

    Nor may one that was copied: what is damaged in a source is encoded, which covers
    it up. Of a hole in it a decoder need not tell.
    """
    wrong = list(problems)
    for track in tracks:
        if report.holes and track.is_video and track.plan.made_by == "copied":
            wrong.append(
                f"{track.place} ({track.name}): {report.holes} packets of the source "
                "have a hole"
            )
        errors = track.decoded.errors
        if errors or not track.decoded.frames:
            what = track.decoded.problems or ("nothing in it decodes",)
            wrong.append(f"{track.place} ({track.name}): {', '.join(what)}")
    if wrong:
        return Check(name="decodable", passed=False, detail="; ".join(wrong))
    frames = sum(track.decoded.frames for track in tracks)
    packets = sum(track.packets for track in tracks)
    return Check(
        name="decodable",
        passed=True,
        detail=f"{packets} packets read, {frames} of them decoded",
    )


def _facts(task: Task, track: Track) -> RenditionFacts:
    return RenditionFacts(
        frames=len(track.times),
        duration_seconds=float(track.duration),
        start_seconds=float(track.start),
        codec=track.codec,
        media_bytes=track.media_bytes,
        width=track.width,
        height=track.height,
        frame_rate=mean_rate(task, track) if track.is_video else None,
        sample_rate=track.sample_rate,
        channels=track.channels,
        keyframe_seconds=tuple(float(t * track.time_base) for t in track.keyframes)
        if track.is_video
        else None,
        loudness=track.loudness,
    )
