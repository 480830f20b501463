"""The first pass of loudness normalisation: how loud is the programme as it is?"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..contract import AudioRendition, Progress, Task
from ..errors import EncoderFailed
from ..media.timeline import clipped
from .children import Children, Program
from .command.audio import Measured
from .command.build import measure
from .encode import allowed, refuse_part
from .progress import Lines, ProgressLines, Summary, without_secrets

_SILENT_LUFS = -70.0
"""Absolute gate of EBU R128: below it there is no programme to measure."""


@dataclass(frozen=True, slots=True)
class FirstPass:
    """What was heard, and what it took."""

    found: Mapping[str, Measured] = field(default_factory=dict)
    """By rendition."""
    notes: tuple[str, ...] = ()
    """On those left alone."""
    read_bytes: int = 0
    """Of the source."""


def measure_loudness(
    task: Task, *, program: str, folder: Path, report: Callable[[Progress], None]
) -> FirstPass:
    """
    What each rendition with a loudness target measures; *report* hears how far it is.

    Silence is left alone: no gain makes it loud. Raises `EncoderFailed` when ffmpeg
    fails.
    """
    found: dict[str, Measured] = {}
    notes: list[str] = []
    read = 0
    same: dict[tuple[object, ...], Measured | None] = {}
    for sound in task.recipe.audio:
        if sound.loudness is None or sound.made_by == "copied":
            continue
        # One pass for two codecs of one mix.
        mix = (sound.source_index, sound.channels, sound.sample_rate, sound.loudness)
        if mix not in same:
            same[mix], more = _measure(
                task, sound, program=program, folder=folder, report=report
            )
            read += more
        measured = same[mix]
        if measured is None:
            notes.append(f"Audio {sound.name} is silent; its loudness is left alone.")
        else:
            found[sound.name] = measured
    return FirstPass(found, tuple(notes), read)


def phase(task: Task, name: str = "loudness") -> Progress:
    """What is reported of a step before encoding, which has no progress of its own."""
    return Progress(
        task_id=task.task_id,
        done_seconds=0.0,
        total_seconds=task.media.duration_seconds,
        speed=None,
        phase=name,
    )


def _measure(
    task: Task,
    sound: AudioRendition,
    *,
    program: str,
    folder: Path,
    report: Callable[[Progress], None],
) -> tuple[Measured | None, int]:
    argv = measure(task, sound, program=program)
    summary = Summary()
    tail = summary.tail
    seconds = clipped(task.media, task.recipe.clip).duration_seconds
    progress = ProgressLines(task.task_id, seconds, report, phase="loudness")
    lines, out = Lines(summary.take), Lines(progress.take)
    with Children(folder) as children:
        may = allowed(task, argv, writes=(folder,))
        children.start(Program("ffmpeg", argv, out.feed, lines.feed, may))
        ended = children.wait()
    lines.close()
    status = ended.statuses["ffmpeg"]
    refuse_part(summary)
    values = _parse(tail.text)
    if status != 0 or values is None:
        raise EncoderFailed(
            f"The loudness of audio {sound.name} cannot be measured:"
            f" {tail.error or f'ffmpeg ended with {status}'}",
            argv=[without_secrets(argument) for argument in argv],
            status=status,
            stderr_tail=tail.text,
        )
    quiet = not math.isfinite(values.integrated_lufs)
    if quiet or values.integrated_lufs <= _SILENT_LUFS:
        return None, summary.read_bytes or 0
    return values, summary.read_bytes or 0


def _parse(text: str) -> Measured | None:
    # The findings are the last braces on standard error.
    begin, end = text.rfind("{"), text.rfind("}")
    if begin < 0 or end < begin:
        return None
    try:
        found = json.loads(text[begin : end + 1])
        return Measured(
            integrated_lufs=float(found["input_i"]),
            true_peak_dbtp=float(found["input_tp"]),
            range_lu=float(found["input_lra"]),
            threshold_lufs=float(found["input_thresh"]),
            offset_lu=float(found["target_offset"]),
        )
    except (ValueError, KeyError):
        return None
