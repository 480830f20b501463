"""MadeFile pictures beside those they are made of: how good they are, by a metric."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract import (
    Clip,
    FilePackaging,
    OutputFile,
    QualityFacts,
    Recipe,
    Task,
    VideoRendition,
)
from ..errors import EncoderFailed
from ..media.metrics import weighted_xpsnr
from .children import Children, Program
from .command.scores import MadeFile, compare, scores_file
from .encode import allowed
from .progress import Lines, Summary, without_secrets

_PLANES = re.compile(r"XPSNR [yuv]: *(\S+)")
Scores = Mapping[str, tuple[float, ...]]
"""Rendition → score of each picture that was looked at, in its target's unit."""


@dataclass(frozen=True, slots=True)
class PartScores:
    """What one part showed, and what of the source was read for it."""

    scores: Scores
    read_bytes: int


def compare_part(
    task: Task,
    made: Mapping[str, MadeFile],
    *,
    program: str,
    folder: Path,
    lines: str | None = None,
) -> PartScores:
    """
    Score the renditions of *task*'s clip that *made* has files for; in *folder*.

    Raises `EncoderFailed` where ffmpeg fails or scores nothing.
    """
    folder.mkdir(exist_ok=True)
    argv = compare(task, made, program=program, lines=lines)
    summary = Summary()
    read = Lines(summary.take)
    with Children(folder) as children:
        may = allowed(argv, writes=(folder,))
        children.start(
            Program("ffmpeg", argv, lambda _: None, read.feed, may, task.source)
        )
        ended = children.wait()
        fault = children.fault
    read.close()
    if fault is not None:
        raise fault.error(stderr_tail=summary.tail.text)
    status = ended.statuses["ffmpeg"]
    scores = {}
    if status == 0:
        scores = {it.name: _scores(folder, it) for it in task.recipe.video}
    if not scores or not all(scores.values()):
        said = summary.tail.error or f"ffmpeg ended with {status}"
        raise EncoderFailed(
            f"The quality of what was made cannot be measured: {said}",
            argv=[without_secrets(argument) for argument in argv],
            status=status,
            stderr_tail=summary.tail.text,
        )
    return PartScores(scores, summary.read_bytes or 0)


def alone(task: Task, clip: Clip, names: Iterable[str]) -> Task:
    """*task* as if it made nothing but the pictures *names* of *clip*."""
    wanted = frozenset(names)
    recipe = task.recipe
    video = tuple(it for it in recipe.video if it.name in wanted)
    files = tuple(
        OutputFile(name=f"{it.name}.mp4", container="mp4", video=it.name)
        for it in video
    )
    changes: dict[str, object] = {
        "video": video,
        "audio": (),
        "captions": (),
        "packaging": FilePackaging(files=files),
        "keyframes": "interval",
        "poster": None,
        "sprites": None,
        "clip": clip,
        "parts": (),
        "looks": (),
        "more_looks": (),
        "chunks": (),
    }
    return task.model_copy(update={"recipe": recipe.model_copy(update=changes)})


def facts_of(
    parts: Sequence[tuple[Clip, Scores]], name: str, recipe: Recipe
) -> QualityFacts | None:
    """Of one rendition, from what each part showed; None where none was scored."""
    several = [scores[name] for _, scores in parts if scores.get(name)]
    scores = [score for part in several for score in part]
    rendition = next(it for it in recipe.video if it.name == name)
    if not scores or rendition.target is None:
        return None
    # Each is as long as the others, whatever was left out of it.
    means = [statistics.mean(part) for part in several]
    mean = round(statistics.mean(means), 3)
    return QualityFacts(
        vmaf=mean if rendition.target.metric == "vmaf" else None,
        xpsnr=mean if rendition.target.metric == "xpsnr" else None,
        least=round(min(scores), 3),
        deviation=round(statistics.pstdev(scores), 3),
        standard_error=_standard_error(means),
        worst_part=round(min(means), 3),
        pictures=len(scores),
        seconds=round(
            sum((it.end_seconds or 0.0) - it.start_seconds for it, _ in parts), 3
        ),
        model=rendition.target.model,
        target=rendition.target.score,
        crf=rendition.crf,
    )


def _standard_error(means: Sequence[float]) -> float | None:
    if len(means) < 2:  # noqa: PLR2004 - one has no spread
        return None
    return round(statistics.stdev(means) / math.sqrt(len(means)), 3)


def _scores(folder: Path, rendition: VideoRendition) -> tuple[float, ...]:
    """Of each picture but the first; none where nothing was written."""
    metric = rendition.target.metric if rendition.target else "vmaf"
    path = folder / scores_file(rendition)
    try:
        text = path.read_text()
        scores = _vmaf(text) if metric == "vmaf" else _xpsnr(text)
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    finally:
        path.unlink(missing_ok=True)
    # Of its first picture neither knows any motion: VMAF marks it down by ten and more.
    return scores[1:] or scores


def _vmaf(text: str) -> tuple[float, ...]:
    frames = json.loads(text)["frames"]
    return tuple(float(frame["metrics"]["vmaf"]) for frame in frames)


def _xpsnr(text: str) -> tuple[float, ...]:
    """`n: 1  XPSNR y: 47.47  XPSNR u: 50.41  XPSNR v: inf`, a line for each picture."""
    planes = (_PLANES.findall(line) for line in text.splitlines() if "n:" in line)
    return tuple(weighted_xpsnr(*map(float, it)) for it in planes if len(it) == 3)  # noqa: PLR2004
