"""MadeFile pictures beside those they are made of: how good they are, by VMAF."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract import Clip, FilePackaging, OutputFile, QualityFacts, Recipe, Task
from ..errors import EncoderFailed
from .children import Children, Program
from .command.build import MadeFile, compare
from .encode import allowed
from .progress import Lines, Summary, without_secrets

Scores = Mapping[str, tuple[float, ...]]
"""Rendition → VMAF of each picture that was scored."""


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
        scores = {it.name: _scores(folder, it.name) for it in task.recipe.video}
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
        "chunks": (),
    }
    return task.model_copy(update={"recipe": recipe.model_copy(update=changes)})


def facts_of(parts: Sequence[Scores], name: str, recipe: Recipe) -> QualityFacts | None:
    """Of one rendition, from what each part showed; None where none was scored."""
    several = [part[name] for part in parts if part.get(name)]
    scores = [score for part in several for score in part]
    rendition = next(it for it in recipe.video if it.name == name)
    if not scores or rendition.target is None:
        return None
    return QualityFacts(
        vmaf=round(statistics.mean(scores), 3),
        least=round(min(scores), 3),
        deviation=round(statistics.pstdev(scores), 3),
        worst_part=round(min(statistics.mean(part) for part in several), 3),
        pictures=len(scores),
        seconds=round(
            sum((it.end_seconds or 0.0) - it.start_seconds for it in recipe.looks), 3
        ),
        model=rendition.target.model,
        target=rendition.target.vmaf,
        crf=rendition.crf,
    )


def _scores(folder: Path, name: str) -> tuple[float, ...]:
    path = folder / f"{name}.json"
    try:
        frames = json.loads(path.read_bytes())["frames"]
        scores = tuple(float(frame["metrics"]["vmaf"]) for frame in frames)
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    finally:
        path.unlink(missing_ok=True)
    # Of its first picture VMAF knows no motion, and marks it down by ten and more.
    return scores[1:] or scores
