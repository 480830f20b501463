"""The subtitles that are drawn into the picture, taken out of the source beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..contract import Task
from ..errors import EncoderFailed
from .children import Children, Program
from .command.build import extract
from .encode import allowed
from .progress import Lines, Summary, without_secrets

_FILE = "lines.mkv"


@dataclass(frozen=True, slots=True)
class ExtractedSubtitles:
    """Where the lines are, and what it took."""

    path: str | None = None
    """None where none are drawn."""
    read_bytes: int = 0
    """Of the source."""


def take_lines(task: Task, *, program: str, folder: Path) -> ExtractedSubtitles:
    """
    The lines alone, in a file in *folder*, where the recipe draws any.

    Raises `EncoderFailed` when ffmpeg fails.
    """
    if task.recipe.burned_index is None:
        return ExtractedSubtitles()
    path = folder / _FILE
    argv = extract(task, program=program, path=str(path))
    summary = Summary()
    lines = Lines(summary.take)
    with Children(folder) as children:
        may = allowed(argv, writes=(folder,))
        children.start(
            Program("ffmpeg", argv, lines.feed, lines.feed, may, task.source)
        )
        ended = children.wait()
        fault = children.fault
    lines.close()
    status = ended.statuses["ffmpeg"]
    if fault is not None:
        raise fault.error(stderr_tail=summary.tail.text)
    if status != 0:
        raise EncoderFailed(
            f"Subtitle track {task.recipe.burned_index} cannot be read to be burned in:"
            f" {summary.tail.error or f'ffmpeg ended with {status}'}",
            argv=[without_secrets(argument) for argument in argv],
            status=status,
            stderr_tail=summary.tail.text,
        )
    return ExtractedSubtitles(str(path), summary.read_bytes or 0)
