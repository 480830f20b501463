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
from ..media.metrics import METRICS, named, told
from ..media.rate_factors import SANE, stepped, steps_away
from .command.scores import MadeFile
from .compare import Scores, alone, compare_part, facts_of
from .package import INIT, folder
from .verify.cmaf import read_header, read_segment
from .verify.decode import open_media

__all__ = ["TOLERANCE", "Compared", "corrected", "look", "said_of"]

TOLERANCE = 1.0
"""VMAF: nobody sees less, and parts of a video differ by more."""

TOO_GOOD = 2.0
"""VMAF: that much more takes a fifth more bits, for good, and another encode once."""
SURE = 0.5
"""VMAF: with such a standard error a miss of `TOLERANCE` is seen 19 times out of 20."""
_STEP = 0.5
"""VMAF: so far what was found may lie below the target, as factors go in steps."""
_AT_CAP = 0.85
_CAPPED_SHARE = 1 / 3
"""Of its time: where a rendition takes more than that share of its cap for so long, a
lower factor gives it little. 60 s of film at 0.71 of its cap on average and at it for
43 % of the time: a factor lower by 3.25 gave 0.3 of VMAF for twice the cost."""
_SPAN_SECONDS = 2.0
"""About as long as the buffers that caps are counted over."""
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
    parts: list[tuple[Clip, Scores]] = []
    read = 0
    for number, clip in enumerate((*recipe.looks, *recipe.more_looks)):
        due = number >= len(recipe.looks) and number % len(recipe.looks) == 0
        if due and _sure(parts, names, recipe):
            break
        if due and clip.entire:
            parts = []
        made = {name: _finished(recipe, name, clip, staging, scratch) for name in names}
        told = compare_part(
            alone(task, clip, names),
            made,
            program=program,
            folder=scratch / f"look-{number}",
            lines=lines,
        )
        parts.append((clip, told.scores))
        read += told.read_bytes
    found = {name: facts_of(parts, name, recipe) for name in names}
    return Compared({name: it for name, it in found.items() if it is not None}, read)


def _sure(
    parts: Sequence[tuple[Clip, Scores]], names: Sequence[str], recipe: Recipe
) -> bool:
    """Whether more of them would hardly tell more."""
    for name in names:
        facts = facts_of(parts, name, recipe)
        if facts is None or facts.target is None:
            continue
        unit = METRICS[facts.metric].per_vmaf
        if facts.standard_error is None or facts.standard_error > SURE * unit:
            return False
    return True


def corrected(task: Task, held: Compared, staging: Path) -> Task | None:
    """
    *task* with other factors for what came out worse than it was to be, or so much
    better that it is worth another encode; None where all is well, or nothing more can
    be done: what is at its cap stays there.
    """
    changed = {}
    for rendition in task.recipe.video:
        facts = held.facts.get(rendition.name)
        crf = None if facts is None else _other_factor(rendition, facts)
        if crf is None or rendition.crf is None:
            continue
        if crf > rendition.crf or not _capped(task, rendition, staging):
            changed[rendition.name] = crf
    if not changed:
        return None
    video = tuple(
        it.model_copy(update={"crf": changed.get(it.name, it.crf)})
        for it in task.recipe.video
    )
    recipe = task.recipe.model_copy(update={"video": video})
    return task.model_copy(update={"recipe": recipe})


def _other_factor(rendition: VideoRendition, facts: QualityFacts) -> float | None:
    """Which would come nearer; None where it is near enough, or none is sane."""
    target, crf = rendition.target, rendition.crf
    if target is None or crf is None:
        return None
    unit = METRICS[target.metric].per_vmaf
    known = target.score if target.expected is None else target.expected
    if known < target.score - _STEP * unit:
        # It was said before that it cannot be reached, or is not worth its bits.
        return None
    missing = target.score - facts.score
    # What parts scatter by is no reason to pay twice.
    doubt = facts.standard_error or 0.0
    if -TOO_GOOD * unit - doubt <= missing <= TOLERANCE * unit + doubt:
        return None
    sane = SANE[rendition.codec]
    wanted = crf + steps_away(
        facts.score,
        target.score,
        fall=target.fall or sane.fall * unit,
        perfect=METRICS[target.metric].perfect,
    )
    other = stepped(min(max(wanted, sane.best), sane.frugal), rendition.codec)
    # What lies beyond what is sane already has nowhere to go.
    towards = other < crf if missing > 0 else other > crf
    return other if towards else None


def said_of(
    task: Task, held: Compared, before: Compared | None, staging: Path
) -> tuple[str, ...]:
    """What whoever asked for a quality has to know; a sentence each."""
    said = []
    for rendition in task.recipe.video:
        facts, target = held.facts.get(rendition.name), rendition.target
        if facts is None or target is None:
            continue
        old = before.facts.get(rendition.name) if before else None
        if old is not None and old.crf != facts.crf:
            said.append(
                f"{rendition.name} came to {told(target.metric, old.score)} with crf "
                f"{old.crf:g} and was encoded again with {facts.crf:g}: "
                f"{facts.score:.1f}."
            )
        goal = _goal(target)
        off = facts.score - goal
        most = TOLERANCE * METRICS[target.metric].per_vmaf
        error = facts.standard_error
        if abs(off) <= most and (error or 0.0) <= most:
            continue
        how = "misses" if off < 0 else "is better than"
        why = ""
        if abs(off) <= most:
            how, why = "may miss", "; what it shows differs too much to know better"
        elif off < 0 and _capped(task, rendition, staging):
            cap = (rendition.max_bit_rate or 0) / 1000
            why = f"; at most {cap:.0f} kbit/s, it had no more bits to get"
        about = "" if error is None else f" ± {error:.1f}"
        said.append(
            f"{rendition.name} {how} {_goal_named(target)}: "
            f"{facts.score:.1f}{about} on {facts.seconds:.1f} s of it, from "
            f"{facts.least:.1f} up{why}."
        )
    return tuple(said)


def _capped(task: Task, rendition: VideoRendition, staging: Path) -> bool:
    """
    Whether its cap holds it: what is hard has all the bits that it may, however few
    the rest may need on average.
    """
    most = rendition.max_bit_rate
    if not most:
        return False
    spans = _spans(task.recipe, rendition, staging)
    full = sum(s for s, size in spans if s and 8 * size / s > _AT_CAP * most)
    return full > _CAPPED_SHARE * sum(seconds for seconds, _ in spans)


def _spans(
    recipe: Recipe, rendition: VideoRendition, staging: Path
) -> list[tuple[float, int]]:
    """(seconds, bytes) of its pictures, a segment or some seconds at a time."""
    if isinstance(recipe.packaging, CmafPackaging):
        place = staging / folder(rendition)
        header = read_header(place / INIT)
        segments = [read_segment(it, header) for it in place.glob("*.m4s")]
        return [(it.duration / header.timescale, it.media_bytes) for it in segments]
    file = next(it for it in recipe.packaging.files if it.video == rendition.name)
    sizes: dict[int, int] = {}
    with (
        (staging / file.name).open("rb") as opened,
        open_media(opened, _DEMUXERS[file.container]) as container,
    ):
        for packet in container.demux(container.streams.video[0]):
            base, at = packet.time_base, packet.pts
            if base is not None and at is not None:
                place_in_time = int(at * base // _SPAN_SECONDS)
                sizes[place_in_time] = sizes.get(place_in_time, 0) + packet.size
    # The last one is rarely whole, and would look as if it took little.
    last = max(sizes, default=0)
    return [(_SPAN_SECONDS, size) for n, size in sizes.items() if n < last or not n]


def _goal(target: QualityTarget) -> float:
    """What can be reached, where the plan said that it is less."""
    if target.expected is None:
        return target.score
    near = _STEP * METRICS[target.metric].per_vmaf
    return min(target.score, target.expected + near)


def _goal_named(target: QualityTarget) -> str:
    return named(target.model_copy(update={"score": round(_goal(target), 1)}))


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
