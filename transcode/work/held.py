"""Whether what was made is as good as it was to be, and once more where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..contract import (
    Clip,
    CmafPackaging,
    FilePackaging,
    QualityFacts,
    QualityTarget,
    Recipe,
    Task,
    VideoRendition,
)
from ..media.rate_factors import SANE, stepped
from ..media.timeline import clipped
from .command.build import MadeFile
from .compare import Scores, alone, compare_part, facts_of
from .package import INIT, folder
from .verify.cmaf import read_header, read_segment

__all__ = ["TOLERANCE", "Compared", "corrected", "look", "said_of"]

TOLERANCE = 1.0
"""VMAF: nobody sees less, and parts of a video differ by more."""

_STEP = 0.5
"""VMAF: so far what was found may lie below the target, as factors go in steps."""
_AT_CAP = 0.85
"""Of its cap: on average so near, a rendition is held by it most of the time."""
_DEMUXERS = {"mp4": "mov", "webm": "matroska"}
_HAIR_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Compared:
    """How good the renditions with a target have become."""

    facts: Mapping[str, QualityFacts]
    read_bytes: int = 0
    """Of the source."""


def look(
    task: Task,
    *,
    program: str,
    staging: Path,
    scratch: Path,
    lines: str | None = None,
) -> Compared:
    """
    Compare finished renditions in *staging* with their source, where the plan says.

    Raises `EncoderFailed` where that cannot be done.
    """
    recipe = task.recipe
    names = [it.name for it in recipe.video if it.target and it.made_by == "encoded"]
    parts: list[Scores] = []
    read = 0
    for number, clip in enumerate(recipe.looks):
        made = {name: _finished(recipe, name, clip, staging, scratch) for name in names}
        told = compare_part(
            alone(task, clip, names),
            made,
            program=program,
            folder=scratch / f"look-{number}",
            lines=lines,
        )
        parts.append(told.scores)
        read += told.read_bytes
    found = {name: facts_of(parts, name, recipe) for name in names}
    return Compared({name: it for name, it in found.items() if it is not None}, read)


def corrected(task: Task, held: Compared, staging: Path) -> Task | None:
    """
    *task* with better factors for what came out worse than it was to be; None where
    all is well, or nothing more can be done: what is at its cap stays there.
    """
    seconds = clipped(task.media, task.recipe.clip).duration_seconds
    changed = {}
    for rendition in task.recipe.video:
        facts, target = held.facts.get(rendition.name), rendition.target
        if facts is None or target is None or rendition.crf is None:
            continue
        missing = target.vmaf - facts.vmaf
        known = target.vmaf if target.expected is None else target.expected
        if known < target.vmaf - _STEP:
            # It was said before that it cannot be reached, or is not worth its bits.
            continue
        sane = SANE[rendition.codec]
        if missing <= TOLERANCE or rendition.crf <= sane.best:
            continue
        size = _bytes(task.recipe, rendition, staging)
        most = rendition.max_bit_rate
        if most and seconds and 8 * size / seconds > _AT_CAP * most:
            continue
        away = missing / (target.fall or sane.fall)
        crf = stepped(max(rendition.crf - away, sane.best), rendition.codec)
        if crf < rendition.crf:
            changed[rendition.name] = crf
    if not changed:
        return None
    video = tuple(
        it.model_copy(update={"crf": changed.get(it.name, it.crf)})
        for it in task.recipe.video
    )
    recipe = task.recipe.model_copy(update={"video": video})
    return task.model_copy(update={"recipe": recipe})


def said_of(recipe: Recipe, held: Compared, before: Compared | None) -> tuple[str, ...]:
    """What whoever asked for a quality has to know; a sentence each."""
    said = []
    for rendition in recipe.video:
        facts, target = held.facts.get(rendition.name), rendition.target
        if facts is None or target is None:
            continue
        old = before.facts.get(rendition.name) if before else None
        if old is not None and old.crf != facts.crf:
            said.append(
                f"{rendition.name} came to VMAF {old.vmaf:.1f} with crf {old.crf:g} "
                f"and was encoded again with {facts.crf:g}: {facts.vmaf:.1f}."
            )
        goal = _goal(target)
        off = facts.vmaf - goal
        if abs(off) > TOLERANCE:
            how = "misses" if off < 0 else "is better than"
            said.append(
                f"{rendition.name} {how} VMAF {round(goal, 1):g}: {facts.vmaf:.1f} on "
                f"{facts.seconds:.1f} s of it, from {facts.least:.1f} up."
            )
    return tuple(said)


def _bytes(recipe: Recipe, rendition: VideoRendition, staging: Path) -> int:
    """Of the finished rendition; with its sound, where that is in the same file."""
    if isinstance(recipe.packaging, CmafPackaging):
        paths = list((staging / folder(rendition)).glob("*.m4s"))
    else:
        files = recipe.packaging.files
        paths = [staging / it.name for it in files if it.video == rendition.name][:1]
    return sum(path.stat().st_size for path in paths)


def _goal(target: QualityTarget) -> float:
    """What can be reached, where the plan said that it is less."""
    if target.expected is None:
        return target.vmaf
    return min(target.vmaf, target.expected + _STEP)


def _finished(
    recipe: Recipe, name: str, clip: Clip, staging: Path, scratch: Path
) -> MadeFile:
    early = clip.slack_seconds or _HAIR_SECONDS
    begin = clip.start_seconds - (recipe.clip.start_seconds if recipe.clip else 0.0)
    begin = max(begin - early, 0.0)
    early = min(early, clip.start_seconds) if begin == 0.0 else early
    lasts = (clip.end_seconds or 0.0) - clip.start_seconds + early
    packaging = recipe.packaging
    if isinstance(packaging, FilePackaging):
        file = next(it for it in packaging.files if it.video == name)
        return MadeFile(
            path=str(staging / file.name),
            demuxer=_DEMUXERS[file.container],
            seek_seconds=begin,
            lasts_seconds=lasts,
            early_seconds=early,
        )
    assert isinstance(packaging, CmafPackaging)  # noqa: S101 - there is no third
    rendition = next(it for it in recipe.video if it.name == name)
    path = scratch / f"{name}-look.mp4"
    first = _joined_segments(staging, rendition, (begin, begin + lasts), path)
    return MadeFile(
        path=str(path),
        demuxer="mov",
        seek_seconds=max(begin - first, 0.0),
        lasts_seconds=lasts,
        early_seconds=early,
    )


def _joined_segments(
    staging: Path, rendition: VideoRendition, span: tuple[float, float], to: Path
) -> float:
    """Those that hold *span*, as one file; the second at which it begins."""
    place = staging / folder(rendition)
    header = read_header(place / INIT)
    paths = sorted(place.glob("*.m4s"))
    starts = [
        float(Fraction(read_segment(path, header).start, header.timescale))
        for path in paths
    ]
    before = [n for n, start in enumerate(starts) if start <= span[0]]
    first = before[-1] if before else 0
    last = max((n for n, start in enumerate(starts) if start < span[1]), default=first)
    chosen: Sequence[Path] = paths[first : last + 1]
    with to.open("wb") as whole:
        for path in (place / INIT, *chosen):
            whole.write(path.read_bytes())
    return starts[first]
